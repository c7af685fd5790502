// Exec through CRI: exit codes, output of all sizes, time limits, many at once, and logs of containers.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { memoryKib, openFiles, processTree } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { CriError } from '../support/cri.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { usePodHost } from '../support/stands.ts';

/** Execs of the storm; the 1,000 with BULKHEAD_TEST_LONG=1. */
const STORM = process.env.BULKHEAD_TEST_LONG === '1' ? 1_000 : 200;
const AT_ONCE = 16;

const { host, clean } = await usePodHost();
const pod = await host.pod();
const box = await pod.run();

test('exit codes, both streams, no input', async () => {
  for (const code of [0, 1, 42, 255]) {
    const script = `echo out-${code}; echo err-${code} >&2; exit ${code}`;
    const expected = { code, stdout: `out-${code}\n`, stderr: `err-${code}\n` };
    assert.deepEqual(await box.exec(['sh', '-c', script]), expected);
  }
  assert.equal((await box.exec(['sh', '-c', 'kill -9 $$'])).code, 137);
  assert.deepEqual(await box.exec(['cat']), { code: 0, stdout: '', stderr: '' });
  assert.deepEqual(await box.exec(['true']), { code: 0, stdout: '', stderr: '' });
});

test('a command that does not exist, and one that may not be run', async () => {
  await assert.rejects(box.exec(['/no/such']), /no such file|not found/i);
  await assert.rejects(box.exec(['/etc/passwd']), /permission denied/i);
  assert.equal(await box.sh('echo goes on'), 'goes on\n');
});

test('a time limit ends the command', async () => {
  const begin = performance.now();
  const late = box.exec(['sh', '-c', 'echo started; exec sleep 7777'], 2);
  await assert.rejects(late, (error) => error instanceof CriError && error.code === 4);
  assert.ok(performance.now() - begin < 15_000);
  await waitFor('end of the command', async () => !/sleep 7777/.test(await box.sh('ps -o args')));
});

test('16 MiB of output arrive whole; more is cut by containerd, and the command ends well', {
  timeout: 180_000,
}, async () => {
  const whole = await box.cri.call(
    'ExecSync',
    { containerId: box.id, cmd: ['sh', '-c', 'head -c 16777216 /dev/zero | tr "\\0" x'], timeout: 120 },
    150_000,
  );
  assert.equal(whole.exitCode, 0);
  assert.equal(whole.stdout.length, 16 << 20);
  assert.ok(whole.stdout.every((byte) => byte === 0x78));
  const cut = await box.cri.call(
    'ExecSync',
    { containerId: box.id, cmd: ['sh', '-c', 'head -c 18000000 /dev/zero; exit 5'], timeout: 120 },
    150_000,
  );
  assert.deepEqual([cut.exitCode, cut.stdout.length], [5, 16 << 20]);
});

test("the container's log: both streams in order, long lines, no newline at the end, rotation", async () => {
  const script = `for i in 1 2 3; do echo out $i; sleep 0.1; echo err $i >&2; sleep 0.1; done
    head -c 40000 /dev/zero | tr "\\0" y; echo; printf end
    while [ ! -e /tmp/go ]; do sleep 0.1; done; echo after`;
  const talker = await pod.run({ command: ['sh', '-c', script] });
  await waitFor(
    'long line',
    () =>
      talker.output().includes('end') || talker.log().filter(({ text }) => text.startsWith('y')).length >= 3,
  );
  const lines = talker.log();
  const expected = [1, 2, 3].flatMap((n) => [
    { stream: 'stdout', text: `out ${n}` },
    { stream: 'stderr', text: `err ${n}` },
  ]);
  assert.deepEqual(lines.slice(0, 6), expected);
  const long = lines.filter(({ text }) => text.startsWith('y'));
  assert.equal(long.map(({ text }) => text).join(''), 'y'.repeat(40_000));
  renameSync(talker.logFile, `${talker.logFile}.1`);
  await talker.cri.call('ReopenContainerLog', { containerId: talker.id });
  await talker.sh('touch /tmp/go');
  await talker.exited();
  await waitFor(
    'new log',
    () => existsSync(talker.logFile) && readFileSync(talker.logFile, 'utf8').includes('after'),
  );
  await talker.remove();
});

