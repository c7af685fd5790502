// `ctr run`: output, input, exit codes, signals, identity, and that nothing stays behind.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { describe } from '../../scripts/stand/command.ts';
import { runArgs } from '../../scripts/stand/containerd.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { useContainerd } from '../support/stands.ts';

const { daemon, clean } = await useContainerd();

test('output, error output, input and exit code reach the client; nothing is left', async () => {
  const script = 'echo ready; cat; echo to-stderr >&2; exit 7';
  const io = { input: 'to-stdin\n', inputAfter: /ready/ };
  const result = await daemon.ctr([...runArgs('--rm'), 'basic', 'sh', '-c', script], io);
  assert.equal(result.code, 7, describe(result));
  assert.equal(result.stdout, 'ready\nto-stdin\n');
  assert.match(result.stderr, /to-stderr/);
  await assertNothingNew(daemon, clean, ['basic']);
});

test('the container has its own kernel in a VM, the host kernel otherwise', async () => {
  const result = await daemon.mustCtr([...runArgs('--rm'), 'kernel', 'uname', '-r']);
  if (runtime.isVm) assert.notEqual(result.stdout.trim(), release());
  else assert.equal(result.stdout.trim(), release());
});

test('exit codes 0, 1 and 255', async () => {
  for (const code of [0, 1, 255]) {
    const result = await daemon.ctr([...runArgs('--rm'), `exit${code}`, 'sh', '-c', `exit ${code}`]);
    assert.equal(result.code, code, describe(result));
  }
  await assertNothingNew(daemon, clean, ['exit0', 'exit1', 'exit255']);
});

test('environment, working directory, user, hostname, label and annotation options', async () => {
  const options = ['--rm', '--env', 'COLOUR=deep blue', '--cwd', '/tmp'];
  const script =
    'echo "$COLOUR"; pwd; id -u; cat /proc/self/mountinfo | grep -c " / / "; ls -ld /tmp | cut -c1-10';
  const { stdout } = await daemon.mustCtr([...runArgs(...options), 'options', 'sh', '-c', script]);
  assert.deepEqual(stdout.split('\n').slice(0, 3), ['deep blue', '/tmp', '0']);
  assert.match(stdout, /^drwxrwxrwt$/m);
});

test('a SIGTERM to init is delivered and its exit code kept', async () => {
  const script = 'trap "echo got-term; exit 42" TERM; echo ready; while :; do sleep 0.1; done';
  const running = daemon.ctr([...runArgs('--rm'), 'term', 'sh', '-c', script]);
  await waitRunning('term');
  await waitFor('trap', async () => {
    const kill = await daemon.ctr(['task', 'kill', '--signal', 'SIGTERM', 'term']);
    assert.equal(kill.code, 0, describe(kill));
    const ended = await Promise.race([
      running.then(() => true),
      new Promise((done) => setTimeout(done, 700, false)),
    ]);
    return ended === true;
  });
  const result = await running;
  assert.equal(result.code, 42, describe(result));
  assert.match(result.stdout, /ready\ngot-term/);
});

test('SIGKILL gives 137', async () => {
  const running = daemon.ctr([...runArgs('--rm'), 'killed', 'sleep', '300']);
  await waitRunning('killed');
  await daemon.mustCtr(['task', 'kill', '--signal', 'SIGKILL', 'killed']);
  assert.equal((await running).code, 137);
  await assertNothingNew(daemon, clean, ['term', 'killed']);
});

test('100 MiB of output arrive unchanged', { timeout: 300_000 }, async () => {
  const data = randomBytes(100 << 20);
  const file = join(daemon.dir, 'data');
  await writeFile(file, data);
  const mount = `type=bind,src=${file},dst=/data,options=rbind:ro`;
  const result = await daemon.mustCtr([...runArgs('--rm', '--mount', mount), 'big', 'cat', '/data'], {
    timeoutMs: 280_000,
  });
  assert.equal(result.stdoutBytes.length, data.length);
  assert.equal(sha256(result.stdoutBytes), sha256(data));
});

test('16 MiB of input arrive unchanged and end with EOF', { timeout: 200_000 }, async () => {
  const data = randomBytes(16 << 20);
  const args = [...runArgs('--rm'), 'input', 'sh', '-c', 'echo ready; sha256sum'];
  const result = await daemon.mustCtr(args, { input: data, inputAfter: /ready/, timeoutMs: 180_000 });
  assert.equal(result.stdout.split(/\s+/)[1], sha256(data));
  await assertNothingNew(daemon, clean, ['big', 'input']);
});

test('output written just before exit is never cut', { timeout: 200_000 }, async () => {
  for (let round = 0; round < 3; round++) {
    const script = 'i=0; while [ $i -lt 2000 ]; do echo line-$i; i=$((i+1)); done; echo last >&2';
    const result = await daemon.mustCtr([...runArgs('--rm'), `tail${round}`, 'sh', '-c', script]);
    const lines = result.stdout.trimEnd().split('\n');
    assert.equal(lines.length, 2000);
    assert.equal(lines.at(-1), 'line-1999');
    assert.match(result.stderr, /last/);
  }
});

test('--null-io runs without streams', async () => {
  const result = await daemon.ctr([...runArgs('--rm', '--null-io'), 'null', 'sh', '-c', 'echo lost; exit 5']);
  assert.equal(result.code, 5, describe(result));
  assert.equal(result.stdout, '');
});

test('read-only root refuses writes, and a tmpfs takes them', async () => {
  const mount = 'type=tmpfs,src=tmpfs,dst=/scratch,options=size=1m';
  const script = 'touch /x 2>&1; echo code-$?; touch /scratch/x && echo scratch-ok; df -k /scratch | tail -1';
  const { stdout } = await daemon.mustCtr([
    ...runArgs('--rm', '--read-only', '--mount', mount),
    'ro',
    'sh',
    '-c',
    script,
  ]);
  assert.match(stdout, /Read-only file system/);
  assert.match(stdout, /code-1/);
  assert.match(stdout, /scratch-ok/);
  assert.match(stdout, /\b1024\b/);
  await assertNothingNew(daemon, clean, ['ro', 'null', 'tail0', 'tail1', 'tail2']);
});

async function waitRunning(id: string): Promise<void> {
  await waitFor(
    `running task ${id}`,
    async () =>
      new RegExp(`^${id}\\s+\\d+\\s+RUNNING`, 'm').test((await daemon.mustCtr(['task', 'ls'])).stdout),
    30_000,
    100,
  );
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
