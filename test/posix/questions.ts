// What is asked of each place, and the answers as lines that can be compared.
import { type Outcome, type Place, places, type Side } from './stand.ts';

/** Name of a question -> answer. */
export type Answers = ReadonlyMap<string, string>;

const PROBE_MS = 60_000;
const PJDFSTEST_MS = 280_000;
const FSX_MS = 200_000;
const STRESS_MS = 400_000;

/** What programs ask beyond POSIX. */
export async function probe(side: Side, place: Place): Promise<Answers> {
  const flags = place === 'read-only bind' ? ['-r'] : [];
  const outcome = await side(['/programs/probe', ...flags, places[place]], PROBE_MS);
  if (outcome.status !== 0) throw failure('probe', outcome);
  return new Map(
    outcome.text
      .trim()
      .split('\n')
      .map((line) => line.split('\t') as [string, string]),
  );
}

/** POSIX, by pjdfstest. @param patterns parts of the names of the tests that are run; all unless told. */
export async function pjdfstest(
  side: Side,
  place: Place,
  patterns: readonly string[] = [],
): Promise<Answers> {
  const words = ['-c', '/etc/pjdfstest.toml', '-s', '/second', '-p', places[place], ...patterns];
  const outcome = await side(['/programs/pjdfstest', ...words], PJDFSTEST_MS);
  if (!/^Summary: /m.test(outcome.text)) {
    const refused = /Read-only file system/.exec(outcome.text)?.[0];
    if (refused !== undefined) return new Map([['pjdfstest', refused]]);
    throw failure('pjdfstest', outcome);
  }
  const lines = outcome.text.matchAll(/^([a-z0-9_:]+) +(ok|FAILED|skipped)$/gm);
  return new Map([...lines].map(([, name, answer]) => [name!, answer!]));
}

/** Random operations on one file, through descriptors and mappings, by fsx: the same ones for the same seed. */
export async function fsx(side: Side, place: Place, seed: number, operations: number): Promise<Answers> {
  const file = `${places[place]}/fsx`;
  const words = ['-N', String(operations), '-S', String(seed), '-P', '/tmp', file];
  const { status, text } = await side(['/programs/fsx', ...words], FSX_MS);
  const answer = status === 0 && text.includes('A-OK') ? 'ok' : text.trim().split('\n').slice(-3).join(' | ');
  return new Map([['fsx', answer]]);
}

/** Those of stress-ng's class `filesystem` that are about the file system in which they run. */
const stressors =
  'access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dnotify dup fallocate fanotify fcntl fiemap file-ioctl ' +
  'filename flock fpunch fsize fstat getdent handle hdd inode-flags inotify io iomix lease link locka lockf lockofd mknod open ' +
  'rename symlink sync-file touch utime verity xattr';

/** stress-ng(1), EXIT STATUS. */
const stressOutcomes: Readonly<Record<string, string>> = {
  0: 'ok',
  2: 'FAILED',
  3: 'no resources',
  4: 'not implemented',
};

/** Load on each kind of call for a second, with stress-ng's own checks. */
export async function stressNg(side: Side, place: Place): Promise<Answers> {
  const libraries = ['lib', 'usr/lib'].map((dir) => `/stress-ng/${dir}/x86_64-linux-gnu`);
  const run = `${libraries[0]}/ld-linux-x86-64.so.2 --library-path ${libraries.join(':')} /stress-ng/usr/bin/stress-ng`;
  // Within one second a lock or a process may not have come; what fails three times does not come at all.
  const script = `for s in ${stressors}; do
    for try in 1 2 3; do
      ${run} --$s 1 -t 1 --verify --temp-path ${places[place]} >/tmp/out 2>&1; status=$?
      [ $status != 0 ] || break
    done
    echo "= stress-ng $s $status"; grep -E "fail|error" /tmp/out
  done`;
  const { text } = await side(['sh', '-c', script], STRESS_MS);
  const found = [...text.matchAll(/^= (stress-ng \S+) (\d+)$/gm)];
  if (found.length !== stressors.split(' ').length) throw failure('stress-ng', { status: 1, text });
  return new Map(found.map(([, name, status]) => [name!, stressOutcomes[status!] ?? `exit ${status}`]));
}

function failure(what: string, { status, text }: Outcome): Error {
  return new Error(`${what}: exit ${status}\n${text.slice(-3_000)}`);
}
