// The router: what it learns, and what it must not learn.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Router } from './router.ts';
import type { BoundHandler } from './server-call.ts';
import { Code, TtrpcError } from './status.ts';
import { encodeRoute, newRequestEnvelope } from './wire.ts';

function handler(service: string, method: string): BoundHandler {
  return {
    service,
    method,
    kind: 'unary',
    decode: (bytes) => bytes,
    encode: () => new Uint8Array(0),
    handle: (input) => input,
  };
}

function routerOf(...methods: [string, string][]): Router {
  const router = new Router();
  for (const service of new Set(methods.map(([name]) => name))) {
    const own = methods.filter(([name]) => name === service);
    router.add(service, new Map(own.map(([, method]) => [method, handler(service, method)])));
  }
  return router;
}

function found(router: Router, request: Buffer): string {
  const target = router.route(newRequestEnvelope(), request, 0, request.length);
  return target instanceof TtrpcError ? `error ${target.code}` : `${target.service}/${target.method}`;
}

test('known and unknown routes, with colliding keys too, the first time and later', () => {
  const methods: [string, string][] = [];
  for (let i = 0; i < 300; i++) methods.push([`s${i % 7}.Service`, `Method${i}x`]);
  methods.push(['ä.Ü', 'Größe'], ['x', 'y'], ['long'.repeat(50), 'Method'], ['s', 'm'.repeat(200)]);
  const router = routerOf(...methods);
  for (let round = 0; round < 3; round++) {
    for (const [service, method] of methods) {
      const request = Buffer.concat([encodeRoute(service, method), Buffer.from([0x1a, 1, 7])]);
      assert.equal(found(router, request), `${service}/${method}`);
    }
    assert.equal(found(router, encodeRoute('s0.Service', 'Method1x')), `error ${Code.Unimplemented}`);
    assert.equal(found(router, encodeRoute('none', 'Method1x')), `error ${Code.Unimplemented}`);
    assert.equal(found(router, Buffer.alloc(0)), `error ${Code.Unimplemented}`);
  }
});

test('of a route given twice the last one counts, and nothing is learned about the first', () => {
  const router = routerOf(['a', 'One'], ['b', 'Two']);
  const both = Buffer.concat([encodeRoute('a', 'One'), encodeRoute('b', 'Two')]);
  for (let round = 0; round < 3; round++) {
    assert.equal(found(router, both), 'b/Two');
    assert.equal(found(router, encodeRoute('a', 'One')), 'a/One');
    assert.equal(found(router, encodeRoute('b', 'Two')), 'b/Two');
  }
  const evil = Buffer.concat([encodeRoute('x', 'None'), encodeRoute('b', 'Two')]);
  assert.equal(found(router, evil), 'b/Two');
  assert.equal(found(router, encodeRoute('x', 'None')), `error ${Code.Unimplemented}`);
});

test('fields in another order work too', () => {
  const router = routerOf(['svc', 'Do']);
  const swapped = Buffer.from([0x12, 2, 0x44, 0x6f, 0x0a, 3, 0x73, 0x76, 0x63]);
  assert.equal(found(router, swapped), 'svc/Do');
  assert.equal(found(router, Buffer.from([0x0a, 9, 1])), `error ${Code.InvalidArgument}`);
});
