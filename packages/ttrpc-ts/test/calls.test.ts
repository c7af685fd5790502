// Calls of all kinds between our client and our server.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync } from 'node:fs';
import { connect as connectSocket, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code, Connection, codeName, connect, createClient, Server, TtrpcError } from '../src/index.ts';
import {
  aborted,
  collect,
  delay,
  handlers,
  joined,
  joinedBySocket,
  NumService,
  num,
  numbers,
  socketPath,
} from './support.ts';

function failsWith(code: number, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TtrpcError, String(error));
    assert.equal(codeName(error.code), codeName(code));
    assert.match(error.message, message);
    return true;
  };
}

test('all four kinds, in memory and over a unix socket', async () => {
  for (const pair of [joined(), await joinedBySocket()]) {
    await using _ = pair;
    const { client } = pair;
    assert.deepEqual(await client.double({ n: 21 }), { n: 42 });
    assert.deepEqual(await client.sum(numbers(100)), { n: 4950 });
    assert.deepEqual((await collect(client.count({ n: 5 }))).length, 5);
    assert.deepEqual(
      (await collect(client.squares(numbers(4)))).map(({ n }) => n),
      [0, 1, 4, 9],
    );
    assert.deepEqual(await collect(client.count({ n: 0 })), []);
    assert.deepEqual(await client.sum(numbers(0)), { n: 0 });
  }
});

test('TCP, a net.Server of the caller, an inherited descriptor', async () => {
  const listener = createServer();
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  using server = new Server();
  server.add(NumService, handlers);
  await server.listen(listener);
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  using connection = await connect({ port: address.port, host: '127.0.0.1' });
  assert.deepEqual(await createClient(NumService, connection).double({ n: 1 }), { n: 2 });

  // The descriptor of a listening socket, as a launcher passes it to a shim.
  const path = socketPath();
  const bound = createServer();
  await new Promise<void>((resolve) => {
    bound.listen(`${path}.bound`, resolve);
  });
  const { fd } = (bound as unknown as { _handle: { fd: number } })._handle;
  const child = spawn(process.execPath, [join(import.meta.dirname, 'inherited-server.ts')], {
    stdio: ['ignore', 'ignore', 'inherit', fd],
  });
  // Closing unlinks the bound path; a second path keeps the socket reachable.
  linkSync(`${path}.bound`, path);
  bound.close();
  using second = await connect({ path });
  assert.deepEqual(await createClient(NumService, second).double({ n: 4 }), { n: 8 });
  const exit = once(child, 'exit');
  child.kill();
  await exit;
});

test('replies come in any order, many calls at once', async () => {
  const waiting: (() => void)[] = [];
  await using pair = await joinedBySocket({
    double: ({ n }) =>
      new Promise((resolve) => {
        waiting.push(() => resolve({ n: n * 2 }));
        if (waiting.length < 10) return;
        setImmediate(() => {
          for (const release of waiting.reverse()) release();
        });
      }),
  });
  const order: number[] = [];
  const calls = Array.from({ length: 10 }, (_, n) => pair.client.double({ n }).then((r) => order.push(r.n)));
  await Promise.all(calls);
  assert.deepEqual(order, [18, 16, 14, 12, 10, 8, 6, 4, 2, 0]);
  assert.equal(pair.connection.activeCalls, 0);
});

test('status: code, message and details of a thrown TtrpcError; anything else is Unknown', async () => {
  const details = [
    { typeUrl: 'type.googleapis.com/x', value: Buffer.from('abc') },
    { typeUrl: '', value: Buffer.from('') },
  ];
  await using pair = joined({
    double({ n }) {
      if (n === 0) throw new TtrpcError(Code.NotFound, 'no such thing', { details });
      if (n === 1) throw new RangeError('out of luck');
      if (n === 2) return Promise.reject('a string');
      throw new TtrpcError(77, '');
    },
  });
  const { client } = pair;
  await assert.rejects(client.double({ n: 0 }), (error: TtrpcError) => {
    assert.equal(error.code, Code.NotFound);
    assert.deepEqual(
      error.details.map((d) => [d.typeUrl, Buffer.from(d.value).toString()]),
      [
        ['type.googleapis.com/x', 'abc'],
        ['', ''],
      ],
    );
    return failsWith(Code.NotFound, /^no such thing$/)(error);
  });
  await assert.rejects(client.double({ n: 1 }), failsWith(Code.Unknown, /^out of luck$/));
  await assert.rejects(client.double({ n: 2 }), failsWith(Code.Unknown, /^a string$/));
  await assert.rejects(client.double({ n: 3 }), failsWith(77, /^$/));
});

test('unknown service and method', async () => {
  await using pair = joined();
  await assert.rejects(pair.client.missing({ n: 1 }), failsWith(Code.Unimplemented, /^method Missing$/));
  const other = createClient({ ...NumService, name: 'test.Other' }, pair.connection);
  await assert.rejects(other.double({ n: 1 }), failsWith(Code.Unimplemented, /^service test.Other$/));
  await assert.rejects(collect(other.count({ n: 1 })), failsWith(Code.Unimplemented, /^service test.Other$/));
});

