// Our frames, byte for byte, against those that Go's ttrpc writes for the same calls (golden-frames.json).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Duplex, duplexPair, Transform } from 'node:stream';
import { test } from 'node:test';
import { type Client, Connection, createClient, Server } from 'ttrpc-ts';
import { runGoPeer, withoutGo } from './go-peer.ts';
import { PeerService, peerHandlers } from './peer-service.ts';

type Exchanges = Record<string, { client: string; server: string }>;

const file = join(import.meta.dirname, 'golden-frames.json');
const golden: Exchanges = JSON.parse(readFileSync(file, 'utf8'));

async function* of(...values: bigint[]): AsyncGenerator<bigint> {
  for (const value of values) yield value;
}

async function read(replies: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of replies);
}

/** The calls of golden.go, in its order. */
const calls: [string, (client: Client<typeof PeerService>) => Promise<unknown>][] = [
  ['unary', (c) => c.double(21n)],
  ['metadata', (c) => c.metadata({}, { metadata: { key: ['one', 'two', ''] } })],
  ['empty', (c) => c.empty({})],
  ['fail', (c) => c.fail(5n)],
  ['failPlain', (c) => c.fail(0n)],
  ['unknown', (c) => c.unknown({})],
  ['sum', (c) => c.sum(of(3n, 0n))],
  ['count', (c) => read(c.count(2n))],
  ['squares', (c) => read(c.squares(of(300n)))],
  ['break', (c) => read(c.break({}))],
];

/** One end of a pair whose writes are kept. */
function recorded(end: Duplex): { written: Buffer[] } {
  const written: Buffer[] = [];
  const write = end.write.bind(end);
  end.write = ((chunk: Uint8Array, ...rest: []) => {
    written.push(Buffer.from(chunk));
    return write(chunk, ...rest);
  }) as Duplex['write'];
  return { written };
}

test('client and server write the frames of Go', async () => {
  const [near, far] = duplexPair();
  const client = recorded(near);
  const server = recorded(far);
  using host = new Server();
  host.add(PeerService, peerHandlers);
  host.accept(far);
  using connection = new Connection(near);
  const peer = createClient(PeerService, connection);
  for (const [name, call] of calls) {
    await call(peer).catch(() => undefined);
    await new Promise(setImmediate);
    const ours = {
      client: Buffer.concat(client.written.splice(0)).toString('hex'),
      server: Buffer.concat(server.written.splice(0)).toString('hex'),
    };
    assert.deepEqual(ours, golden[name], name);
  }
});

test('the request of a call with a time limit is that of Go', async () => {
  const [near, far] = duplexPair();
  using connection = new Connection(near);
  const chunk = new Promise<Buffer>((resolve) => {
    far.once('data', resolve);
  });
  const call = createClient(PeerService, connection).wait({}, { timeoutMs: 1500, metadata: { k: 'v' } });
  assert.equal((await chunk).subarray(10).toString('hex'), golden.timeoutRequest?.client);
  connection.close();
  await assert.rejects(call);
});

test('the frames of Go are read in any cut', async () => {
  for (const size of [1, 3, 7, 10, 11, 1000]) {
    const [near, far] = duplexPair();
    const cut = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        for (let at = 0; at < chunk.length; at += size) this.push(chunk.subarray(at, at + size));
        done();
      },
    });
    using connection = new Connection(near);
    const client = createClient(PeerService, connection);
    cut.on('data', (chunk: Buffer) => far.write(chunk));
    far.resume();
    // Stream 1: the unary reply; it fits the first call of a connection.
    const reply = client.double(21n);
    cut.write(Buffer.from(golden.unary?.server ?? '', 'hex'));
    assert.equal(await reply, 42n);
  }
});

test('the golden frames are still those of Go', { skip: withoutGo }, async () => {
  assert.deepEqual(JSON.parse(await runGoPeer('golden')), golden);
});
