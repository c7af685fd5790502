import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { childEnv, hostThread, isAlive, killRef, parseProcessStat, processRef, waitGone } from './process.ts';

test('a stat line is parsed even when the command name holds brackets and spaces', () => {
  const fields = ['S', '7', ...Array.from({ length: 17 }, (_, i) => String(i)), '4711', '0'];
  const stat = parseProcessStat(`12 (a) b (c)) ${fields.join(' ')}`);
  assert.deepEqual(stat, { state: 'S', ppid: 7, startTime: '4711' });
  assert.equal(parseProcessStat(''), undefined);
  assert.equal(parseProcessStat('1 (x) S 1'), undefined);
});

test('a process is known by pid and start time, and gone after its end', async () => {
  const child = spawn('sleep', ['100']);
  const ref = processRef(child.pid ?? 0);
  assert.ok(ref && isAlive(ref));
  assert.equal(isAlive({ pid: ref.pid, startTime: '1' }), false);
  assert.equal(killRef({ pid: ref.pid, startTime: '1' }), false);
  assert.equal(await waitGone(ref, { timeoutMs: 20 }), false);
  assert.equal(killRef(ref), true);
  await once(child, 'exit');
  assert.equal(await waitGone(ref, { timeoutMs: 1000 }), true);
  assert.equal(killRef(ref), false);
  assert.equal(processRef(0), undefined);
  assert.equal(processRef(-1), undefined);
});

test('children see nothing of our environment but the path', () => {
  process.env.NODE_OPTIONS_TEST = 'x';
  assert.deepEqual(Object.keys(childEnv()).sort(), ['LC_ALL', 'PATH']);
});

test('a thread is found among others that come and go', async () => {
  const script =
    "const { Worker } = require('worker_threads'); setInterval(() => new Worker('', { eval: true }), 2); console.log('up')";
  const child = spawn(process.execPath, ['-e', script]);
  try {
    await once(child.stdout, 'data');
    for (let look = 0; look < 500; look++) assert.equal(hostThread(child.pid!, child.pid!), child.pid);
    assert.equal(hostThread(child.pid!, 1_234_567_890), undefined);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  assert.equal(hostThread(child.pid!, child.pid!), undefined, 'nobody is there any more');
});
