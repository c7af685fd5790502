// The kernel's view of a unix socket's connections, with a server that hangs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { peersOf, removeDeadSocket } from './socket-peers.ts';

const NONE = { connected: 0, waiting: 0 };

test('who lives at the other end counts, also when the server hangs; who has gone does not', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bulkhead-peers-'));
  const path = join(dir, 'socket');
  const code =
    "require('net').createServer((one) => console.log('accepted')).listen(process.argv[1], () => console.log('up'))";
  const server = spawn(process.execPath, ['-e', code, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(server.stdout, 'data');
    assert.deepEqual(await peersOf(path), NONE, 'it only listens');
    const accepted = once(server.stdout, 'data');
    const client = connect(path);
    await accepted;
    assert.deepEqual(await peersOf(path), { connected: 1, waiting: 0 });
    server.kill('SIGSTOP');
    const second = connect(path);
    await once(second, 'connect');
    assert.deepEqual(await peersOf(path), { connected: 1, waiting: 1 });
    second.destroy();
    client.destroy();
    await once(client, 'close');
    assert.equal(
      (await peersOf(path)).connected,
      0,
      'the server still has its end, and nobody is at the other',
    );
  } finally {
    await removeDeadSocket(path);
    assert.ok(existsSync(path), 'it is listened on');
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
    await removeDeadSocket(path);
    assert.ok(!existsSync(path));
    rmSync(dir, { recursive: true });
  }
  assert.deepEqual(await peersOf(path), NONE);
});
