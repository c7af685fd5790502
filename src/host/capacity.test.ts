import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { test } from 'node:test';
import { cgroupVersion, hostCapacity, parseMemTotal } from './capacity.ts';

test('memory is read in MiB', () => {
  assert.equal(parseMemTotal('MemTotal:       24684084 kB\nMemFree: 1 kB\n'), 24105);
  assert.throws(() => parseMemTotal('nothing'));
});

test('the capacity of this host', () => {
  const { memoryMib, cpus } = hostCapacity();
  assert.ok(Math.abs(memoryMib - totalmem() / 1024 ** 2) < 2);
  assert.ok(cpus >= 1);
  assert.ok([1, 2].includes(cgroupVersion()));
});
