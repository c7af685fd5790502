import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareTopology } from './changes.ts';
import type { Link, Topology } from './topology.ts';

const link = (name: string, index: number, address = '10.0.0.1'): Link => ({
  ...{ name, index, mac: `02:00:00:00:00:0${index}`, mtu: 1500, kind: 'veth', noArp: false, ipv6: false },
  addresses: [{ family: 'inet', address, prefix: 24 }],
});
const topology = (...links: Link[]): Topology => ({ links, routes: [], neighbors: [], taps: [], notes: [] });

test('the same links and routes are no change, whatever the neighbours and taps do', () => {
  const before = topology(link('eth0', 2));
  const now = { ...topology(link('eth0', 2)), taps: [{ name: 'bhtap2', inUse: true }] };
  assert.deepEqual(compareTopology(before, now), { added: [], removed: [], updated: false });
});

test('interfaces come and go, and one may be replaced by another', () => {
  const before = topology(link('eth0', 2), link('eth1', 3));
  const renewed = { ...link('eth1', 4), mac: '02:00:00:00:00:03' };
  const changes = compareTopology(before, topology(link('eth0', 2), renewed));
  assert.deepEqual(changes, { added: [renewed], removed: [link('eth1', 3)], updated: true });
  const gone = compareTopology(before, topology(link('eth0', 2)));
  assert.deepEqual(gone, { added: [], removed: [link('eth1', 3)], updated: false });
});

test('an address or a route concerns the guest, not the VMM', () => {
  const before = topology(link('eth0', 2));
  const changes = compareTopology(before, topology(link('eth0', 2, '10.0.0.2')));
  assert.deepEqual(changes, { added: [], removed: [], updated: true });
  const route = {
    ...{ family: 'inet' as const, dest: '', gateway: '10.0.0.254', device: 'eth0', source: '' },
    ...{ scope: 0, flags: 0, mtu: 0, metric: 0 },
  };
  assert.equal(compareTopology(before, { ...before, routes: [route] }).updated, true);
});
