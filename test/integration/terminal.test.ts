// Terminals: size, resize, line discipline, Ctrl-C, end of input, exit code, for the first process and for execs.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Containerd, runArgs } from '../../scripts/stand/containerd.ts';
import { within } from '../../scripts/stand/wait.ts';
import { CtrContainer } from '../support/ctr.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { Terminal } from '../support/pty.ts';

let daemon: Containerd;
let clean: Belongings;
const open: Terminal[] = [];
before(async () => {
  daemon = await Containerd.start();
  clean = belongings(daemon);
});
after(async () => {
  for (const terminal of open) terminal.kill();
  await daemon.stop();
});

test('a shell on a terminal: size, resize, Ctrl-C, exit code', { timeout: 120_000 }, async () => {
  const shell = await start([...runArgs('--rm', '--tty'), 'tty', 'sh'], 33, 101);
  await shell.expect(/# /, 60_000);
  shell.type('tty\r');
  await shell.expect(/\/dev\/(pts\/0|console)\r*\n/);
  await retype(shell, 'stty size\r', /33 101/);
  await shell.resize(44, 120);
  await retype(shell, 'stty size\r', /44 120/);
  shell.type('echo begin-$((1+1)); sleep 100; echo not-reached\r');
  await shell.expect(/begin-2/);
  await retype(shell, '\x03', /\^C/);
  shell.type('echo after-$?\r');
  await shell.expect(/after-130/);
  assert.doesNotMatch(shell.output, /^not-reached/m);
  shell.type('exit 11\r');
  assert.equal(await within('end of the shell', 20_000, shell.exited), 11);
  await assertNothingNew(daemon, clean, ['tty']);
});

test('an exec on a terminal has its own size and device; Ctrl-D ends it', { timeout: 120_000 }, async () => {
  const host = await CtrContainer.start(daemon, 'host', ['sleep', '100000']);
  const shell = await start(['task', 'exec', '--tty', '--exec-id', 'x', 'host', 'sh'], 20, 60);
  await shell.expect(/# /);
  shell.type('tty\r');
  await shell.expect(/\/dev\/pts\/\d+\r*\n/);
  await retype(shell, 'stty size\r', /20 60/);
  await shell.resize(21, 61);
  await retype(shell, 'stty size\r', /21 61/);
  shell.type('printf "%0200d-wide\\n" 7\r');
  await shell.expect(/0{199}7-wide[\s\S]*# /);
  shell.type('\x04');
  assert.equal(await within('end of the shell', 20_000, shell.exited), 0);
  await host.remove();
});

test('a missing command on a terminal is named, for a container and for an exec', {
  timeout: 120_000,
}, async () => {
  const missing = await start([...runArgs('--rm', '--tty'), 'missing', '/no/such/command'], 24, 80);
  assert.notEqual(await within('end', 60_000, missing.exited), 0);
  assert.match(missing.output, /\/no\/such\/command/);
  const host = await CtrContainer.start(daemon, 'host', ['sleep', '100000']);
  const exec = await start(['task', 'exec', '--tty', '--exec-id', 'x', 'host', '/no/such/command'], 24, 80);
  assert.notEqual(await within('end', 20_000, exec.exited), 0);
  assert.match(exec.output, /\/no\/such\/command/);
  await host.remove();
  await assertNothingNew(daemon, clean, ['missing', 'host']);
});

test('output of a terminal is one stream with carriage returns, whole to the last byte', async () => {
  const script =
    'sleep 0.5; i=0; while [ $i -lt 500 ]; do echo line-$i; i=$((i+1)); done; echo on-stderr >&2';
  const run = await start([...runArgs('--rm', '--tty'), 'crlf', 'sh', '-c', script], 24, 80);
  assert.equal(await within('end of the run', 60_000, run.exited), 0);
  // ctr leaves the local terminal's own newline translation on, so there may be one \r more.
  assert.ok(/line-0\r+\n/.test(run.output), run.output.slice(0, 200));
  assert.ok(/line-499\r+\non-stderr/.test(run.output), run.output.slice(-200));
  assert.equal(run.output.match(/line-\d+/g)?.length, 500);
  await assertNothingNew(daemon, clean, ['crlf', 'host']);
});

async function start(args: readonly string[], rows: number, columns: number): Promise<Terminal> {
  const argv = [join(daemon.binaries.binDir, 'ctr'), ...daemon.ctrArgs(args)];
  const terminal = await Terminal.start(argv, daemon.env, rows, columns);
  open.push(terminal);
  return terminal;
}

/** Types until the answer comes: a change of size travels on its own way and may be overtaken by the keys. */
async function retype(terminal: Terminal, keys: string, answer: RegExp): Promise<void> {
  for (let tries = 0; tries < 10; tries++) {
    terminal.type(keys);
    if (
      await terminal.expect(answer, 1_000).then(
        () => true,
        () => false,
      )
    )
      return;
  }
  await terminal.expect(answer, 1_000);
}
