// What is done to files in a place, one after the other, each timed as a whole by busybox's programs and a shell that is open.
import { INSERTS, REPOSITORY, SYNC_LOOP, TREE } from './file-programs.ts';
import type { Shell } from './shell.ts';

export interface FileSize {
  readonly rounds: number;
  /** One large file that is written and read. */
  readonly mebibytes: number;
  /** Small files that an archive has. */
  readonly tree: number;
  /** Small files that a shell makes and git checks out, and times that a shell appends to one. */
  readonly files: number;
}

export interface FileSide {
  readonly shell: Shell;
  /** A guest has a page cache of its own, which reading must not find full. */
  readonly isGuest: boolean;
}

/** One figure. */
export interface Work {
  readonly name: string;
  readonly unit: 'MB/s' | '1/s';
  /** Million bytes, or pieces, that one run of the script handles. */
  readonly amount: number;
  /** The guest has written out all and forgotten it before. */
  readonly isCold?: boolean;
  readonly script: (dir: string) => string;
}

const APPENDED = 'x'.repeat(99);
const BLOCKS = 5_000;
const ANY_OWNER = '-c safe.directory=*';
const SYNCS = 50;
/** Each a transaction of its own. */
export const SQL_INSERTS = 25;

/** In the order in which they are done: some need what others have made. */
export function fileWorks({ mebibytes, tree, files }: FileSize): Work[] {
  const loop = (count: number, body: string) =>
    `i=0; while [ $i -lt ${count} ]; do ${body}; i=$((i+1)); done`;
  const each = (name: string, amount: number, script: Work['script']): Work => {
    return { name, unit: '1/s', amount, script };
  };
  const megabytes = (mebibytes << 20) / 1e6;
  return [
    each(`tar x of ${tree} files`, tree, (dir) => `tar x -f /run/${TREE} -C ${dir}`),
    { ...each('find in them', tree, (dir) => `find ${dir} -type f -size +9999`), isCold: true },
    each('chmod -R of them', tree, (dir) => `chmod -R o-r ${dir}/tree`),
    each('rm -r of them', tree, (dir) => `rm -r ${dir}/tree`),
    each(`create ${files} small files`, files, (dir) => loop(files, `echo text >${dir}/$i`)),
    each(`append 100 B ${files} times`, files, (dir) => loop(files, `echo ${APPENDED} >>${dir}/log`)),
    each(
      `${BLOCKS} writes of 4 KiB`,
      BLOCKS,
      (dir) => `dd if=/dev/zero of=${dir}/blocks bs=4k count=${BLOCKS}`,
    ),
    each(
      `git clone of ${files} files`,
      files,
      (dir) => `git ${ANY_OWNER} clone -q file:///run/${REPOSITORY} ${dir}/clone`,
    ),
    each(
      `sqlite: ${SQL_INSERTS} inserts`,
      SQL_INSERTS,
      (dir) => `sqlite3 ${dir}/base '.read /run/${INSERTS}'`,
    ),
    each(`${SYNCS} times 4 KiB and fsync`, SYNCS, (dir) => `${SYNC_LOOP} ${dir}/synced ${SYNCS}`),
    {
      ...{ name: `write ${mebibytes} MiB`, unit: 'MB/s', amount: megabytes },
      script: (dir) => `dd if=/dev/zero of=${dir}/data bs=1M count=${mebibytes}`,
    },
    {
      ...{ name: `read ${mebibytes} MiB`, unit: 'MB/s', amount: megabytes, isCold: true },
      script: (dir) => `dd if=${dir}/data of=/dev/null bs=1M`,
    },
  ];
}

const LOOPS = 50_000;

/** No file is touched but one in memory. The first is the yardstick: branches and calls, as what works on files has. */
export const cpuWorks: readonly [Work, Work] = [
  {
    ...{ name: 'shell counts', unit: '1/s', amount: LOOPS },
    script: () => `i=0; while [ $i -lt ${LOOPS} ]; do i=$((i+1)); done`,
  },
  {
    name: 'gzip of 10 programs in memory',
    unit: '1/s',
    amount: 10,
    script: () => `gzip -c${' /run/busybox'.repeat(10)}`,
  },
];

/** @returns what a second brings. Rejects when the script fails. */
export async function timed({ shell, isGuest }: FileSide, work: Work, dir: string): Promise<number> {
  if (work.isCold === true && isGuest) await shell.run('sync; echo 3 >/proc/sys/vm/drop_caches');
  return work.amount / ((await shell.run(work.script(dir))) / 1_000);
}
