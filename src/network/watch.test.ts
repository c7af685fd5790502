import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchNetwork } from './watch.ts';

test('changes are reported once settled; the watch ends with the process, its time, or when aborted', async () => {
  const child = spawn('unshare', ['--net', '--', 'sh', '-c', 'echo ready; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const inside = (...argv: string[]) => execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, '--', ...argv]);
  let calls = 0;
  const call = Promise.withResolvers<void>();
  const stop = new AbortController();
  const pace = { busyMs: 500, busyPauseMs: 20, idlePauseMs: 30 };
  const watch = watchNetwork(
    pid,
    pace,
    async () => {
      calls++;
      call.resolve();
    },
    stop.signal,
  );
  const over = watchNetwork(pid, { busyMs: 30, busyPauseMs: 10 }, () => Promise.resolve(), stop.signal);
  await sleep(100);
  assert.equal(calls, 0);
  const batch = 'link add eth0 type veth peer name other\nlink set eth0 up\naddr add 10.1.2.3/32 dev eth0\n';
  inside('sh', '-c', `printf %s "$1" | ip -batch -`, 'sh', batch);
  await Promise.race([call.promise, sleep(5000).then(() => assert.fail('the change was not seen'))]);
  await sleep(150);
  assert.equal(calls, 1);
  await over;
  const stopped = new AbortController();
  const other = watchNetwork(pid, pace, () => Promise.resolve(), stopped.signal);
  stopped.abort();
  await other;
  child.kill('SIGKILL');
  await watch;
});
