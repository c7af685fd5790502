// containerd dies and comes back while containers run: they are found again, output and exit codes intact.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { describe } from '../../scripts/stand/command.ts';
import { runArgs } from '../../scripts/stand/containerd.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { CtrContainer } from '../support/ctr.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { useContainerd } from '../support/stands.ts';

const { daemon, clean } = await useContainerd();

test('kill -9 and restart while running: same pid, output goes on, exec works, exit code comes', {
  timeout: 120_000,
}, async () => {
  const log = join(daemon.dir, 'count.log');
  const script =
    'i=0; trap "echo term; exit 23" TERM; while :; do echo line-$i; i=$((i+1)); sleep 0.05; done';
  const box = await CtrContainer.start(daemon, 'stays', ['sh', '-c', script], ['--log-uri', `file://${log}`]);
  const before_ = await box.status();
  await daemon.kill('SIGKILL');
  const size = (await readFile(log)).length;
  await waitFor('output without containerd', async () => (await readFile(log)).length > size + 50, 10_000);
  await daemon.launch();
  assert.deepEqual(await box.status(), before_);
  assert.equal(await box.sh('sleep 0.3; echo exec works'), 'exec works\n');
  await box.kill('SIGTERM');
  await box.waitStatus('STOPPED');
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
  assert.equal(lines.at(-1), 'term');
  for (const [i, line] of lines.slice(0, -1).entries())
    assert.equal(line, `line-${i}`, 'no line lost or doubled');
  assert.match(await box.remove(), /non-zero exit code 23/);
  await assertNothingNew(daemon, clean, ['stays']);
});

test('an exit while containerd is down is known after the restart', { timeout: 120_000 }, async () => {
  const log = join(daemon.dir, 'short.log');
  const script = 'echo begun; sleep 3; echo done; exit 31';
  const box = await CtrContainer.start(daemon, 'ends', ['sh', '-c', script], ['--log-uri', `file://${log}`]);
  await daemon.kill('SIGKILL');
  await waitFor('its end', async () => (await readFile(log, 'utf8')) === 'begun\ndone\n', 15_000);
  await daemon.launch();
  // containerd from 1.7 on takes a task without processes for a leak, and deletes it by itself.
  const mayBeGone = !daemon.binaries.version.startsWith('1.6.');
  const status = await waitFor(
    'end known to containerd',
    async () => {
      const now = await box.status();
      if (now === undefined) return mayBeGone ? 'gone' : undefined;
      return now.status === 'STOPPED' ? 'stopped' : undefined;
    },
    20_000,
    100,
  );
  const removed = await box.remove();
  if (status === 'stopped') assert.match(removed, /non-zero exit code 31/);
  await assertNothingNew(daemon, clean, ['ends']);
});

test('an orderly restart is the same; a client that waits is served again', {
  timeout: 120_000,
}, async () => {
  const box = await CtrContainer.start(daemon, 'orderly', ['sleep', '1000']);
  const before_ = await box.status();
  await daemon.kill('SIGTERM');
  await daemon.launch();
  await daemon.kill('SIGTERM');
  await daemon.launch();
  assert.deepEqual(await box.status(), before_);
  const wait = daemon.ctr(['events'], { timeoutMs: 8_000 });
  await new Promise((done) => setTimeout(done, 500));
  await box.kill();
  await box.waitStatus('STOPPED');
  await box.remove();
  const events = (await wait).stdout;
  assert.match(events, /\/tasks\/exit.*orderly/, 'events flow over the new connection');
  assert.match(events, /\/tasks\/delete.*orderly/);
  await assertNothingNew(daemon, clean, ['orderly']);
});

test('kill -9 of containerd in the middle of `ctr run`, 4 times at different moments: nothing stays for ever', {
  timeout: 200_000,
}, async () => {
  for (const delayMs of [60, 250, 700, 1500]) {
    const id = `middle${delayMs}`;
    const running = daemon.ctr([...runArgs('--null-io'), id, 'sleep', '1000'], { timeoutMs: 60_000 });
    await new Promise((done) => setTimeout(done, delayMs));
    await daemon.kill('SIGKILL');
    assert.notEqual((await running).code, 0);
    await daemon.launch();
    await daemon.ctr(['task', 'kill', '--signal', 'SIGKILL', id]);
    await waitFor(
      `end of ${id}`,
      async () => {
        const deleted = await daemon.ctr(['task', 'delete', '--force', id]);
        return deleted.code === 0 || /not found/.test(deleted.stderr);
      },
      15_000,
      200,
    );
    const gone = await daemon.ctr(['container', 'delete', id]);
    assert.ok(gone.code === 0 || /not found/.test(gone.stderr), describe(gone));
    // runc's shim may stay when containerd dies between its start and the first connection.
    if (runtime.isVm) await assertNothingNew(daemon, clean, [id], 40_000);
  }
});
