import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from './command.ts';

test('the result carries code and both outputs', async () => {
  const result = await runCommand(['sh', '-c', 'echo out; echo err >&2; exit 3'], { timeoutMs: 5000 });
  assert.deepEqual(result, { code: 3, stdout: 'out\n', stderr: 'err\n' });
});

test('input is written, also to a program that does not read it', async () => {
  const echoed = await runCommand(['cat'], { timeoutMs: 5000, input: 'a\nb\n' });
  assert.equal(echoed.stdout, 'a\nb\n');
  const deaf = await runCommand(['true'], { timeoutMs: 5000, input: 'x'.repeat(1 << 20) });
  assert.equal(deaf.code, 0);
});

test('a missing program, a slow one and an aborted one are errors', async () => {
  await assert.rejects(
    runCommand(['/no/such/program'], { timeoutMs: 1000 }),
    /cannot run \/no\/such\/program/,
  );
  await assert.rejects(runCommand(['sleep', '10'], { timeoutMs: 20 }), /longer than 20 ms/);
  const stop = new AbortController();
  const running = runCommand(['sleep', '10'], { timeoutMs: 5000, signal: stop.signal });
  stop.abort();
  await assert.rejects(running, /aborted/);
  await assert.rejects(runCommand(['true'], { timeoutMs: 1000, signal: stop.signal }), {
    name: 'AbortError',
  });
});

test('output is bounded, and a grandchild that holds it does not hold us beyond the limit', async () => {
  const big = await runCommand(['head', '-c', '300000', '/dev/zero'], { timeoutMs: 5000 });
  assert.equal(big.stdout.length, 64 * 1024);
  const start = performance.now();
  await assert.rejects(runCommand(['sh', '-c', 'sleep 5 & exit 0'], { timeoutMs: 100 }), /longer than/);
  assert.ok(performance.now() - start < 3000);
});
