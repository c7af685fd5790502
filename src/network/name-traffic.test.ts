import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameTrafficBatch } from './name-traffic.ts';

test('filters for each protocol, before those of the redirect, on every interface', () => {
  const records = [
    { interface: 'eth0', tap: 'bhtap4' },
    { interface: 'eth1', tap: 'bhtap6' },
  ];
  const lines = nameTrafficBatch(records).trimEnd().split('\n');
  assert.equal(lines.length, 12);
  assert.equal(
    lines[1],
    'filter add dev eth0 parent ffff: protocol ip pref 2842 u32 match ip protocol 17 0xff ' +
      'match u32 0x0035f000 0xfffff000 at 20 action mirred egress mirror dev bhtap4 pass',
  );
  assert.ok(
    lines.slice(6).every((line) => line.startsWith('filter add dev eth1 ') && !line.includes('bhtap4')),
  );
  assert.ok(lines.every((line) => Number(/pref (\d+)/.exec(line)?.[1]) < 2845));
});
