// Interceptors and the channels of node:diagnostics_channel.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import {
  type CallEvent,
  type ClientInterceptor,
  Code,
  type ServerInterceptor,
  TtrpcError,
} from '../src/index.ts';
import { collect, handlers, joined, numbers } from './support.ts';

test('client interceptors: order, changed calls, retries, all kinds', async () => {
  const log: string[] = [];
  let failures = 2;
  const named = (name: string): ClientInterceptor => ({
    async single(call, next) {
      log.push(`${name} > ${call.service}/${call.method} ${call.kind}`);
      const reply = await next({ ...call, options: { ...call.options, metadata: { [name]: '1' } } });
      log.push(`${name} <`);
      return reply;
    },
  });
  const retry: ClientInterceptor = {
    async single(call, next) {
      for (let attempt = 0; ; attempt++) {
        try {
          return await next(call);
        } catch (error) {
          if (attempt === 3 || TtrpcError.from(error).code !== Code.Unavailable) throw error;
        }
      }
    },
    async *stream(call, next) {
      log.push(`stream ${call.kind}`);
      for await (const reply of next(call)) yield { n: (reply as { n: number }).n + 1000 };
    },
  };
  let seen: string[] = [];
  await using pair = joined(
    {
      ...handlers,
      double({ n }, { metadata }) {
        seen = [...metadata.keys()];
        if (failures-- > 0) throw new TtrpcError(Code.Unavailable, 'not yet');
        return { n: n * 2 };
      },
    },
    { client: { interceptors: [named('outer'), retry, named('inner')] } },
  );
  assert.deepEqual(await pair.client.double({ n: 4 }), { n: 8 });
  assert.deepEqual(seen, ['inner']);
  assert.deepEqual(log, [
    'outer > test.Num/Double unary',
    'inner > test.Num/Double unary',
    'inner > test.Num/Double unary',
    'inner > test.Num/Double unary',
    'inner <',
    'outer <',
  ]);
  log.length = 0;
  assert.deepEqual(await collect(pair.client.count({ n: 2 })), [{ n: 1000 }, { n: 1001 }]);
  assert.deepEqual(await collect(pair.client.squares(numbers(2))), [{ n: 1000 }, { n: 1001 }]);
  assert.deepEqual(await pair.client.sum(numbers(3)), { n: 3 });
  assert.deepEqual(log, [
    'stream server-stream',
    'stream bidi',
    'outer > test.Num/Sum client-stream',
    'inner > test.Num/Sum client-stream',
    'inner <',
    'outer <',
  ]);
});

test('server interceptors: context for the handler, refusals, streams', async () => {
  const store = new AsyncLocalStorage<string>();
  const within: ServerInterceptor = {
    single: (input, context, next) => store.run(context.method, () => next(input, context)),
    async *stream(input, context, next) {
      yield { n: -1 };
      yield* next(input, context);
    },
  };
  const guard: ServerInterceptor = {
    async single(input, context, next) {
      if (!context.metadata.has('token')) throw new TtrpcError(Code.Unauthenticated, 'who are you');
      return next(input, context);
    },
  };
  await using pair = joined(
    {
      ...handlers,
      double({ n }) {
        assert.equal(store.getStore(), 'Double');
        return { n };
      },
      async sum(requests) {
        assert.equal(store.getStore(), 'Sum');
        return { n: (await collect(requests)).length };
      },
    },
    { server: { interceptors: [guard, within] } },
  );
  await assert.rejects(pair.client.double({ n: 1 }), { code: Code.Unauthenticated });
  const metadata = { token: 'x' };
  assert.deepEqual(await pair.client.double({ n: 1 }, { metadata }), { n: 1 });
  assert.deepEqual(await pair.client.sum(numbers(5), { metadata }), { n: 5 });
  assert.deepEqual(await collect(pair.client.count({ n: 1 })), [{ n: -1 }, { n: 0 }]);
});

test('diagnostics channels report every start and end, and nothing once unsubscribed', async () => {
  const events: string[] = [];
  const ends: CallEvent[] = [];
  const started = new Set<unknown>();
  const onStart = (message: unknown, name: string | symbol): void => {
    const { service, method, kind, streamId } = message as CallEvent;
    started.add(message);
    events.push(`${String(name)} ${service}/${method} ${kind} ${streamId}`);
  };
  const onEnd = (message: unknown, name: string | symbol): void => {
    assert.ok(started.delete(message), 'the end of a call that did not start');
    ends.push(message as CallEvent);
    events.push(`${String(name)} ${(message as CallEvent).error?.code ?? 'ok'}`);
  };
  for (const side of ['client', 'server']) {
    subscribe(`ttrpc-ts:${side}:start`, onStart);
    subscribe(`ttrpc-ts:${side}:end`, onEnd);
  }
  await using pair = joined({
    ...handlers,
    double: () => Promise.reject(new TtrpcError(Code.Aborted, 'no')),
  });
  await assert.rejects(pair.client.double({ n: 1 }));
  assert.deepEqual(events, [
    'ttrpc-ts:client:start test.Num/Double unary 1',
    'ttrpc-ts:server:start test.Num/Double unary 1',
    'ttrpc-ts:server:end 10',
    'ttrpc-ts:client:end 10',
  ]);
  events.length = 0;
  await collect(pair.client.count({ n: 2 }));
  await collect(pair.client.squares(numbers(2)));
  await pair.client.sum(numbers(2));
  for await (const _ of pair.client.count({ n: 2 })) break;
  assert.equal(events.length, 16);
  assert.equal(started.size, 0);
  for (const { durationMs } of ends) assert.ok(durationMs !== undefined && durationMs >= 0);
  for (const side of ['client', 'server']) {
    unsubscribe(`ttrpc-ts:${side}:start`, onStart);
    unsubscribe(`ttrpc-ts:${side}:end`, onEnd);
  }
  await pair.client.sum(numbers(2));
  assert.equal(events.length, 16);
});
