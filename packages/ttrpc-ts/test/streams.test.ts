// Streams: pace, early ends, failures in the middle, slow and absent readers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, Server, TtrpcError } from '../src/index.ts';
import {
  aborted,
  collect,
  collectGarbage,
  delay,
  frame,
  handlers,
  joined,
  joinedBySocket,
  memoryPair,
  type Num,
  NumService,
  numbers,
  request,
} from './support.ts';

const kilobyte = 'x'.repeat(1000);

test('a reader that leaves ends the call and its source', async () => {
  let released = false;
  async function* source(): AsyncGenerator<Num> {
    try {
      for (let n = 0; ; n++) {
        yield { n };
        await delay(1);
      }
    } finally {
      released = true;
    }
  }
  await using pair = joined();
  for await (const { n } of pair.client.squares(source())) if (n === 9) break;
  assert.equal(pair.connection.activeCalls, 0);
  await delay(20);
  assert.equal(released, true);
  assert.deepEqual(await pair.client.double({ n: 1 }), { n: 2 });
});

test('a source that throws fails the call with its error, after the messages before it', async () => {
  const seen: number[] = [];
  await using pair = joined({
    async sum(requests) {
      for await (const { n } of requests) seen.push(n);
      return { n: 0 };
    },
    squares: handlers.squares,
  });
  async function* source(): AsyncGenerator<Num> {
    yield { n: 1 };
    yield { n: 2 };
    await delay(10);
    throw new TtrpcError(Code.Aborted, 'source broke');
  }
  await assert.rejects(pair.client.sum(source()), { code: Code.Aborted, message: 'source broke' });
  const squares: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { n } of pair.client.squares(source())) squares.push(n);
    },
    { code: Code.Aborted },
  );
  assert.deepEqual(seen, [1, 2]);
  assert.deepEqual(squares, [1, 4]);
});

test('a handler that throws in the middle: messages first, then its status', async () => {
  await using pair = joined({
    async *count({ n }) {
      for (let i = 0; i < n; i++) yield { n: i };
      throw new TtrpcError(Code.DataLoss, 'ran dry');
    },
    // Not an iterable: a mistake that plain JavaScript callers can make.
    squares: (() => undefined) as never,
  });
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { n } of pair.client.count({ n: 3 })) seen.push(n);
    },
    { code: Code.DataLoss, message: 'ran dry' },
  );
  assert.deepEqual(seen, [0, 1, 2]);
  await assert.rejects(collect(pair.client.squares(numbers(1))), { code: Code.Unknown });
  assert.equal(pair.connection.activeCalls, 0);
});

test('a handler may answer before its requests end; the rest is dropped', async () => {
  await using pair = await joinedBySocket({
    async sum(requests) {
      for await (const request of requests) return request;
      return { n: -1 };
    },
    double: handlers.double,
  });
  let produced = 0;
  async function* source(): AsyncGenerator<Num> {
    for (let n = 7; ; n++) {
      produced++;
      yield { n, pad: kilobyte };
      if (n % 100 === 0) await delay(1);
    }
  }
  assert.equal((await pair.client.sum(source())).n, 7);
  const at = produced;
  await delay(20);
  assert.ok(produced <= at + 1, `source went on: ${at} -> ${produced}`);
  assert.deepEqual(await pair.client.double({ n: 1 }), { n: 2 });
});

test('a slow reader slows its writer: memory stays bounded, nothing is lost', async () => {
  let produced = 0;
  await using pair = await joinedBySocket({
    async *count({ n }) {
      for (let i = 0; i < n; i++) {
        produced++;
        yield { n: i, pad: kilobyte };
      }
    },
  });
  const total = 20_000;
  let seen = 0;
  let ahead = 0;
  for await (const { n } of pair.client.count({ n: total })) {
    assert.equal(n, seen++);
    ahead = Math.max(ahead, produced - seen);
    if (seen < 200) await delay(1);
  }
  assert.equal(seen, total);
  assert.ok(ahead < 4000, `writer was ${ahead} messages ahead`);
});

test('a slow handler slows the client', async () => {
  let produced = 0;
  let ahead = 0;
  await using pair = await joinedBySocket({
    async sum(requests) {
      let seen = 0;
      for await (const _ of requests) {
        seen++;
        ahead = Math.max(ahead, produced - seen);
        if (seen < 200) await delay(1);
      }
      return { n: seen };
    },
  });
  async function* source(): AsyncGenerator<Num> {
    for (let n = 0; n < 20_000; n++) {
      produced++;
      yield { n, pad: kilobyte };
    }
  }
  assert.deepEqual(await pair.client.sum(source()), { n: 20_000 });
  assert.ok(ahead < 4000, `client was ${ahead} messages ahead`);
});

