// A million files made, walked and removed by a container on a folder of the host: the daemon's descriptors and memory stay
// within a bound meanwhile, programs can be started, and all is given back. `make test-files-heavy`; BULKHEAD_TEST_FILES
// is another number.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { mustRun } from '../support/command.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { programsOf } from '../support/processes.ts';
import { containerSpec, processSpec } from '../support/spec.ts';
import { within } from '../support/wait.ts';

const COUNT = Number(process.env.BULKHEAD_TEST_FILES ?? 1_000_000);
const STEP_MS = 3_600_000;
/** 64 for each MiB of the VM (docs/configuration.md), and the daemon's own. */
const MOST_DESCRIPTORS = 66_000;
const MOST_MEMORY_MIB = 64;

let fake: FakeContainerd;
before(async () => {
  fake = await FakeContainerd.start();
  await mustRun('cc', [
    '-static',
    '-O1',
    '-o',
    join(fake.dir, 'image/tree'),
    join(import.meta.dirname, 'tree.c'),
  ]);
});
after(() => fake.stop());

async function run(shim: Shim, args: readonly string[], limitMs = STEP_MS): Promise<string> {
  const { execId, io } = await shim.exec(processSpec(args));
  const exit = await within(args.join(' '), limitMs, shim.task.wait({ id: shim.id, execId }));
  await io.ended();
  await shim.task.delete({ id: shim.id, execId });
  assert.equal(exit.exitStatus, 0, io.errors);
  return io.output;
}

test(`${COUNT} files`, { timeout: 4 * STEP_MS }, async (t) => {
  const clean = belongings(fake);
  const volume = join(fake.dir, 'volume');
  mkdirSync(volume);
  const spec = containerSpec(['sleep', '1000000'], `/${fake.namespace}/many`);
  spec.mounts.push({ destination: '/v', type: 'bind', source: volume, options: ['rbind'] });
  const shim = await fake.shim('many', spec);
  await shim.run();
  const daemons = programsOf(fake.processes(), /^\S*(virtiofsd|bulkhead-files)/, 'many').map(
    ({ pid }) => pid,
  );
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
  await use(['/tree', 'make', '/v', String(COUNT)], 0);
  await use(['/tree', 'walk', '/v'], COUNT);
  await use(['/tree', 'remove', '/v'], 0);
  assert.deepEqual(readdirSync(volume), []);
  await shim.remove();
  await assertNothingNew(fake, clean, ['many']);
});

/** Memory of a process of its own, in MiB: the guest's, which it maps, is no part. */
function memoryOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^RssAnon:\s+(\d+)/m.exec(text)?.[1]) / 1_024);
}
