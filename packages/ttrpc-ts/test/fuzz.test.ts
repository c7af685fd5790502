// Mutated frames for both sides: no crash, no hang, no memory growth, no effect on other connections.
//
// TTRPC_FUZZ_FRAMES sets the number of frames per side (default 30 000; `npm run fuzz` feeds 1 000 000),
// TTRPC_FUZZ_SEED reproduces a run.

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { Connection, createClient, Server } from '../src/index.ts';
import {
  aborted,
  collectGarbage,
  delay,
  frame,
  handlers,
  type NumHandlers,
  NumService,
  numbers,
  request,
} from './support.ts';

const framesPerSide = Number(process.env.TTRPC_FUZZ_FRAMES ?? 30_000);
const seed = Number(process.env.TTRPC_FUZZ_SEED ?? Date.now() % 1_000_000);
const framesPerConnection = 500;

/** mulberry32: small and reproducible. */
function randomOf(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One side's end of a connection: what it writes is dropped, what it reads comes from `push`. */
class Feed extends Duplex {
  written = 0;
  override _read(): void {
    // Bytes are pushed, not pulled.
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written += chunk.length;
    done();
  }
}

const num = (n: number): Buffer => Buffer.from(JSON.stringify({ n }));

/** Frames that a client might send on stream `id`. */
function clientFrames(id: number): Buffer[] {
  return [
    frame(id, 1, 0, request('test.Num', 'Double', num(1))),
    frame(id, 1, 0, request('test.Num', 'Missing', num(1))),
    frame(id, 1, 2, request('test.Num', 'Sum')),
    frame(id, 1, 1, request('test.Num', 'Count', num(3))),
    frame(id, 1, 2, request('test.Num', 'Squares')),
    // With a timeout of a millisecond, and metadata.
    frame(
      id,
      1,
      0,
      Buffer.concat([
        request('test.Num', 'Double', num(2)),
        Buffer.from([0x20, 0xc0, 0x84, 0x3d, 0x2a, 6, 0x0a, 1, 0x6b, 0x12, 1, 0x76]),
      ]),
    ),
    frame(id, 3, 0, num(4)),
    frame(id, 3, 1, num(4)),
    frame(id, 3, 5),
    frame(id, 2, 0, Buffer.from([0x12, 1, 0x7b])),
  ];
}

/** Frames that a server might send on stream `id`. */
function serverFrames(id: number): Buffer[] {
  return [
    frame(id, 2, 0, Buffer.concat([Buffer.from([0x12, 7]), num(1)])),
    frame(id, 2, 0),
    frame(id, 2, 0, Buffer.from([0x0a, 6, 0x08, 5, 0x12, 2, 0x6e, 0x6f])),
    frame(id, 2, 0, Buffer.from([0x0a, 9, 0x08, 5, 0x1a, 5, 0x0a, 1, 0x61, 0x12, 0])),
    frame(id, 3, 0, num(4)),
    frame(id, 3, 1, num(4)),
    frame(id, 3, 5),
    frame(id, 1, 0, request('test.Num', 'Double', num(1))),
  ];
}

function mutate(random: (below: number) => number, bytes: Buffer): Buffer {
  switch (random(9)) {
    case 0:
    case 8:
      return bytes;
    case 1: {
      // The data is truncated, and the header says so.
      const kept = bytes.subarray(10, 10 + random(bytes.length - 9));
      return frame(bytes.readUInt32BE(4), bytes[8] as number, bytes[9] as number, kept);
    }
    case 2:
      bytes[8] = random(5);
      return bytes;
    case 3:
      bytes[9] = random(8);
      return bytes;
    case 4:
      bytes.writeUInt32BE(random(0xffffffff), 4);
      return bytes;
    case 5:
      // What follows is misread. Rarely, or nothing else would be tested.
      if (random(200) === 0) bytes[random(4)] = random(256);
      return bytes;
    default:
      for (let flips = 1 + random(4); flips > 0 && bytes.length > 10; flips--) {
        bytes[10 + random(bytes.length - 10)] = random(256);
      }
      return bytes;
  }
}

/** The mutated frames of one connection, in chunks of any size. */
function* chunks(
  random: (below: number) => number,
  make: (id: number) => Buffer[],
  nextId: () => number,
): Generator<Buffer> {
  let pending: Buffer[] = [];
  for (let n = 0; n < framesPerConnection; n++) {
    const choice = make(nextId());
    pending.push(mutate(random, choice[random(choice.length)] as Buffer));
    if (random(5) > 0) continue;
    const bytes = Buffer.concat(pending);
    const cut = random(bytes.length);
    yield bytes.subarray(0, cut);
    pending = [bytes.subarray(cut)];
  }
  yield Buffer.concat(pending);
}

async function eachConnection(feedOne: (random: (below: number) => number) => Promise<void>): Promise<void> {
  const random = randomOf(seed);
  const connections = Math.ceil(framesPerSide / framesPerConnection);
  const slowest = { ms: 0 };
  let settled = 0;
  for (let i = 0; i < connections; i++) {
    const start = performance.now();
    await feedOne(random);
    slowest.ms = Math.max(slowest.ms, performance.now() - start);
    if (i === Math.floor(connections / 4)) {
      collectGarbage();
      settled = process.memoryUsage().heapUsed;
    }
  }
  await delay(20);
  collectGarbage();
  const grown = (process.memoryUsage().heapUsed - settled) / 1e6;
  assert.ok(grown < 10, `heap grew by ${grown.toFixed(1)} MB, seed ${seed}`);
  assert.ok(slowest.ms < 5000, `a connection took ${slowest.ms} ms, seed ${seed}`);
}

const fuzzedHandlers: NumHandlers = {
  ...handlers,
  async double(message, context) {
    if (context.deadline !== undefined && message.n > 100) await aborted(context);
    return { n: message.n + context.metadata.size };
  },
};

test(`server: ${framesPerSide} mutated frames, seed ${seed}`, { timeout: 600_000 }, async () => {
  const server = new Server();
  server.add(NumService, fuzzedHandlers);
  let written = 0;
  await eachConnection(async (random) => {
    const feed = new Feed();
    server.accept(feed);
    let id = 1;
    const nextId = (): number => {
      if (random(3) > 0) id += 2;
      return random(4) === 0 ? Math.max(1, id - 2 * random(6)) : id;
    };
    for (const chunk of chunks(random, clientFrames, nextId)) {
      feed.push(chunk);
      if (random(8) === 0) await new Promise(setImmediate);
    }
    await new Promise(setImmediate);
    written += feed.written;
    if (random(2) === 0) feed.push(null);
    else feed.destroy(random(2) === 0 ? new Error('cut') : undefined);
    await new Promise(setImmediate);
  });
  await delay(20);
  assert.equal(server.connections, 0, `connections left, seed ${seed}`);
  assert.ok(written > framesPerSide, 'the server hardly answered: nothing was tested');
  await server.shutdown({ timeoutMs: 1000 });
});

test(`client: ${framesPerSide} mutated frames, seed ${seed}`, { timeout: 600_000 }, async () => {
  let replies = 0;
  await eachConnection(async (random) => {
    const feed = new Feed();
    const connection = new Connection(feed);
    const client = createClient(NumService, connection);
    const ends: Promise<unknown>[] = [];
    const count = (): void => {
      replies++;
    };
    async function read(stream: AsyncIterable<unknown>): Promise<void> {
      for await (const _ of stream) count();
    }
    // Calls in progress have the last ids.
    const nextId = (): number => Math.max(1, 2 * ends.length - 1 - 2 * random(8));
    for (const chunk of chunks(random, serverFrames, nextId)) {
      while (connection.activeCalls < 12 && connection.closeError === undefined) {
        const call = [
          () => client.double({ n: 1 }).then(count),
          () => client.sum(numbers(2)).then(count),
          () => read(client.count({ n: 1 })),
          () => read(client.squares(numbers(2))),
        ][random(4)] as () => Promise<unknown>;
        ends.push(call().catch(() => undefined));
      }
      feed.push(chunk);
      await new Promise(setImmediate);
    }
    if (random(2) === 0) feed.push(null);
    else feed.destroy(random(2) === 0 ? new Error('cut') : undefined);
    await connection.closed;
    // Every call ends; otherwise this would hang.
    await Promise.all(ends);
    assert.equal(connection.activeCalls, 0, `calls left, seed ${seed}`);
  });
  assert.ok(replies > framesPerSide / 100, `only ${replies} replies: nothing was tested`);
});
