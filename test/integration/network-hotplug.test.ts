// Interfaces that come after the VM has booted, as `ctr run --cni`, nerdctl, Docker and old CRI-O do it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { removeTaps } from '../../src/network/taps.ts';
import { Lan } from '../support/network-lan.ts';
import { Machine } from '../support/network-machine.ts';
import { used } from '../support/stands.ts';

const lan = await used(Lan.create(), (it) => it.close());

const LIMIT = { timeout: 300_000 };

test('a VMM with a namespace of its own: connected before Start, and again later', LIMIT, async (t) => {
  const first = lan.bridge('br-one', ['10.101.0.0/24', 'fd00:101::/64']);
  const second = lan.bridge('br-two', ['10.102.0.0/24']);
  await using machine = await Machine.boot({ network: { type: 'network' } });
  const path = `/proc/${machine.vm.pid}/ns/net`;
  assert.match(await machine.sh('ip -o link'), /^1: lo:[^\n]*\n$/);
  const eth0 = await lan.add(path, first);
  const begin = performance.now();
  await machine.network.settle(machine.guest);
  t.diagnostic(`settle with one new interface: ${Math.round(performance.now() - begin)} ms`);
  assert.ok((await machine.sh('ip addr show eth0')).includes(`inet ${eth0.ipv4}/24`));
  await machine.sh('ping -c 1 -W 5 10.101.0.1 && ping6 -c 1 -W 5 fd00:101::1');
  // Nobody tells of this one.
  const added = performance.now();
  const eth1 = await lan.add(path, second, 'eth1');
  const known = () => machine.logs.some((line) => line.includes('eth0 eth1'));
  await waitFor('second interface', known, 30_000, 10);
  t.diagnostic(`noticed and set up: ${Math.round(performance.now() - added)} ms after the CNI ADD began`);
  await machine.sh('ping -c 1 -W 5 10.102.0.1');
  assert.ok((await machine.sh('ip addr show eth1')).includes(`inet ${eth1.ipv4}/24`));
  // Addresses and routes come and go on an interface that stays; what a container has made itself stays, too.
  const inside = (...words: string[]) => mustRun('nsenter', [`--net=${path}`, '--', 'ip', ...words]);
  await machine.sh('ip route add 198.51.100.0/24 dev eth0', 'CAP_NET_ADMIN');
  await inside('addr', 'add', '10.102.0.77/24', 'dev', 'eth1');
  await inside('route', 'add', '203.0.113.0/24', 'via', '10.102.0.1', 'dev', 'eth1');
  const shows = (command: string, text: string, there = true) =>
    waitFor(text, async () => (await machine.sh(command)).includes(text) === there, 30_000, 200);
  await shows('ip addr show eth1', '10.102.0.77');
  await shows('ip route', '203.0.113.0/24 via 10.102.0.1 dev eth1');
  await inside('route', 'del', '203.0.113.0/24');
  await shows('ip route', '203.0.113.0/24', false);
  await inside('addr', 'del', '10.102.0.77/24', 'dev', 'eth1');
  await shows('ip addr show eth1', '10.102.0.77', false);
  await shows('ip route', '198.51.100.0/24 dev eth0');
  await machine.sh('ping -c 1 -W 5 10.102.0.1 && ping -c 1 -W 5 10.101.0.1');
  // And away again, as `docker network disconnect` does.
  await lan.remove(path, eth1);
  await waitFor(
    'loss of the interface',
    async () => !(await machine.sh('ip -o link')).includes('eth1'),
    30_000,
    200,
  );
  await machine.sh('ping -c 1 -W 5 10.101.0.1');
  await lan.remove(path, eth0);
});

test('a namespace that is filled between Create and Start, as old CRI-O does', LIMIT, async () => {
  const pod = await lan.pod();
  const before = await pod.sh('ip -br link; tc qdisc show');
  const records = [];
  {
    await using machine = await Machine.boot({ network: { type: 'network', path: pod.path }, pod: true });
    const eth0 = await lan.add(pod.path, lan.bridge('br-late', ['10.103.0.0/24']));
    await machine.network.settle(machine.guest);
    await machine.sh('ping -c 1 -W 5 10.103.0.1');
    records.push(...machine.records);
    await lan.remove(pod.path, eth0);
  }
  assert.equal(await pod.sh('ip -br link; tc qdisc show'), before);
  assert.equal(records.length, 1);
  for (const record of [...records, ...records]) await removeTaps(record);
});

test('no network namespace: a container has its loopback only, a pod is refused', LIMIT, async () => {
  await assert.rejects(
    Machine.boot({ network: undefined, pod: true }),
    /the pod asks for the host's network/,
  );
  await assert.rejects(
    Machine.boot({ network: { type: 'network', path: '/proc/self/ns/net' }, pod: true }),
    /asks for the host's network/,
  );
  await using machine = await Machine.boot({ network: undefined });
  await machine.network.settle(machine.guest);
  assert.match(machine.logs.join('\n'), /^warn no network .*loopback/);
  await machine.sh('ping -c 1 -W 5 127.0.0.1 && ! ping -c 1 -W 1 192.0.2.2');
});
