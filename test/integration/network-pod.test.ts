// A pod's network from end to end: real CNI plugins on a played host, a real VM, traffic in every direction.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Lan, type Netns } from '../support/network-lan.ts';
import { Machine } from '../support/network-machine.ts';
import { used } from '../support/stands.ts';

const lan = await used(Lan.create(), (it) => it.close());

const LIMIT = { timeout: 300_000 };
const LOOK = 'ip -br link; tc qdisc show; ip route; ip -6 route';

const FETCH = 'fetch(process.argv[1]).then((r) => r.bytes()).then((b) => process.stdout.write(b))';

/** What a URL gives, asked from inside a namespace. */
function fetchIn(namespace: Netns, url: string): Promise<Buffer> {
  return namespace.bytes(process.execPath, '-e', FETCH, url);
}

/** Bytes that an interface of a namespace has counted. */
async function counters(run: (...argv: string[]) => Promise<string>): Promise<{ rx: number; tx: number }> {
  const json = await run('ip', '-j', '-s', 'link', 'show', 'eth0');
  const [link] = JSON.parse(json) as [{ stats64: { rx: { bytes: number }; tx: { bytes: number } } }];
  return { rx: link.stats64.rx.bytes, tx: link.stats64.tx.bytes };
}

test('a pod on a bridge: both families, every direction, MTU, routes, counters', LIMIT, async (t) => {
  const bridge = lan.bridge('br-pod', ['10.88.0.0/16', 'fd00:88::/64'], { mtu: 1400 });
  const pod = await lan.pod();
  const eth0 = await lan.add(pod.path, bridge);
  const neighbour = await lan.pod();
  const other = await lan.add(neighbour.path, bridge);
  const before = await pod.sh(LOOK);
  {
    await using machine = await Machine.boot({ network: { type: 'network', path: pod.path }, pod: true });
    t.diagnostic(`ms: ${JSON.stringify(machine.took)}`);
    const seen = await machine.sh('ip addr show eth0; ip route; ip -6 route');
    assert.match(seen, /mtu 1400/);
    assert.ok(seen.includes(`inet ${eth0.ipv4}/16`));
    assert.ok(seen.includes(`inet6 ${eth0.ipv6}/64`));
    assert.match(seen, /default via 10\.88\.0\.1 dev eth0/);
    assert.match(seen, /default via fd00:88::1 dev eth0/);
    // Pod to host, pod to pod.
    await machine.sh(`ping -c 2 -W 5 10.88.0.1 && ping -c 2 -W 5 ${other.ipv4}`);
    await machine.sh(`ping6 -c 2 -W 5 fd00:88::1 && ping6 -c 2 -W 5 ${other.ipv6}`);
    // Host to pod with packets of the full size, pod to pod the other way round.
    const start = await counters(pod.run);
    await lan.host.run('busybox', 'ping', '-c', '4', '-W', '5', '-s', '1372', eth0.ipv4 ?? '');
    const end = await counters(pod.run);
    // 4 * (1372 + 8 + 20 + 14) bytes each way.
    assert.ok(end.rx - start.rx >= 5656 && end.rx - start.rx < 9000, JSON.stringify({ start, end }));
    assert.ok(end.tx - start.tx >= 5656 && end.tx - start.tx < 9000, JSON.stringify({ start, end }));
    await neighbour.run('busybox', 'ping6', '-c', '2', '-W', '5', eth0.ipv6 ?? '');
    assert.deepEqual(machine.logs, []);
    assert.deepEqual(
      machine.records.map(({ taps }) => taps.length),
      [1],
    );
    // Nobody else can take the namespace while the VM runs.
    await assert.rejects(
      Machine.boot({ network: { type: 'network', path: pod.path } }),
      /belongs to another VM \(which holds bhtap\d+\); two VMs cannot share one/,
    );
    await machine.sh('ping -c 1 -W 5 10.88.0.1');
  }
  assert.equal(await pod.sh(LOOK), before);
  await lan.remove(pod.path, eth0);
  await lan.remove(neighbour.path, other);
});