test('output written just before the end is in the log', async () => {
  const brief = await pod.run({
    command: ['sh', '-c', 'i=0; while [ $i -lt 500 ]; do echo line-$i; i=$((i+1)); done'],
  });
  await brief.exited();
  await waitFor('last line', () => brief.output().endsWith('line-499\n'), 5_000);
  assert.equal(brief.log().length, 500);
  await brief.remove();
});

test(`${STORM} execs, ${AT_ONCE} at once: all answer, nothing leaks`, { timeout: 900_000 }, async (t) => {
  await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => box.sh(`echo warm ${n}`, 60)));
  const settle = async () => await new Promise((resolve) => setTimeout(resolve, 1_000));
  await settle();
  const before = await measure();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < STORM; n = next++) {
      const { code, stdout } = await box.exec(['sh', '-c', `echo exec-${n}; exit ${n % 200}`], 60);
      assert.deepEqual([code, stdout], [n % 200, `exec-${n}\n`]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await settle();
  const after = await measure();
  t.diagnostic(`before ${JSON.stringify(before)}`);
  t.diagnostic(`after  ${JSON.stringify(after)}`);
  for (const [name, room] of Object.entries(mayGrow)) {
    const grown = (after[name] ?? 0) - (before[name] ?? 0);
    assert.ok(grown <= room, `${name}: ${before[name]}, then ${after[name]}`);
  }
});

test('nothing stays', async () => {
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, box.id]);
});

/** By how much each number of `measure` may be higher after the storm, however many execs it had. */
const mayGrow: Readonly<Record<string, number>> = {
  shimFiles: 2,
  shimKib: 24 * 1024,
  processes: 0,
  fifos: 0,
  containerdFiles: 16,
  guestTasks: 2,
  // Counted by the guest's kernel in steps.
  guestFiles: 128,
  guestAnonKib: 8 * 1024,
  guestSlabKib: 16 * 1024,
};

/** What is held by the shim, by containerd and by the guest as a whole (its agent, and what its kernel keeps for it). */
async function measure(): Promise<Record<string, number>> {
  const { daemon } = host;
  const streams = join(daemon.dir, 's', 'io.containerd.grpc.v1.cri', 'containers', box.id, 'io');
  const containerd = {
    fifos: readdirSync(streams, { recursive: true }).length,
    containerdFiles: openFiles(daemon.pid!).size,
  };
  if (!runtime.isVm) return containerd;
  const file = join(daemon.bulkheadState, daemon.namespace, pod.id, 'state.json');
  const shim = (JSON.parse(readFileSync(file, 'utf8')) as { shim: { pid: number } }).shim.pid;
  // The kernel's own numbers are those of the whole guest, whatever namespaces the reader is in.
  const words = await box.sh(
    `cut -d/ -f2 /proc/loadavg | cut -d' ' -f1; cut -f1 /proc/sys/fs/file-nr
     sed -n 's/^\\(AnonPages\\|SUnreclaim\\): *\\([0-9]*\\) kB/\\2/p' /proc/meminfo`,
  );
  const [guestTasks, guestFiles, guestAnonKib, guestSlabKib] = words.trim().split('\n').map(Number);
  return {
    ...containerd,
    shimFiles: openFiles(shim).size,
    shimKib: memoryKib(shim).privateDirty,
    processes: processTree(shim).length,
    guestTasks: guestTasks!,
    guestFiles: guestFiles!,
    guestAnonKib: guestAnonKib!,
    guestSlabKib: guestSlabKib!,
  };
}
