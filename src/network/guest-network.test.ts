import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { AgentError } from '../agent/agent-error.ts';
import { configureGuestNetwork, interfaceMessage, neighborMessage, routeMessage } from './guest-network.ts';
import type { Link, Topology } from './topology.ts';

const eth0: Link = {
  ...{ name: 'eth0', index: 3, mac: '02:00:00:00:00:01', mtu: 1450, kind: 'veth', noArp: false, ipv6: true },
  addresses: [
    { family: 'inet', address: '10.1.2.3', prefix: 24 },
    { family: 'inet6', address: 'fd00::3', prefix: 64 },
  ],
};
const route = {
  ...{ family: 'inet6' as const, dest: '', gateway: 'fe80::1', device: 'eth0', source: '' },
  ...{ scope: 0, flags: 4, mtu: 0, metric: 1024 },
};
const neighbor = {
  family: 'inet' as const,
  address: '10.1.2.1',
  device: 'eth0',
  mac: 'ee:ee:ee:ee:ee:ee',
  state: 128,
};
const topology: Topology = { links: [eth0], routes: [route], neighbors: [neighbor], taps: [], notes: [] };

test('the messages', () => {
  assert.deepEqual(interfaceMessage(eth0), {
    ...{
      device: 'eth0',
      name: 'eth0',
      mtu: 1450n,
      hwAddr: '02:00:00:00:00:01',
      devicePath: '',
      type: 'veth',
    },
    rawFlags: 0,
    ipAddresses: [
      { family: 0, address: '10.1.2.3', mask: '24' },
      { family: 1, address: 'fd00::3', mask: '64' },
    ],
  });
  assert.equal(interfaceMessage({ ...eth0, noArp: true }).rawFlags, 0x80);
  assert.deepEqual(routeMessage(route), {
    ...{ dest: '', gateway: 'fe80::1', device: 'eth0', source: '', scope: 0, family: 1, flags: 4, mtu: 0 },
  });
  assert.deepEqual(neighborMessage(neighbor), {
    ...{ device: 'eth0', lladdr: 'ee:ee:ee:ee:ee:ee', state: 128, flags: 0 },
    toIPAddress: { family: 0, address: '10.1.2.1', mask: '' },
  });
});

/** An agent that records its calls, and fails one of them. */
function agent(failing?: string, code: number = Code.Unimplemented) {
  const calls: string[] = [];
  const call = (method: string) => {
    calls.push(method);
    return method === failing ? Promise.reject(new AgentError(code, 'no')) : Promise.resolve({});
  };
  return { calls, call: call as never };
}

test('interfaces, then all routes, then neighbours; no calls when there is nothing to set', async () => {
  const one = agent();
  await configureGuestNetwork(one, { ...topology, links: [eth0, { ...eth0, name: 'net1' }] });
  assert.deepEqual(one.calls, ['updateInterface', 'updateInterface', 'updateRoutes', 'addARPNeighbors']);
  const two = agent();
  await configureGuestNetwork(two, { links: [], routes: [], neighbors: [] });
  assert.deepEqual(two.calls, []);
});

test('a change: only the affected interfaces; routes even when none are left', async () => {
  const net1 = { ...eth0, name: 'net1', index: 4 };
  const before = { ...topology, links: [eth0, net1] };
  const fewer = { ...net1, addresses: net1.addresses.slice(0, 1) };
  const one = agent();
  await configureGuestNetwork(one, { ...before, links: [{ ...eth0 }, fewer] }, before);
  assert.deepEqual(one.calls, ['updateInterface', 'updateRoutes', 'addARPNeighbors']);
  const two = agent();
  await configureGuestNetwork(two, { ...before, routes: [], neighbors: [] }, before);
  assert.deepEqual(two.calls, ['updateRoutes']);
});

test('an agent without neighbours is fine, one that fails is not', async () => {
  await configureGuestNetwork(agent('addARPNeighbors'), topology);
  await assert.rejects(configureGuestNetwork(agent('addARPNeighbors', Code.Internal), topology), /no/);
  await assert.rejects(configureGuestNetwork(agent('updateRoutes'), topology), /no/);
});