test('a stream that nobody reads fails after the stall limit and frees the connection', async () => {
  const stalled = { limits: { stallMs: 60 } };
  await using pair = await joinedBySocket(
    {
      ...handlers,
      async sum(_, context) {
        await aborted(context);
        throw context.signal.reason;
      },
    },
    { client: stalled, server: stalled },
  );
  const { client } = pair;
  const unread = client.count({ n: 30_000 });
  await delay(20);
  const held = performance.now();
  assert.deepEqual(await client.double({ n: 1 }), { n: 2 });
  assert.ok(performance.now() - held > 20, 'the full stream did not hold up the connection');
  await assert.rejects(collect(unread), { code: Code.ResourceExhausted });
  await assert.rejects(client.sum(numbers(30_000)), { code: Code.ResourceExhausted });
  assert.deepEqual(await client.double({ n: 1 }), { n: 2 });
});

test('the bytes of all streams together are bounded', async () => {
  const limits = { stallMs: 60, connectionBytes: 100_000 };
  await using pair = await joinedBySocket(
    {
      double: handlers.double,
      async *count({ n }) {
        for (let i = 0; i < n; i++) yield { n: i, pad: kilobyte };
      },
    },
    { client: { limits } },
  );
  const streams = Array.from({ length: 10 }, () => pair.client.count({ n: 40 }));
  await delay(400);
  assert.deepEqual(await pair.client.double({ n: 1 }), { n: 2 });
  const ends = await Promise.allSettled(streams.map(collect));
  const failed = ends.filter((end) => end.status === 'rejected');
  assert.ok(failed.length > 0 && failed.length < 10, `${failed.length} of 10 failed`);
  for (const end of failed) assert.equal(end.reason.code, Code.ResourceExhausted);
});

test('small messages in large chunks do not keep the chunks alive', async () => {
  const [near, far] = memoryPair();
  const server = new Server({ limits: { stallMs: Number.POSITIVE_INFINITY } });
  server.add(NumService, { sum: (_, context) => aborted(context).then(() => ({ n: 0 })) });
  server.accept(far);
  near.resume();
  // 60 unread messages in each of 20 streams, each in its own chunk of 64 KiB: 78 MB in total.
  const padding = frame(1, 99, 0, Buffer.alloc(65_000));
  const before = process.memoryUsage().arrayBuffers;
  for (let stream = 0; stream < 20; stream++) {
    const id = 2 * stream + 1;
    near.write(frame(id, 1, 2, request('test.Num', 'Sum')));
    for (let i = 0; i < 60; i++) {
      const chunk = Buffer.allocUnsafeSlow(padding.length + 17);
      padding.copy(chunk);
      frame(id, 3, 0, Buffer.from('{"n":1}')).copy(chunk, padding.length);
      near.write(chunk);
      await new Promise(setImmediate);
    }
  }
  // V8 frees array buffers on another thread, some time after the collection.
  let kept = Number.POSITIVE_INFINITY;
  for (let round = 0; kept >= 25 && round < 50; round++) {
    await delay(20);
    collectGarbage();
    kept = (process.memoryUsage().arrayBuffers - before) / 1e6;
  }
  assert.ok(kept < 25, `${kept.toFixed(1)} MB are kept`);
  server.close();
});

test('an abort drops what is queued; a lost connection delivers it first', async () => {
  const sent = handlers;
  const first = joined(sent);
  const controller = new AbortController();
  const dropped = first.client.count({ n: 10 }, { signal: controller.signal });
  assert.equal((await dropped.next()).value?.n, 0);
  await delay(10);
  controller.abort();
  // The stream was already complete on this side: nothing is left to abort.
  assert.equal((await collect(dropped)).length, 9);
  await first[Symbol.asyncDispose]();

  const second = joined({
    async *count(_, context) {
      yield { n: 1 };
      yield { n: 2 };
      await aborted(context);
    },
  });
  const stream = second.client.count({ n: 0 });
  await delay(10);
  second.connection.close();
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { n } of stream) seen.push(n);
    },
    { code: Code.Unavailable },
  );
  assert.deepEqual(seen, [1, 2]);
  await second[Symbol.asyncDispose]();
});
