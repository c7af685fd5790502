// The server against peers that end early, break the rules, or flood it; its graceful and immediate shutdown.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { connect as connectSocket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Code, Connection, connect, createClient, Server, TtrpcError } from '../src/index.ts';
import {
  aborted,
  delay,
  frame,
  handlers,
  joined,
  joinedBySocket,
  memoryPair,
  NumService,
  numbers,
  type RawFrame,
  RawPeer,
  request,
  socketPath,
} from './support.ts';

/** Status code of a response frame that has one, decoded by hand: Response.status.code. */
function statusOf(answer: RawFrame | undefined): number {
  assert.ok(answer !== undefined, 'no answer');
  assert.equal(answer.type, 2);
  assert.equal(answer.flags, 0);
  assert.equal(answer.data[0], 0x0a);
  const at = (answer.data[1] as number) < 0x80 ? 2 : 3;
  assert.equal(answer.data[at], 0x08);
  return answer.data[at + 1] as number;
}

function rawServer(own = handlers): { peer: RawPeer; server: Server } {
  const [near, far] = memoryPair();
  const server = new Server();
  server.add(NumService, own);
  server.accept(far);
  return { peer: new RawPeer(near), server };
}

const double = request('test.Num', 'Double', Buffer.from('{"n":4}'));

test('stream ids: even, reused, lower, unknown', async () => {
  const { peer, server } = rawServer();
  peer.send(frame(2, 1, 0, double));
  const even = await peer.next();
  assert.equal(even?.id, 2);
  assert.equal(statusOf(even), Code.InvalidArgument);
  peer.send(frame(5, 1, 0, double), frame(5, 1, 0, double), frame(3, 1, 0, double), frame(9, 3, 0, double));
  const good = await peer.next();
  assert.equal(good?.id, 5);
  assert.equal(good.data.toString('latin1'), '\x12\x07{"n":8}');
  assert.equal(statusOf(await peer.next()), Code.InvalidArgument);
  assert.equal(statusOf(await peer.next()), Code.InvalidArgument);
  const unknown = await peer.next();
  assert.equal(unknown?.id, 9);
  assert.equal(statusOf(unknown), Code.InvalidArgument);
  peer.send(frame(0xffffffff, 1, 0, double));
  assert.equal((await peer.next())?.id, 0xffffffff);
  server.close();
});

test('unknown types and responses to a server are ignored, bad requests are answered', async () => {
  const { peer, server } = rawServer();
  peer.send(
    frame(1, 9, 0, double),
    frame(1, 0, 0xff),
    frame(1, 2, 0, double),
    frame(1, 1, 0, Buffer.from([0x0a])),
  );
  const bad = await peer.next();
  assert.equal(bad?.id, 1);
  assert.equal(statusOf(bad), Code.InvalidArgument);
  for (const [id, data] of [
    [3, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff])],
    [5, Buffer.from([0x1a, 0x05, 0x00])],
    [7, Buffer.from([0x0b, 0x00])],
    [9, Buffer.from([0x00])],
    [11, Buffer.alloc(30, 0xff)],
  ] as const) {
    peer.send(frame(id, 1, 0, data));
    assert.equal(statusOf(await peer.next()), Code.InvalidArgument);
  }
  peer.send(frame(13, 1, 0));
  assert.equal(statusOf(await peer.next()), Code.Unimplemented);
  server.close();
});

test('data: after close, with close, on a unary call, on a call that is over', async () => {
  let release: () => void = () => undefined;
  const { peer, server } = rawServer({
    ...handlers,
    double: (message) =>
      new Promise((resolve) => {
        release = () => resolve(message);
      }),
  });
  const sum = request('test.Num', 'Sum');
  const one = Buffer.from('{"n":1}');
  // The last message may arrive together with the close.
  peer.send(frame(1, 1, 2, sum), frame(1, 3, 0, one), frame(1, 3, 1, one));
  assert.equal((await peer.next())?.data.toString('latin1'), '\x12\x07{"n":2}');
  peer.send(frame(1, 3, 0, one));
  assert.equal(statusOf(await peer.next()), Code.InvalidArgument);
  // In one write, so that the handler has not answered when the second message comes.
  peer.send(frame(3, 1, 2, sum), frame(3, 3, 5), frame(3, 3, 0, one));
  assert.equal(statusOf(await peer.next()), Code.InvalidArgument);
  peer.send(frame(5, 1, 0, double), frame(5, 3, 5), frame(5, 3, 0, one));
  assert.equal(statusOf(await peer.next()), Code.InvalidArgument);
  release();
  // A request of a stream may carry its first message, and its end.
  peer.send(frame(7, 1, 1, request('test.Num', 'Sum', one)));
  const seven = await peer.next();
  assert.equal(seven?.id, 7, 'the call that was refused was answered again');
  assert.equal(seven.data.toString('latin1'), '\x12\x07{"n":1}');
  server.close();
});

