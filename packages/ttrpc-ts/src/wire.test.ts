// The envelope: round trips, malformed input is refused, unknown fields are skipped.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Code, codeName, TtrpcError } from './status.ts';
import {
  decodeMetadata,
  decodeRequest,
  decodeResponse,
  encodeFailure,
  encodeRequestTail,
  encodeRoute,
  newRequestEnvelope,
  varintBytes,
  WireError,
  writeVarint,
} from './wire.ts';

const text = fc.string({ unit: 'binary', maxLength: 300 });

test('requests', () => {
  const metadata = fc.dictionary(
    text.filter((key) => key !== '__proto__'),
    fc.array(text, { maxLength: 3 }),
    { maxKeys: 4 },
  );
  fc.assert(
    fc.property(text, text, fc.integer({ min: 1, max: 1e12 }), metadata, (service, method, ms, pairs) => {
      const bytes = Buffer.concat([encodeRoute(service, method), encodeRequestTail(ms, pairs)]);
      const envelope = newRequestEnvelope();
      decodeRequest(envelope, bytes, 0, bytes.length);
      assert.equal(envelope.service, service);
      assert.equal(envelope.method, method);
      assert.ok(Math.abs(envelope.timeoutNano / (ms * 1e6) - 1) < 1e-12);
      const expected = Object.entries(pairs).filter(([, values]) => values.length > 0);
      assert.equal(envelope.hasMetadata, expected.length > 0);
      assert.deepEqual(decodeMetadata(bytes, 0, bytes.length), new Map(expected));
    }),
    { numRuns: 300 },
  );
});

test('failures', () => {
  const detail = fc.record(
    { typeUrl: text, value: fc.uint8Array({ maxLength: 300 }) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0x7fffffff }), text, fc.array(detail), (code, message, details) => {
      const bytes = encodeFailure(new TtrpcError(code, message, { details }));
      const error = decodeResponse(bytes, 0, bytes.length);
      assert.ok(error instanceof TtrpcError);
      assert.equal(error.code, code);
      assert.equal(error.message, message);
      assert.deepEqual(
        error.details.map((d) => ({ typeUrl: d.typeUrl, value: new Uint8Array(d.value) })),
        details,
      );
    }),
    { numRuns: 200 },
  );
});

test('any bytes are either read or refused with a WireError', () => {
  const envelope = newRequestEnvelope();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (array) => {
      const bytes = Buffer.from(array);
      for (const read of [
        () => decodeRequest(envelope, bytes, 0, bytes.length),
        () => decodeMetadata(bytes, 0, bytes.length),
        () => decodeResponse(bytes, 0, bytes.length),
      ]) {
        try {
          read();
        } catch (error) {
          assert.ok(error instanceof WireError, String(error));
        }
      }
    }),
    { numRuns: 5000 },
  );
});

test('unknown fields are skipped, a status of code 0 is none, negative timeouts have passed', () => {
  const extra = Buffer.from('30053901020304050607083d0102030442036162633201ff', 'hex');
  const bytes = Buffer.concat([extra, encodeRoute('s', 'm'), extra]);
  const envelope = newRequestEnvelope();
  decodeRequest(envelope, bytes, 0, bytes.length);
  assert.deepEqual([envelope.service, envelope.method], ['s', 'm']);
  const ok = Buffer.from('0a0412026f6b120161', 'hex');
  assert.deepEqual(decodeResponse(ok, 0, ok.length), Buffer.from('a'));
  for (const [hex, nano] of [
    ['20ffffffffffffffffff01', -1],
    ['2080808080808080808001', -1],
    ['2000', 0],
    ['2001', 1],
  ] as const) {
    const limit = Buffer.from(hex, 'hex');
    decodeRequest(envelope, limit, 0, limit.length);
    assert.equal(envelope.timeoutNano, nano);
  }
});

test('varints', () => {
  const buffer = Buffer.alloc(16);
  for (const value of [
    0,
    1,
    127,
    128,
    16383,
    16384,
    2 ** 21 - 1,
    2 ** 21,
    2 ** 28 - 1,
    2 ** 28,
    2 ** 32 - 1,
  ]) {
    assert.equal(writeVarint(buffer, 0, value), varintBytes(value));
  }
  assert.equal(writeVarint(buffer, 0, 2 ** 53 - 1), 8);
});

test('names of codes', () => {
  assert.equal(codeName(Code.NotFound), 'NotFound');
  assert.equal(codeName(99), 'Code(99)');
  assert.equal(TtrpcError.from('text').message, 'text');
});
