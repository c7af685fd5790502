// The fixtures are the output of iproute2 6.1.0 in namespaces set up as their names say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseDump } from './iproute.ts';
import { readTopology } from './read-topology.ts';

function topology(fixture: string) {
  return readTopology(
    parseDump(readFileSync(join(import.meta.dirname, 'testdata', `${fixture}.jsonl`), 'utf8')),
  );
}

test('several interfaces: those that are up, Ethernet and have an address', () => {
  const { links, notes } = topology('several');
  assert.deepEqual(
    links.map(({ name, kind, addresses }) => [
      name,
      kind,
      addresses.filter((a) => !a.address.startsWith('fe80')).length,
    ]),
    [
      ['peer0', 'veth', 0],
      ['eth0', 'veth', 3],
      ['net1', 'macvlan', 1],
    ],
  );
  for (const link of links) assert.match(link.mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  assert.ok(notes.some((note) => note.startsWith('wg0 is not an Ethernet interface')));
});

test('routes: link routes before gateways, better metrics first; no kernel routes but those to a peer', () => {
  const { routes, notes } = topology('several');
  assert.deepEqual(
    routes.map(
      ({ dest, gateway, device, metric }) => `${dest || 'default'} ${gateway || '-'} ${device} ${metric}`,
    ),
    [
      '169.254.1.1/32 - net1 0',
      '10.5.5.6/32 - eth0 0',
      'default 10.88.0.1 eth0 0',
      '172.31.0.0/16 10.88.0.2 eth0 0',
      '172.30.0.0/16 169.254.1.1 net1 20',
      'default fd00:88::1 eth0 1024',
    ],
  );
  const special = routes.find((route) => route.dest === '172.30.0.0/16');
  assert.deepEqual(special, {
    ...{
      family: 'inet',
      dest: '172.30.0.0/16',
      gateway: '169.254.1.1',
      device: 'net1',
      source: '192.168.7.2',
    },
    ...{ scope: 0, flags: 4, mtu: 1400, metric: 20 },
  });
  assert.deepEqual(
    routes.filter((route) => route.dest === '').map((route) => route.family),
    ['inet', 'inet6'],
  );
  assert.match(notes.join('\n'), /blackhole[\s\S]*another family[\s\S]*2 gateways/);
});

test('neighbours: permanent ones, and known gateways', () => {
  assert.deepEqual(topology('several').neighbors, [
    { family: 'inet', address: '169.254.1.1', device: 'net1', mac: 'ee:ee:ee:ee:ee:ee', state: 128 },
    { family: 'inet', address: '10.88.0.1', device: 'eth0', mac: 'ee:ee:ee:ee:ee:01', state: 2 },
  ]);
});

test('our own taps are not interfaces of the guest', () => {
  assert.deepEqual(topology('several').taps, [{ name: 'bhtap3', inUse: false }]);
});

test('a /32 address and a gateway on the link, as with Calico', () => {
  const { links, routes, neighbors } = topology('calico');
  const eth0 = links.find((link) => link.name === 'eth0');
  assert.equal(eth0?.mtu, 1450);
  assert.deepEqual(eth0?.addresses[0], { family: 'inet', address: '10.244.120.66', prefix: 32 });
  assert.deepEqual(
    routes.map((route) => [route.dest, route.gateway, route.scope]),
    [
      ['169.254.1.1/32', '', 253],
      ['', '169.254.1.1', 0],
    ],
  );
  // The other reachable neighbour is not a gateway.
  assert.deepEqual(
    neighbors.map((neighbor) => [neighbor.address, neighbor.state]),
    [['169.254.1.1', 2]],
  );
});

test('IPv6 only, with a gateway of link scope', () => {
  const { links, routes } = topology('v6');
  assert.deepEqual(
    links.find((link) => link.name === 'eth0')?.addresses.map((a) => [a.family, a.prefix]),
    [
      ['inet6', 64],
      ['inet6', 64],
    ],
  );
  assert.deepEqual(
    routes.map((route) => [route.family, route.dest, route.gateway, route.mtu]),
    [
      ['inet6', '2001:db8:9::/48', '2001:db8:1::2', 1300],
      ['inet6', '', 'fe80::1', 0],
    ],
  );
});

test('nothing, less than nothing, and noise', () => {
  const empty = parseDump('[]\n[{}]\n[]\n');
  assert.deepEqual(readTopology(empty), { links: [], routes: [], neighbors: [], taps: [], notes: [] });
  assert.throws(() => parseDump('[]\n[]\n'), /expected 3 lists/);
  assert.throws(() => parseDump('Object "x" is unknown\n'), SyntaxError);
  const odd = readTopology({
    links: [{ ifname: 'x' }, {}],
    routes: [{ dst: '1.2.3.4' }],
    neighbors: [{ dst: 'x' }],
  });
  assert.deepEqual(odd.links, []);
  assert.deepEqual(odd.routes, []);
});
