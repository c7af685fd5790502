// `ctr task exec` into one long-lived container: results, streams, identity, errors, concurrency, end of the container.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { describe } from '../../scripts/stand/command.ts';
import { openFiles } from '../../scripts/stand/processes.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { CtrContainer } from '../support/ctr.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { useContainerd } from '../support/stands.ts';

const { daemon, clean } = await useContainerd();
const box = await CtrContainer.start(
  daemon,
  'box',
  ['sleep', '100000'],
  ['--null-io', '--env', 'FROM=image'],
);

test('output, error output, input and exit code', async () => {
  const script = 'echo ready; cat; echo err >&2; exit 9';
  const result = await box.exec(['sh', '-c', script], { input: 'typed\n', inputAfter: /ready/ });
  assert.equal(result.code, 9, describe(result));
  assert.equal(result.stdout, 'ready\ntyped\n');
  assert.equal(result.stderr, 'err\n');
});

test('working directory, user by number, environment of the container', async () => {
  assert.equal((await box.exec(['pwd'], { flags: ['--cwd', '/tmp'] })).stdout, '/tmp\n');
  const id = 'uid=1000(app) gid=1000(app)';
  assert.ok((await box.exec(['id'], { flags: ['--user', '1000:1000'] })).stdout.startsWith(id));
  assert.equal(await box.sh('echo $FROM'), 'image\n');
});

test('a command that is not there fails with its name and leaves no exec', async () => {
  for (const command of [['no-such-command'], ['/no/such/command'], ['/etc/passwd']]) {
    const result = await box.exec(command, { execId: 'absent' });
    assert.notEqual(result.code, 0);
    // crun does not say which file it may not execute.
    if (command[0] !== '/etc/passwd') assert.ok(result.stderr.includes(command[0] ?? ''), describe(result));
    assert.match(result.stderr, /not found|no such file|permission denied/i);
  }
  assert.equal((await box.exec(['true'], { execId: 'absent' })).code, 0);
});

test('a working directory that is not there fails with its name', async () => {
  const result = await box.exec(['true'], { flags: ['--cwd', '/no/such/folder'] });
  assert.notEqual(result.code, 0);
  assert.ok(result.stderr.includes('/no/such/folder'), describe(result));
});

test('an exec id in use is refused, and free again afterwards', async () => {
  const first = box.exec(['sleep', '100'], { execId: 'twice' });
  await listed('twice');
  const second = await box.exec(['true'], { execId: 'twice' });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /already exists/);
  await daemon.mustCtr(['task', 'kill', '--exec-id', 'twice', '--signal', 'SIGTERM', 'box']);
  assert.equal((await first).code, 143);
  assert.equal((await box.exec(['true'], { execId: 'twice' })).code, 0);
});

test('signals reach the exec and only it', async () => {
  const running = box.exec(
    ['sh', '-c', 'trap "echo usr1; exit 3" USR1; echo ready; while :; do sleep 0.1; done'],
    {
      execId: 'sig',
    },
  );
  await listed('sig');
  await waitFor('end by SIGUSR1', async () => {
    await daemon.ctr(['task', 'kill', '--exec-id', 'sig', '--signal', 'SIGUSR1', 'box']);
    return await Promise.race([
      running.then(() => true),
      new Promise<false>((done) => setTimeout(done, 500, false)),
    ]);
  });
  const result = await running;
  // A USR1 before the trap is set ends the shell with 128+10.
  assert.ok(result.code === 3 || result.code === 138, describe(result));
  assert.equal((await box.status())?.status, 'RUNNING');
});

test('20 execs at once keep their outputs apart; the shim ends with the descriptors it began with', {
  timeout: 200_000,
}, async () => {
  await box.sh('true');
  const before_ = shimFiles();
  // The pause is for ctr, which now and then forgets output that comes before it has opened its end.
  const script = (i: number): string => `sleep 0.5; echo out-${i}; echo err-${i} >&2; exit ${i}`;
  const runs = Array.from({ length: 20 }, (_, i) => box.exec(['sh', '-c', script(i)]));
  for (const [i, result] of (await Promise.all(runs)).entries()) {
    assert.equal(result.code, i, describe(result));
    assert.equal(result.stdout, `out-${i}\n`);
    assert.equal(result.stderr, `err-${i}\n`);
  }
  await waitFor('same number of descriptors', () => shimFiles() <= before_ + 1, 5_000).catch(() =>
    assert.fail(`descriptors of the shim: ${before_} before, ${shimFiles()} after`),
  );
});

test('binary input and output of an exec are not changed', async () => {
  const data = randomBytes(3_000_001);
  const result = await box.exec(['sh', '-c', 'echo ready >&2; cat'], { input: data });
  assert.equal(result.code, 0, describe({ ...result, stdout: '' }));
  assert.equal(hash(result.stdoutBytes), hash(data));
});

test('a process left in the background does not keep an exec from ending', async () => {
  const script = 'sleep 301 >/dev/null 2>&1 & sleep 0.5; echo $!';
  const result = await box.exec(['sh', '-c', script], { timeoutMs: 20_000 });
  assert.equal(result.code, 0, describe(result));
  await box.sh(`kill ${Number(result.stdout)}`);
});

test('a detached exec runs on', async () => {
  assert.equal((await box.exec(['sh', '-c', 'sleep 0.3; touch /tmp/done'], { flags: ['--detach'] })).code, 0);
  await waitFor(
    'its file',
    async () => (await box.exec(['test', '-e', '/tmp/done'])).code === 0,
    10_000,
    200,
  );
});

test('exec ends with the container: 137, and further execs are refused', async () => {
  const fresh = await CtrContainer.start(daemon, 'short', ['sleep', '1000']);
  // For a user's name ctr mounts the running container's overlay a second time, which breaks later copy-ups in it.
  const named = await fresh.exec(['sh', '-c', 'sleep 0.3; id'], { flags: ['--user', 'app'] });
  assert.ok(named.stdout.startsWith('uid=1000(app) gid=1000(app)'), describe(named));
  const running = fresh.exec(['sleep', '1000'], { execId: 'inner' });
  await listed('inner', 'short');
  await fresh.kill();
  assert.equal((await running).code, 137);
  await fresh.waitStatus('STOPPED');
  const late = await fresh.exec(['true']);
  assert.notEqual(late.code, 0);
  assert.match(late.stderr, /stopped|not running|not found|exited|failed precondition/i);
  assert.match(await fresh.remove(), /non-zero exit code 137/);
});

test('deleting a running task is refused and changes nothing', async () => {
  const result = await daemon.ctr(['task', 'delete', 'box']);
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /must be stopped|running|failed precondition/i);
  assert.equal(await box.sh('echo still'), 'still\n');
});

test('nothing is left after the containers are removed', async () => {
  await box.remove();
  await assertNothingNew(daemon, clean, ['box', 'short']);
});

/** Waits until the exec takes signals. */
async function listed(execId: string, id = 'box'): Promise<void> {
  // Signal 0 is not offered by ctr; WINCH is ignored by default.
  const probe = ['task', 'kill', '--exec-id', execId, '--signal', 'SIGWINCH', id];
  await waitFor(`exec ${execId}`, async () => (await daemon.ctr(probe)).code === 0, 10_000, 100);
}

function shimFiles(): number {
  const shim = daemon.processes().find((one) => one.command.includes('-id box'));
  assert.ok(shim, 'no shim process of box');
  return openFiles(shim.pid).size;
}

function hash(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