test('several interfaces: a bridge, a macvlan with IPv6 only, a gateway beyond the link', LIMIT, async () => {
  const pod = await lan.pod();
  await lan.host.sh('ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up');
  await lan.host.sh('ip addr add fd00:77::1/64 dev up1 nodad');
  const eth0 = await lan.add(pod.path, lan.bridge('br-a', ['10.90.0.0/24']));
  const macvlan = {
    ...{ name: 'mv', cniVersion: '1.0.0' },
    plugins: [
      {
        ...{ type: 'macvlan', master: 'up0', mode: 'bridge', mtu: 1280 },
        ipam: { type: 'static', addresses: [{ address: 'fd00:77::5/64' }] },
      },
    ],
  };
  const net1 = await lan.add(pod.path, macvlan, 'net1');
  // Like Calico: an address without a network, the gateway a permanent neighbour on the link.
  await lan.host.sh('ip link add cali0 type veth peer name net2 && ip link set cali0 up');
  await lan.host.sh(`ip link set net2 netns ${pod.name}`);
  const gatewayMac = JSON.parse(await lan.host.run('ip', '-j', 'link', 'show', 'cali0'))[0].address as string;
  await lan.host.sh('ip addr add 169.254.1.1/32 dev cali0 && ip route add 10.91.0.7/32 dev cali0');
  await lan.host.sh('ip link add dmy type bridge && ip addr add 10.92.0.1/32 dev dmy && ip link set dmy up');
  await pod.sh(
    `ip link set net2 up && ip addr add 10.91.0.7/32 dev net2 && ip route add 169.254.1.1 dev net2 scope link &&
     ip route add 10.92.0.0/24 via 169.254.1.1 dev net2 src 10.91.0.7 mtu 1300 &&
     ip neigh replace 169.254.1.1 dev net2 lladdr ${gatewayMac} nud permanent`,
  );
  {
    await using machine = await Machine.boot({ network: { type: 'network', path: pod.path }, pod: true });
    const seen = await machine.sh('ip addr; ip route; ip -6 route; ip neigh');
    assert.ok(seen.includes(`inet ${eth0.ipv4}/24`), seen);
    assert.match(seen, /net1: .* mtu 1280/);
    assert.match(seen, /inet6 fd00:77::5\/64/);
    assert.match(seen, /169\.254\.1\.1 dev net2 scope link/);
    assert.match(seen, /10\.92\.0\.0\/24 via 169\.254\.1\.1 dev net2\s+src 10\.91\.0\.7/);
    assert.match(seen, /169\.254\.1\.1 dev net2 lladdr \S+ .*PERMANENT/);
    await machine.sh('ping -c 1 -W 5 10.90.0.1 && ping6 -c 1 -W 5 fd00:77::1 && ping -c 1 -W 5 10.92.0.1');
  }
  await lan.remove(pod.path, net1);
  await lan.remove(pod.path, eth0);
});

test('host ports through portmap lead to the guest', LIMIT, async () => {
  const bridge = lan.bridge('br-map', ['10.93.0.0/24']);
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true };
  const network = { ...bridge, plugins: [...bridge.plugins, portmap] };
  const pod = await lan.pod();
  const outside = await lan.outside('192.0.2.1/24', '192.0.2.9/24');
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
  const eth0 = await lan.add(pod.path, network, 'eth0', { portMappings });
  {
    await using machine = await Machine.boot({ network: { type: 'network', path: pod.path }, pod: true });
    await machine.sh('mkdir -p /tmp/w && echo hello >/tmp/w/index.html && httpd -p 80 -h /tmp/w');
    assert.equal(String(await fetchIn(outside, 'http://192.0.2.1:8080/')), 'hello\n');
    assert.equal(String(await fetchIn(lan.host, `http://${eth0.ipv4}/`)), 'hello\n');
    // A transfer that needs many full packets, checked to the last byte.
    await machine.sh('head -c 8000000 /dev/urandom >/tmp/w/big');
    const wanted = (await machine.sh('md5sum </tmp/w/big')).split(' ')[0] ?? '?';
    const got = await fetchIn(outside, 'http://192.0.2.1:8080/big');
    assert.equal(createHash('md5').update(got).digest('hex'), wanted);
  }
  await lan.remove(pod.path, eth0);
});
