// What a hostile peer may cost: unexpected frames, endless statuses, a peer that does not read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, Connection, createClient, Server, TtrpcError } from '../src/index.ts';
import { encodeFailure } from '../src/wire.ts';
import {
  collect,
  delay,
  frame,
  handlers,
  joined,
  memoryPair,
  NumService,
  num,
  numbers,
  RawPeer,
  request,
} from './support.ts';

const unasked = { code: Code.ResourceExhausted, message: /too much within 10 s that no call waits for/ };
const limits = { strayFrames: 100 };
const answer = (n: number): Buffer => {
  const payload = Buffer.from(num.encode({ n }));
  return Buffer.concat([Buffer.from([0x12, payload.length]), payload]);
};

function hostile(options: ConstructorParameters<typeof Connection>[1] = { limits }) {
  const [near, far] = memoryPair();
  const connection = new Connection(near, options);
  return { connection, client: createClient(NumService, connection), peer: new RawPeer(far) };
}

async function isClosedBy(connection: Connection): Promise<void> {
  await connection.closed;
  assert.equal(connection.closeError?.code, unasked.code);
  assert.match(connection.closeError?.message ?? '', unasked.message);
}

const floods: Record<string, Buffer> = {
  'answers on unknown streams': frame(77, 2, 0, answer(1)),
  'data on unknown streams': frame(78, 3, 0, Buffer.from('x')),
  'requests to a client': frame(1, 1, 0, answer(1)),
  'an unknown type for a call in progress': frame(1, 9, 0),
};

for (const [what, one] of Object.entries(floods)) {
  test(`a client closes on a flood of ${what}; its calls say why`, async () => {
    const { connection, client, peer } = hostile();
    const call = client.double({ n: 1 });
    peer.send(...Array.from({ length: 100 }, () => one));
    await delay(20);
    assert.equal(connection.closeError, undefined, 'as many as allowed');
    peer.send(...Array.from({ length: 10 }, () => one));
    await assert.rejects(call, unasked);
    await isClosedBy(connection);
  });
}

test('a client closes on empty frames to a stream of replies', async () => {
  const { connection, client, peer } = hostile();
  const replies = client.count({ n: 3 });
  const first = replies.next();
  peer.send(...Array.from({ length: 102 }, () => frame(1, 3, 4)));
  await assert.rejects(first, unasked);
  await isClosedBy(connection);
});

test('large strays count more: a few are as bad as many', async () => {
  const { connection, peer } = hostile();
  const large = frame(99, 2, 0, Buffer.alloc(1 << 20));
  peer.send(large);
  await delay(20);
  assert.equal(connection.closeError, undefined);
  peer.send(large, large);
  await isClosedBy(connection);
});

test('a header that announces gigabytes closes at once; a little too much fails its call only', async () => {
  const { connection, client, peer } = hostile({});
  const call = client.double({ n: 1 });
  peer.send(frame(1, 2, 0, Buffer.alloc((4 << 20) + 1)));
  await assert.rejects(call, { code: Code.ResourceExhausted });
  const other = client.double({ n: 2 });
  peer.send(frame(3, 2, 0, answer(4)));
  assert.equal((await other).n, 4);
  const header = frame(5, 2, 0);
  header.writeUInt32BE(0xffffffff, 0);
  peer.send(header);
  await isClosedBy(connection);
});

test('late answers cost nothing: one per canceled call, all of a stream that was left', async () => {
  const { connection, client, peer } = hostile({ limits: { strayFrames: 2 } });
  const calls = Array.from({ length: 500 }, (_, n) => client.double({ n }, { timeoutMs: 5 }));
  await Promise.allSettled(calls);
  const replies = client.count({ n: 1 });
  const first = replies.next();
  peer.send(frame(1001, 3, 0, num.encode({ n: 0 })));
  await first;
  await replies.return?.();
  for (let id = 1; id < 1000; id += 2) peer.send(frame(id, 2, 0, answer(id)));
  for (let n = 0; n < 500; n++) peer.send(frame(1001, 3, 0, num.encode({ n })));
  peer.send(frame(1001, 3, 5));
  await delay(20);
  assert.equal(connection.closeError, undefined);
  // But only one each.
  peer.send(frame(1, 2, 0, answer(1)), frame(3, 2, 0, answer(1)), frame(1001, 3, 5));
  await isClosedBy(connection);
});

test('the budget limits a rate', async (t) => {
  t.mock.method(performance, 'now', () => clock);
  let clock = 1_000_000;
  const { connection, peer } = hostile();
  const one = frame(77, 2, 0);
  for (let round = 0; round < 10; round++) {
    peer.send(...Array.from({ length: 50 }, () => one));
    await delay(5);
    assert.equal(connection.closeError, undefined, `round ${round}`);
    clock += 5_000;
  }
  peer.send(...Array.from({ length: 151 }, () => one));
  await isClosedBy(connection);
});