test('metadata: several values per key, order, UTF-8, none', async () => {
  let seen: [string, readonly string[]][] = [];
  await using pair = joined({
    double(request, context) {
      seen = [...context.metadata];
      assert.equal(context.service, 'test.Num');
      assert.equal(context.method, 'Double');
      assert.equal(context.kind, 'unary');
      assert.equal(context.deadline, undefined);
      return request;
    },
  });
  await pair.client.double({ n: 1 }, { metadata: { a: 'x', b: ['y', '', 'ü'], empty: [] } });
  assert.deepEqual(seen, [
    ['a', ['x']],
    ['b', ['y', '', 'ü']],
  ]);
  await pair.client.double({ n: 1 });
  assert.deepEqual(seen, []);
});

test('timeout: the server aborts the handler and answers; the client does not depend on it', async () => {
  let reason: unknown;
  let deadline = 0;
  await using pair = joined({
    async double(_, context) {
      deadline = context.deadline ?? 0;
      await aborted(context);
      reason = context.signal.reason;
      throw new Error('too late to matter');
    },
    async *count(_, context) {
      yield { n: 1 };
      await aborted(context);
      yield { n: 2 };
    },
    async sum(requests, context) {
      for await (const _ of requests) assert.equal(context.signal.aborted, false);
      return { n: 0 };
    },
  });
  const before = Date.now();
  await assert.rejects(
    pair.client.double({ n: 1 }, { timeoutMs: 30 }),
    failsWith(Code.DeadlineExceeded, /./),
  );
  assert.ok(deadline >= before + 29 && deadline < before + 500);
  await delay(20);
  assert.ok(reason instanceof TtrpcError && reason.code === Code.DeadlineExceeded);
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { n } of pair.client.count({ n: 1 }, { timeoutMs: 30 })) seen.push(n);
    },
    failsWith(Code.DeadlineExceeded, /./),
  );
  assert.deepEqual(seen, [1]);
  async function* never(): AsyncGenerator<{ n: number }> {
    yield { n: 1 };
    await new Promise(() => undefined);
  }
  await assert.rejects(pair.client.sum(never(), { timeoutMs: 30 }), failsWith(Code.DeadlineExceeded, /./));
  await assert.rejects(
    pair.client.double({ n: 1 }, { timeoutMs: 0 }),
    failsWith(Code.DeadlineExceeded, /limit of 0 ms/),
  );
  assert.equal(pair.connection.activeCalls, 0);
});

test('AbortSignal: before, during, after, with a reason, on streams', async () => {
  // Over a socket, which keeps the process alive; the timer of AbortSignal.timeout does not.
  await using pair = await joinedBySocket({
    ...handlers,
    async double(request, context) {
      if (request.n === 0) await aborted(context);
      return request;
    },
    async *count() {
      for (let n = 0; ; n++) {
        yield { n };
        await delay(1);
      }
    },
  });
  const { client } = pair;
  await assert.rejects(
    client.double({ n: 0 }, { signal: AbortSignal.abort('why') }),
    (error: TtrpcError) => error.cause === 'why' && failsWith(Code.Canceled, /canceled/)(error),
  );
  const controller = new AbortController();
  const pending = client.double({ n: 0 }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 10);
  await assert.rejects(pending, failsWith(Code.Canceled, /canceled/));
  await assert.rejects(
    client.double({ n: 0 }, { signal: AbortSignal.timeout(10) }),
    failsWith(Code.DeadlineExceeded, /time limit/),
  );
  const late = new AbortController();
  await client.double({ n: 1 }, { signal: late.signal });
  late.abort();
  const stream = new AbortController();
  let seen = 0;
  await assert.rejects(
    async () => {
      for await (const _ of client.count({ n: 0 }, { signal: stream.signal }))
        if (++seen === 3) stream.abort();
    },
    failsWith(Code.Canceled, /canceled/),
  );
  assert.equal(seen, 3);
  assert.equal(pair.connection.activeCalls, 0);
  assert.deepEqual(await client.double({ n: 5 }), { n: 5 });
});

