import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { sha256Hex } from './sha256.ts';

test('is the same as that of OpenSSL, for every length around the ends of blocks', () => {
  for (let length = 0; length < 200; length++) {
    const text = 'ä-/x9'.repeat(40).slice(0, length);
    assert.equal(sha256Hex(text), createHash('sha256').update(text).digest('hex'), `${length} characters`);
  }
});
