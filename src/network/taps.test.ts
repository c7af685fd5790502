import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { discover } from './discover.ts';
import { type Namespace, openNamespace } from './namespace.ts';
import { makeTaps, redirectBatch, redirectFrames, removeTaps, tapBatch, tapRecords } from './taps.ts';
import { type Link, tapOf } from './topology.ts';

const link: Link = {
  ...{ name: 'eth0', index: 3, mac: '02:00:00:00:00:01', mtu: 1500, kind: 'veth' },
  ...{ noArp: false, ipv6: true, addresses: [] },
};

test('the batches', () => {
  assert.equal(
    tapBatch([link], 100),
    'tuntap add dev bhtap3 mode tap vnet_hdr user 100 group 100\n' +
      'link set dev bhtap3 mtu 1500 addrgenmode none up\n',
  );
  assert.match(tapBatch([{ ...link, mtu: 65535, ipv6: false }], 0), /mtu 65521 up\n$/);
  const commands = redirectBatch(tapRecords([link]))
    .trimEnd()
    .split('\n');
  assert.equal(commands.length, 4);
  assert.match(commands[1] ?? '', /^filter add dev eth0 .* redirect dev bhtap3$/);
  assert.match(commands[3] ?? '', /^filter add dev bhtap3 .* redirect dev eth0$/);
  assert.ok(tapOf({ index: 2 ** 31 - 1 }).length <= 15);
});

/** A process in its own network namespace, with a veth pair of which one end is `eth0`. */
async function namespace(t: TestContext): Promise<Namespace> {
  const script = [
    'set -e',
    'ip link add eth0 type veth peer name other',
    'ip link set other up',
    'ip link set eth0 mtu 1420 up',
    'ip addr add 10.9.8.7/24 dev eth0',
    'echo ready',
    'exec sleep 60',
  ].join('\n');
  const child: ChildProcess = spawn('unshare', ['--net', '--', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
  return openNamespace(`/proc/${child.pid}/ns/net`);
}

function inside(ns: Namespace, ...argv: string[]): string {
  return execFileSync('nsenter', [`--net=${ns.path}`, '--', ...argv], { encoding: 'utf8' });
}

test('taps are created, found, recreated over leftovers, and leave nothing', async (t) => {
  const ns = await namespace(t);
  const before = inside(ns, 'sh', '-c', 'ip -br link; tc qdisc show; tc filter show dev eth0 ingress');
  const { links: all, taps } = await discover(ns);
  const links = all.filter(({ name }) => name === 'eth0');
  assert.equal(links.length, 1);
  const record = { ...ns, taps: tapRecords(links) };
  await makeTaps(ns, links, taps, { owner: 0 });
  await redirectFrames(ns, links);
  const [tap] = record.taps;
  assert.match(inside(ns, 'ip', 'link', 'show', tap?.tap ?? ''), /mtu 1420/);
  assert.match(inside(ns, 'tc', 'filter', 'show', 'dev', 'eth0', 'ingress'), /Redirect to device bhtap/);

  const again = await discover(ns);
  assert.deepEqual(again.taps, [{ name: tap?.tap, inUse: false }]);
  assert.deepEqual(again.links.map(({ name }) => name).sort(), ['eth0', 'other']);
  await makeTaps(ns, links, again.taps, { owner: 0 });
  await redirectFrames(ns, links);
  assert.equal(inside(ns, 'tc', 'filter', 'show', 'dev', 'eth0', 'ingress').match(/Redirect/g)?.length, 1);

  await removeTaps(record);
  await removeTaps(record);
  const after = inside(ns, 'sh', '-c', 'ip -br link; tc qdisc show; tc filter show dev eth0 ingress');
  assert.equal(after, before);
});

test("other programs' filters keep their place, and stay", async (t) => {
  const ns = await namespace(t);
  inside(ns, 'tc', 'qdisc', 'add', 'dev', 'eth0', 'ingress');
  const mirror = 'u32 match ip src 10.0.0.1/32 action mirred egress mirror dev other'.split(' ');
  inside(
    ns,
    'tc',
    'filter',
    'add',
    'dev',
    'eth0',
    'parent',
    'ffff:',
    'protocol',
    'ip',
    'pref',
    '7',
    ...mirror,
  );
  const links = (await discover(ns)).links.filter(({ name }) => name === 'eth0');
  await makeTaps(ns, links, [], { owner: 0 });
  await redirectFrames(ns, links);
  const filters = inside(ns, 'tc', 'filter', 'show', 'dev', 'eth0', 'ingress');
  assert.ok(filters.indexOf('Mirror') < filters.indexOf('Redirect'));
  await removeTaps({ ...ns, taps: tapRecords(links) });
  const left = inside(ns, 'tc', 'filter', 'show', 'dev', 'eth0', 'ingress');
  assert.match(left, /Mirror/);
  assert.doesNotMatch(left, /Redirect/);
});

test('a failure leaves nothing, and a tap in use is not taken', async (t) => {
  const ns = await namespace(t);
  const { links } = await discover(ns);
  const [first] = links;
  assert.ok(first);
  const missing = [{ ...first, name: 'nothere' }];
  await makeTaps(ns, missing, [], { owner: 0 });
  await assert.rejects(redirectFrames(ns, missing), /cannot connect nothere to the VM in .*nothere/);
  assert.deepEqual((await discover(ns)).taps, []);
  const held = [{ name: tapOf(first), inUse: true }];
  await assert.rejects(makeTaps(ns, [first], held, { owner: 0 }), /belongs to another VM/);
  // Nor one that appeared after the scan.
  await makeTaps(ns, [first], [], { owner: 0 });
  await assert.rejects(makeTaps(ns, [first], [], { owner: 0 }), /busy/);
  assert.deepEqual((await discover(ns)).taps, [{ name: tapOf(first), inUse: false }]);
});

test("the host's own namespace is never entered, nor one that has been replaced", async () => {
  for (const path of ['/proc/self/ns/net', '/proc/1/ns/net']) {
    assert.throws(() => openNamespace(path), /host's own network namespace|does not exist/);
  }
  assert.throws(() => openNamespace('/no/such/netns'), /does not exist/);
  assert.throws(() => openNamespace('/etc/passwd'), /is not a network namespace/);
  await assert.rejects(discover({ path: '/proc/self/ns/net', identity: '' }), /host's own/);
  const record = { path: '/proc/self/ns/net', identity: '1:2', taps: [{ interface: 'eth0', tap: 'bhtap3' }] };
  await removeTaps(record);
});