test('a lost connection rejects every call with one error; the server aborts its handlers', async () => {
  let told: unknown;
  const pair = await joinedBySocket({
    async double(request, context) {
      await aborted(context);
      told = context.signal.reason;
      return request;
    },
    async *count(_, context) {
      yield { n: 1 };
      await aborted(context);
    },
  });
  const stream = pair.client.count({ n: 1 });
  await stream.next();
  const calls = [pair.client.double({ n: 1 }), pair.client.double({ n: 2 }), stream.next()];
  await delay(20);
  pair.connection.close();
  const results = await Promise.allSettled(calls);
  const errors = new Set(results.map((r) => (r.status === 'rejected' ? r.reason : undefined)));
  assert.equal(errors.size, 1);
  failsWith(Code.Unavailable, /closed by this side/)([...errors][0]);
  await pair.connection.closed;
  assert.equal(pair.connection.closeError, [...errors][0]);
  await assert.rejects(pair.client.double({ n: 1 }), failsWith(Code.Unavailable, /closed by this side/));
  await assert.rejects(collect(pair.client.count({ n: 1 })), failsWith(Code.Unavailable, /closed/));
  await assert.rejects(pair.client.sum(numbers(1)), failsWith(Code.Unavailable, /closed/));
  await delay(20);
  assert.ok(told instanceof TtrpcError && told.code === Code.Unavailable);
  pair.server.close();
});

test('connect: refused, canceled; a Connection on a socket that never connects', async () => {
  const path = socketPath();
  await assert.rejects(connect({ path }), failsWith(Code.Unavailable, /cannot connect: connect ENOENT/));
  await assert.rejects(
    connect({ path }, { signal: AbortSignal.abort() }),
    failsWith(Code.Canceled, /canceled/),
  );
  const connection = new Connection(connectSocket(path));
  const client = createClient(NumService, connection);
  await assert.rejects(client.double({ n: 1 }), failsWith(Code.Unavailable, /lost: connect ENOENT/));
  await connection.closed;
});

test('messages up to 4 MiB pass, larger ones fail alone, both ways', async () => {
  await using pair = await joinedBySocket({
    double: ({ n }) => ({ n: 0, pad: 'x'.repeat(n) }),
    sum: async (requests) => ({
      n: (await collect(requests)).reduce((all, r) => all + (r.pad?.length ?? 0), 0),
    }),
  });
  const { client } = pair;
  const large = 4 * 1024 * 1024 - 100;
  assert.equal((await client.double({ n: large })).pad?.length, large);
  assert.equal((await client.double({ n: 0, pad: 'y'.repeat(large) })).pad, '');
  await assert.rejects(
    client.double({ n: large + 100 }),
    failsWith(Code.ResourceExhausted, /exceeds the limit/),
  );
  await assert.rejects(
    client.double({ n: 0, pad: 'y'.repeat(large + 100) }),
    failsWith(Code.ResourceExhausted, /exceeds the limit/),
  );
  async function* source(): AsyncGenerator<{ n: number; pad: string }> {
    for (const size of [large, large, 10]) yield { n: 1, pad: 'z'.repeat(size) };
  }
  assert.deepEqual(await client.sum(source()), { n: 2 * large + 10 });
  async function* over(): AsyncGenerator<{ n: number; pad: string }> {
    yield { n: 1, pad: 'z'.repeat(large + 200) };
  }
  await assert.rejects(client.sum(over()), failsWith(Code.ResourceExhausted, /exceeds the limit/));
  assert.equal((await client.double({ n: 3 })).pad, 'xxx');
});

test('a codec that throws fails its call and nothing else', async () => {
  const broken = {
    encode(): Uint8Array {
      throw new Error('cannot write this');
    },
    decode(): never {
      throw new Error('cannot read this');
    },
  };
  const methods = NumService.methods;
  await using pair = joined();
  const { connection } = pair;
  const outgoing = createClient(
    { name: 'test.Num', methods: { double: { ...methods.double, request: broken } } },
    connection,
  );
  await assert.rejects(outgoing.double({}), /cannot write this/);
  const incoming = createClient(
    {
      name: 'test.Num',
      methods: {
        double: { ...methods.double, response: broken },
        count: { ...methods.count, response: broken },
      },
    },
    connection,
  );
  await assert.rejects(incoming.double({ n: 1 }), failsWith(Code.Internal, /reply cannot be decoded/));
  await assert.rejects(collect(incoming.count({ n: 1 })), failsWith(Code.Internal, /cannot be decoded/));
  const garbage = { encode: () => Buffer.from('{'), decode: num.decode };
  const bad = createClient(
    {
      name: 'test.Num',
      methods: { double: { ...methods.double, request: garbage }, sum: { ...methods.sum, request: garbage } },
    },
    connection,
  );
  await assert.rejects(bad.double({}), failsWith(Code.InvalidArgument, /request message cannot be decoded/));
  await assert.rejects(bad.sum(numbers(3)), failsWith(Code.InvalidArgument, /cannot be decoded/));
  assert.equal(connection.activeCalls, 0);
  assert.deepEqual(await pair.client.double({ n: 1 }), { n: 2 });
});

test('a service is added once; handlers may be methods of a class instance', async () => {
  class Doubler {
    factor = 3;
    double({ n }: { n: number }): { n: number } {
      return { n: n * this.factor };
    }
  }
  await using pair = joined(new Doubler());
  assert.deepEqual(await pair.client.double({ n: 2 }), { n: 6 });
  assert.throws(() => pair.server.add(NumService, {}), /added already/);
});
