// A million files made, walked and removed by a container on a folder of the host, and on a root with a disk of its own: the
// daemon's descriptors and memory stay within a bound meanwhile, programs can be started, and all is given back.
// `make test-files-heavy`; BULKHEAD_TEST_FILES is another number.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { containerSpec, processSpec } from '../support/spec.ts';

const COUNT = Number(process.env.BULKHEAD_TEST_FILES ?? 1_000_000);
const STEP_MS = 3_600_000;
/** 64 for each MiB of the VM (docs/configuration.md), and the daemon's own. */
const MOST_DESCRIPTORS = 66_000;
const MOST_MEMORY_MIB = 64;

/** Where the files are made, and what the pod is told for it. */
const places = {
  bind: { path: '/v', annotations: {} },
  'disk root': { path: '/many', annotations: { 'io.bulkhead.rootfs.mode': 'disk' } },
} as const;

let fake: FakeContainerd;
let scratch: string;
before(async () => {
  scratch = await scratchDir('many');
  const config = join(scratch, 'config.toml');
  writeFileSync(config, '[annotations]\nallow = ["rootfs.mode"]\n');
  fake = await FakeContainerd.start(runtime, { BULKHEAD_CONFIG: config });
  mkdirSync(join(fake.dir, 'image/many'));
  await mustRun('cc', [
    '-static',
    '-O1',
    '-o',
    join(fake.dir, 'image/tree'),
    join(import.meta.dirname, 'tree.c'),
  ]);
});
after(async () => {
  await fake.stop();
  rmSync(scratch, { recursive: true });
});

async function run(shim: Shim, args: readonly string[], limitMs = STEP_MS): Promise<string> {
  const { execId, io } = await shim.exec(processSpec(args));
  const exit = await within(args.join(' '), limitMs, shim.task.wait({ id: shim.id, execId }));
  await io.ended();
  await shim.task.delete({ id: shim.id, execId });
  assert.equal(exit.exitStatus, 0, io.errors);
  return io.output;
}

for (const [place, { path, annotations }] of Object.entries(places)) {
  test(`${COUNT} files: ${place}`, { timeout: 4 * STEP_MS }, async (t) => {
    const id = place.replace(' ', '-');
    const clean = belongings(fake);
    const volume = join(fake.dir, 'volume', id);
    mkdirSync(volume, { recursive: true });
    const spec = containerSpec(['sleep', '1000000'], `/${fake.namespace}/${id}`);
    spec.mounts.push({ destination: '/v', type: 'bind', source: volume, options: ['rbind'] });
    const shim = await fake.shim(id, { ...spec, annotations });
    await shim.run();
    const disk = join(fake.dir, 'o', id, 'upper/bulkhead-root-disk.ext4');
    assert.equal(existsSync(disk), place === 'disk root', 'a place is what it is called');
    const daemons = programsOf(fake.processes(), /^\S*(virtiofsd|bulkhead-files)/, id).map(({ pid }) => pid);
    assert.ok(daemons.length > 0, 'there is a daemon');

    const use = async (args: readonly string[], expected: number) => {
      const begin = performance.now();
      assert.equal(await run(shim, args), `${expected}\n`);
      const seconds = Math.round((performance.now() - begin) / 1_000);
      const descriptors = Math.max(...daemons.map((pid) => readdirSync(`/proc/${pid}/fd`).length));
      const memoryMib = Math.max(...daemons.map(memoryOf));
      t.diagnostic(`${args[1]}: ${seconds} s, ${descriptors} descriptors, ${memoryMib} MiB`);
      assert.ok(descriptors <= MOST_DESCRIPTORS, `${descriptors} descriptors`);
      assert.ok(memoryMib <= MOST_MEMORY_MIB, `${memoryMib} MiB`);
      assert.equal(await run(shim, ['echo', 'a program starts'], 60_000), 'a program starts\n');
    };
    await use(['/tree', 'make', path, String(COUNT)], 0);
    await use(['/tree', 'walk', path], COUNT);
    await use(['/tree', 'remove', path], 0);
    assert.deepEqual(readdirSync(volume), []);
    await shim.remove();
    await assertNothingNew(fake, clean, [id]);
  });
}

/** Memory of a process of its own, in MiB: the guest's, which it maps, is no part. */
function memoryOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^RssAnon:\s+(\d+)/m.exec(text)?.[1]) / 1_024);
}