test('frames split anywhere, and half a frame followed by silence or the end', async () => {
  const { peer, server } = rawServer();
  const bytes = Buffer.concat([frame(1, 1, 0, double), frame(3, 1, 0, double), frame(5, 1, 0, double)]);
  for (const byte of bytes) peer.send(Buffer.from([byte]));
  for (const id of [1, 3, 5]) assert.equal((await peer.next())?.id, id);
  peer.send(frame(7, 1, 0, double).subarray(0, 20));
  assert.equal(await peer.next(30), undefined);
  peer.end();
  await delay(10);
  assert.equal(server.connections, 0);
});

test('an oversized frame is answered and skipped; the connection lives', async () => {
  const { peer, server } = rawServer();
  const big = frame(1, 1, 0, Buffer.alloc((4 << 20) + 1));
  peer.send(big.subarray(0, 100));
  peer.send(big.subarray(100, 1_000_000));
  peer.send(big.subarray(1_000_000), frame(3, 1, 0, double));
  const answer = await peer.next();
  assert.equal(answer?.id, 1);
  assert.equal(statusOf(answer), Code.ResourceExhausted);
  assert.equal((await peer.next())?.id, 3);
  server.close();
});

test('a flood of calls: those over the limit are refused, replies that cannot be sent pause reading', async () => {
  await using pair = joined(
    {
      async double(message, context) {
        await aborted(context);
        return message;
      },
    },
    { server: { maxConcurrentCalls: 100 } },
  );
  const calls = Array.from({ length: 500 }, (_, n) => pair.client.double({ n }, { timeoutMs: 200 }));
  const ends = await Promise.allSettled(calls);
  const codes = ends.map((end) => (end.status === 'rejected' ? end.reason.code : 0));
  assert.equal(codes.filter((code) => code === Code.ResourceExhausted).length, 400);
  assert.equal(codes.filter((code) => code === Code.DeadlineExceeded).length, 100);

  // A peer that sends and never reads.
  const path = socketPath();
  let served = 0;
  const server = new Server({ limits: { writeBytes: 100_000 } });
  server.add(NumService, {
    double: () => {
      served++;
      return { n: 0, pad: 'x'.repeat(10_000) };
    },
  });
  await server.listen({ path });
  const socket = connectSocket(path);
  socket.pause();
  for (let id = 1; id < 10_000; id += 2) socket.write(frame(id, 1, 0, double));
  await delay(300);
  assert.ok(served < 2000, `${served} calls were served for a peer that reads nothing`);
  const peer = new RawPeer(socket);
  socket.resume();
  for (let id = 1; id < 10_000; id += 2) assert.equal((await peer.next())?.id, id);
  server.close();
});

test('shutdown waits for calls in progress, refuses new ones, closes idle connections', async () => {
  const pair = await joinedBySocket({
    async double({ n }) {
      await delay(60);
      return { n };
    },
    count: handlers.count,
  });
  const idle = await connect({ path: pair.path });
  const slow = pair.client.double({ n: 1 });
  await delay(20);
  const ending = pair.server.shutdown({ timeoutMs: 2000 });
  await assert.rejects(pair.client.double({ n: 2 }), { code: Code.Unavailable, message: /shutting down/ });
  await assert.rejects(connect({ path: pair.path }), { code: Code.Unavailable });
  await assert.rejects(pair.server.listen({ path: pair.path }), /shut down/);
  await idle.closed;
  assert.deepEqual(await slow, { n: 1 });
  await ending;
  await pair.connection.closed;
  assert.equal(pair.server.connections, 0);
  await pair.server.shutdown();
});

