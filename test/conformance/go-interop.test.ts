// Our client against Go's server, Go's client against our server: every kind of call and of failure.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Client, Code, type Connection, connect, createClient, Server } from 'ttrpc-ts';
import { peerSocket, runGoPeer, startGoServer, withoutGo } from './go-peer.ts';
import { PeerService, peerHandlers, stringValue } from './peer-service.ts';

async function* upTo(count: number): AsyncGenerator<bigint> {
  for (let n = 0; n < count; n++) yield BigInt(n);
}

async function collect<T>(replies: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const reply of replies) all.push(reply);
  return all;
}

function total(values: bigint[]): bigint {
  return values.reduce((sum, value) => sum + value, 0n);
}

describe('our client, server of Go', { skip: withoutGo, timeout: 300_000 }, () => {
  let peer: Awaited<ReturnType<typeof startGoServer>>;
  let connection: Connection;
  let client: Client<typeof PeerService>;

  before(async () => {
    const path = peerSocket('go.sock');
    peer = await startGoServer(path);
    connection = await connect({ path });
    client = createClient(PeerService, connection);
  });

  after(async () => {
    connection.close();
    await peer[Symbol.asyncDispose]();
  });

  test('unary, also many at once', async () => {
    assert.equal(await client.double(-21n), -42n);
    assert.deepEqual(await client.empty({}), {});
    const replies = await Promise.all(Array.from({ length: 5000 }, (_, n) => client.double(BigInt(n))));
    assert.ok(replies.every((reply, n) => reply === BigInt(2 * n)));
  });

  test('streams of all kinds', async () => {
    assert.equal(await client.sum(upTo(10_000)), 49_995_000n);
    assert.equal(total(await collect(client.count(10_000n))), 49_995_000n);
    assert.equal(total(await collect(client.squares(upTo(100)))), 328_350n);
    assert.deepEqual(await collect(client.count(0n)), []);
    assert.equal(await client.sum(upTo(0)), 0n);
    const blobs = await collect(client.blobs((200n << 32n) | 65_536n));
    assert.ok(blobs.length === 200 && blobs.every((blob) => blob.length === 65_536));
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 200; i++) yield new Uint8Array(65_536);
    }
    assert.equal(await client.drain(source()), 200n * 65_536n);
  });

  test('metadata', async () => {
    const metadata = { one: '1', two: ['2', 'zwei'] };
    assert.equal(await client.metadata({}, { metadata }), 'one=1;two=2,zwei');
    const stream = client.break({}, { metadata });
    assert.equal((await stream.next()).value, 'one=1;two=2,zwei');
    await assert.rejects(stream.next(), { code: Code.DataLoss, message: 'broken on purpose' });
  });

  test('status with details', async () => {
    await assert.rejects(client.fail(5n), (error: { code: number; message: string; details: unknown[] }) => {
      assert.equal(error.code, Code.NotFound);
      assert.equal(error.message, 'asked for');
      const [detail] = error.details as { typeUrl: string; value: Uint8Array }[];
      assert.equal(detail?.typeUrl, 'type.googleapis.com/google.protobuf.StringValue');
      assert.equal(stringValue.decode(detail.value), 'détail');
      return true;
    });
    await assert.rejects(client.fail(0n), { code: Code.Unknown, message: 'plain error' });
    await assert.rejects(client.unknown({}), { code: Code.Unimplemented, message: 'method Nothing' });
  });

  test('the time limit reaches the server', async () => {
    // A far longer limit on this side, so that the answer of the server is what is seen.
    const signal = AbortSignal.timeout(5000);
    await assert.rejects(client.wait({}, { timeoutMs: 60, signal }), { code: Code.DeadlineExceeded });
    await assert.rejects(collect(client.waits({}, { timeoutMs: 60 })), { code: Code.DeadlineExceeded });
  });

  test('large and oversized messages', async () => {
    assert.equal((await client.big(BigInt((4 << 20) - 64))).length, (4 << 20) - 64);
    const most = new Uint8Array((4 << 20) - 64).fill(7);
    assert.deepEqual(Buffer.from(await client.echo(most)).equals(most), true);
    await assert.rejects(client.echo(new Uint8Array((4 << 20) + 1)), { code: Code.ResourceExhausted });
    assert.equal(await client.double(1n), 2n);
  });

  test('a call that is given up does not disturb the others', async () => {
    const controller = new AbortController();
    const waiting = client.wait({}, { signal: controller.signal, timeoutMs: 100 });
    const stream = client.count(100_000n);
    for await (const n of stream) if (n === 10n) break;
    controller.abort();
    await assert.rejects(waiting, { code: Code.Canceled });
    await new Promise((resolve) => {
      setTimeout(resolve, 150);
    });
    assert.equal(await client.double(4n), 8n);
  });
});

test('our server, client of Go', { skip: withoutGo, timeout: 300_000 }, async () => {
  const path = peerSocket('ours.sock');
  using server = new Server();
  server.add(PeerService, peerHandlers);
  await server.listen({ path });
  const results: Record<string, { value?: string; code?: number; message?: string; details?: number }> =
    JSON.parse(await runGoPeer('call', path));
  assert.equal(results.deadline?.code, Code.DeadlineExceeded);
  assert.equal(results.oversized?.code, Code.ResourceExhausted);
  delete results.deadline;
  delete results.oversized;
  assert.deepEqual(results, {
    double: { value: '42' },
    parallel: { value: '0 wrong' },
    empty: { value: 'empty' },
    metadata: { value: 'one=1;two=2,zwei' },
    fail: { code: 5, message: 'asked for', details: 1 },
    failPlain: { code: 2, message: 'plain error' },
    unknown: { code: 12, message: 'method Nothing' },
    large: { value: String((4 << 20) - 64) },
    sum: { value: '499500' },
    count: { value: '499500 in 1000' },
    squares: { value: '328350 EOF' },
    break: { code: 15, message: 'broken on purpose' },
  });
});