test('a server closes on frames of unknown types', async () => {
  const [near, far] = memoryPair();
  const server = new Server({ limits });
  server.add(NumService, handlers);
  server.accept(far);
  const peer = new RawPeer(near);
  peer.send(...Array.from({ length: 101 }, () => frame(1, 7, 0)));
  await delay(20);
  assert.ok(peer.closed);
  assert.equal(server.connections, 0);
});

test('an endless status is truncated: text and details', async () => {
  const { client, peer } = hostile();
  const call = client.double({ n: 1 });
  const details = Array.from({ length: 50_000 }, () => ({ typeUrl: 'x', value: Buffer.alloc(0) }));
  const error = new TtrpcError(Code.NotFound, 'y'.repeat(3 << 20), { details });
  peer.send(frame(1, 2, 0, encodeFailure(error)));
  const thrown = await call.catch((caught: unknown) => caught);
  assert.ok(thrown instanceof TtrpcError);
  assert.deepEqual([thrown.code, thrown.message.length, thrown.details.length], [Code.NotFound, 65_536, 64]);
});

test('a peer that does not read: calls fail when its queue is full, and the queue grows no further', async () => {
  const [near, far] = memoryPair();
  far.pause();
  const connection = new Connection(near, { limits: { writeBytes: 50_000, queueBytes: 200_000 } });
  const client = createClient(NumService, connection);
  const pad = 'x'.repeat(10_000);
  const calls = Array.from({ length: 100 }, (_, n) => client.double({ n, pad }));
  const codes: (number | undefined)[] = [];
  for (const call of calls) call.catch((error: TtrpcError) => codes.push(error.code));
  await delay(5);
  assert.ok(connection.isBlocked);
  assert.ok(codes.length >= 80 && codes.every((code) => code === Code.ResourceExhausted), `${codes.length}`);
  assert.ok(near.writableLength <= 200_000, `${near.writableLength} bytes are queued`);
  const drained = connection.drained();
  const peer = new RawPeer(far);
  far.resume();
  await drained;
  assert.equal((await peer.next())?.id, 1);
  connection.close();
});

test('a stream of requests to a peer that does not read waits, and ends when it reads again', async () => {
  await using pair = joined(handlers, { client: { limits: { writeBytes: 100, queueBytes: 4_000 } } });
  assert.equal((await pair.client.sum(numbers(2_000))).n, 1_999_000);
});

test('answers for a peer that does not read: refused while refusals fit, then the connection is closed', async () => {
  const [near, far] = memoryPair();
  near.pause();
  const gate = Promise.withResolvers<void>();
  const server = new Server({ limits: { queueBytes: 100_000 } });
  server.add(NumService, {
    async double({ n }) {
      await gate.promise;
      return { n, pad: 'x'.repeat(90_000) };
    },
  });
  server.accept(far);
  const double = request('test.Num', 'Double', num.encode({ n: 1 }));
  for (let id = 1; id < 4000; id += 2) near.write(frame(id, 1, 0, double));
  await delay(20);
  gate.resolve();
  await delay(20);
  assert.ok(far.destroyed, 'the server holds on to a peer that reads nothing');
  assert.equal(server.connections, 0);
});

test('a stream of replies whose reader stalls in the peer costs a bounded queue', async () => {
  await using pair = joined(handlers, { server: { limits: { writeBytes: 1_000, queueBytes: 10_000 } } });
  assert.equal((await collect(pair.client.count({ n: 5_000 }))).length, 5_000);
});

test('a shutdown gives the peer time to close first after an answer', async () => {
  for (const closes of [true, false]) {
    const [near, far] = memoryPair();
    const server = new Server();
    server.add(NumService, handlers);
    server.accept(far);
    const peer = new RawPeer(near);
    peer.send(frame(1, 1, 0, request('test.Num', 'Double', num.encode({ n: 1 }))));
    await delay(5);
    let isOver = false;
    const began = performance.now();
    const over = server.shutdown({ graceMs: 300 }).then(() => {
      isOver = true;
    });
    assert.equal((await peer.next())?.id, 1);
    await delay(50);
    assert.deepEqual([isOver, peer.closed], [false, false], 'the answer is read before the end comes');
    if (closes) peer.end();
    await over;
    const tookMs = performance.now() - began;
    assert.ok(closes ? tookMs < 250 : tookMs >= 250, `${closes}: ${tookMs} ms`);
  }
});

test('a call that is refused during a shutdown does not prolong it', async () => {
  const pair = joined();
  await pair.client.double({ n: 1 });
  const began = performance.now();
  let isOver = false;
  const over = pair.server.shutdown({ graceMs: 100 }).then(() => {
    isOver = true;
  });
  while (!isOver) {
    await assert.rejects(pair.client.double({ n: 1 }), { code: Code.Unavailable });
    await delay(10);
    assert.ok(performance.now() - began < 2_000);
  }
  await over;
});