test('shutdown has a limit; close has none', async () => {
  const reasons: unknown[] = [];
  const stuck = {
    async double(message: { n: number }, context: Parameters<typeof aborted>[0]) {
      await aborted(context);
      reasons.push(context.signal.reason);
      return message;
    },
  };
  const first = joined(stuck);
  const call = first.client.double({ n: 1 });
  const failed = assert.rejects(call, { code: Code.Unavailable });
  await delay(5);
  const before = performance.now();
  await first.server.shutdown({ timeoutMs: 50 });
  assert.ok(performance.now() - before < 1000);
  await failed;
  const second = joined(stuck);
  const other = assert.rejects(second.client.double({ n: 1 }), { code: Code.Unavailable });
  await delay(5);
  second.server.close();
  await other;
  await delay(5);
  assert.equal(reasons.length, 2);
  for (const reason of reasons) assert.ok(reason instanceof TtrpcError && reason.code === Code.Unavailable);
});

test('a shutdown in memory does not wait for a peer that does not answer the end', async () => {
  const [near, far] = memoryPair();
  const server = new Server();
  server.accept(far);
  const ending = server.shutdown({ timeoutMs: 1500 });
  near.resume();
  await ending;
});

test('authorize: gets the socket before a byte is read, refuses by throwing, has a timeout', async () => {
  const path = socketPath();
  const seen: (number | undefined)[] = [];
  let verdict: () => void | Promise<void> = () => undefined;
  const server = new Server({
    authorizeTimeoutMs: 50,
    authorize: ({ fd }) => {
      seen.push(fd);
      return verdict();
    },
  });
  server.add(NumService, handlers);
  await server.listen({ path });
  async function attempt(): Promise<unknown> {
    const connection = new Connection(connectSocket(path));
    try {
      return await createClient(NumService, connection).double({ n: 1 });
    } finally {
      connection.close();
    }
  }
  assert.deepEqual(await attempt(), { n: 2 });
  verdict = () => delay(20);
  assert.deepEqual(await attempt(), { n: 2 });
  verdict = () => {
    throw new Error('not you');
  };
  await assert.rejects(attempt(), { code: Code.Unavailable });
  verdict = () => Promise.reject(new Error('not you'));
  await assert.rejects(attempt(), { code: Code.Unavailable });
  verdict = () => new Promise(() => undefined);
  await assert.rejects(attempt(), { code: Code.Unavailable });
  assert.equal(seen.length, 5);
  for (const fd of seen) assert.ok(fd !== undefined && fd > 2);
  assert.equal(server.connections, 0);
  server.close();
});

// What the README recommends: a helper process inherits the descriptor and asks the kernel.
const askKernel = `
import socket, struct
s = socket.socket(fileno=3)
print(*struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))`;

test('the descriptor of authorize is good for SO_PEERCRED', async (t: TestContext) => {
  const python = 'python3';
  if (spawnSync(python, ['--version']).status !== 0) {
    t.skip('python3 is not on this machine: SO_PEERCRED WAS NOT TESTED');
    return;
  }
  const path = socketPath();
  let credentials: number[] = [];
  const server = new Server({
    authorizeTimeoutMs: 20_000,
    authorize: async ({ fd }) => {
      if (fd === undefined) throw new Error('no descriptor');
      const { stdout } = await runWith(fd, python, ['-c', askKernel]);
      credentials = stdout.trim().split(' ').map(Number);
    },
  });
  server.add(NumService, handlers);
  await server.listen({ path });
  using connection = await connect({ path });
  assert.deepEqual(await createClient(NumService, connection).double({ n: 1 }), { n: 2 });
  assert.deepEqual(credentials, [process.pid, process.getuid?.(), process.getgid?.()]);
  server.close();
});

function runWith(fd: number, file: string, args: string[]): Promise<{ stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit', fd] });
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', () => resolve({ stdout }));
  });
}

test('thousands of connections leave nothing behind', async () => {
  const path = socketPath();
  const server = new Server();
  server.add(NumService, handlers);
  await server.listen({ path });
  for (let round = 0; round < 20; round++) {
    const connections = await Promise.all(Array.from({ length: 50 }, () => connect({ path })));
    await Promise.all(connections.map((c) => createClient(NumService, c).sum(numbers(3))));
    for (const connection of connections) connection.close();
  }
  await delay(50);
  assert.equal(server.connections, 0);
  server.close();
});
