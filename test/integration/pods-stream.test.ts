// Interactive exec and attach through CRI's streams: terminal, input, resize, separate outputs.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { usePodHost } from '../support/stands.ts';
import type { Step, StreamAnswer } from '../support/stream-client.ts';

const { host, clean } = await usePodHost();
const pod = await host.pod();

async function dialogue(url: string, steps: readonly Step[]): Promise<StreamAnswer> {
  const client = join(repoRoot, 'test', 'support', 'stream-client.ts');
  const argv = [`--net=/proc/${host.daemon.pid}/ns/net`, process.execPath, '--no-warnings', client, url];
  const { stdout } = await mustRun('nsenter', argv, { input: JSON.stringify(steps), timeoutMs: 80_000 });
  return JSON.parse(stdout) as StreamAnswer;
}

test('exec with a terminal: it is one, input, size, exit code', async () => {
  const box = await pod.run();
  const request = { containerId: box.id, cmd: ['sh'], tty: true, stdin: true, stdout: true, stderr: false };
  const { url } = await host.cri.call('Exec', request);
  const { stdout, status } = await dialogue(url, [
    { after: '#', send: 'tty && echo term=$TERM\n' },
    { after: 'term=xterm', resize: { Width: 91, Height: 37 } },
    { after: 'term=xterm', send: 'sleep 0.5; stty size; exit 7\n' },
  ]);
  assert.match(stdout, /\/dev\/pts\/\d+/);
  assert.match(stdout, /37 91/);
  assert.match(status, /"reason":"NonZeroExitCode"/);
  assert.match(status, /"message":"7"/);
});

test('exec without a terminal: both outputs apart, input in lines, success', async () => {
  const box = await pod.run();
  const cmd = ['sh', '-c', 'echo ready; read line; echo "got $line"; echo problem >&2'];
  const { url } = await host.cri.call('Exec', {
    containerId: box.id,
    cmd,
    stdin: true,
    stdout: true,
    stderr: true,
  });
  const answer = await dialogue(url, [{ after: 'ready', send: 'a word\n' }]);
  assert.equal(answer.stdout, 'ready\ngot a word\n');
  assert.equal(answer.stderr, 'problem\n');
  assert.match(answer.status, /"status":"Success"/);
});

test('attach: output from now on, input reaches the process, which lives on after the client is gone', async () => {
  const box = await pod.run({
    command: ['sh', '-c', 'while read line; do echo "heard $line"; [ "$line" = end ] && exit 4; done'],
    stdin: true,
  });
  const attach = { containerId: box.id, stdin: true, stdout: true, stderr: true };
  const first = await host.cri.call('Attach', attach);
  const lives = dialogue(first.url, [
    { after: '^', send: 'one\n' },
    { after: 'heard one', send: 'end\n' },
  ]);
  assert.equal((await lives).stdout, 'heard one\nheard end\n');
  assert.equal((await box.exited()).exitCode, 4);
  assert.equal(box.output(), 'heard one\nheard end\n');
});

test('attach to a container with a terminal', async () => {
  const box = await pod.run({ command: ['sh'], stdin: true, tty: true });
  const { url } = await host.cri.call('Attach', {
    containerId: box.id,
    stdin: true,
    stdout: true,
    tty: true,
  });
  const { stdout } = await dialogue(url, [{ after: '^', send: 'echo in-$((40+2)); exit 5\n' }]);
  assert.match(stdout, /in-42/);
  assert.equal((await box.exited()).exitCode, 5);
});

test('nothing stays', async () => {
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id]);
});
