// Docker's networks with VMs: bridges, published ports, names of containers, networks that come and go.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { waitFor } from '../../scripts/stand/wait.ts';
import { Docker } from '../support/docker.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';

const started = await Docker.start().catch((error: Error) => error);
const skip = started instanceof Docker ? false : `NO DOCKER TO TEST WITH: ${started.message.slice(0, 600)}`;
const docker = started as Docker;
const OPTIONS = { skip, timeout: 300_000 };

before(async () => {
  if (skip !== false) return;
  await docker.must([
    'network',
    'create',
    '--subnet',
    '10.71.0.0/24',
    '--ipv6',
    '--subnet',
    'fd71::/64',
    'one',
  ]);
  await docker.must(['network', 'create', '--subnet', '10.72.0.0/24', 'two']);
});
let outside: ChildProcess | undefined;
after(async () => {
  outside?.kill();
  if (skip === false) await docker.stop();
});

const WEB = 'mkdir /w; echo here >/w/index.html; exec httpd -f -p 80 -h /w';
const get = (address: string, port = 80) =>
  `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 ${address} ${port} | tail -n 1`;

/** Starts a web server and waits until it answers. */
async function web(name: string, ...options: string[]): Promise<void> {
  await docker.detached(name, options, 'sh', '-c', WEB);
  await waitFor('web server', async () => (await docker.sh(name, get('127.0.0.1'))) === 'here', 20_000, 100);
}

/** What the client's name server answers by TCP to a query for the address of a name, in hexadecimal. */
async function askByTcp(name: string): Promise<string> {
  const labels = name.split('.').map((label) => [label.length, ...Buffer.from(label)]);
  const bytes = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels.flat(), 0, 0, 1, 0, 1];
  const text = [0, bytes.length, ...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  const nc = `(printf '${text}'; sleep 1) | nc 127.0.0.11 53`;
  return await docker.sh('client', `${nc} | od -An -v -tx1 | tr -d ' \\n'`);
}

/** A name server beyond Docker's: by UDP it says 192.0.2.17 to whatever is asked, by TCP 192.0.2.6. */
const NAME_SERVER = `
const answer = (query, last) => Buffer.concat([query.subarray(0, 2), Buffer.from('818000010001', 'hex'),
  Buffer.alloc(4), query.subarray(12, query.indexOf(0, 12) + 5),
  Buffer.from('c00c00010001000000050004c00002' + last, 'hex')]);
const udp = require('node:dgram').createSocket('udp4');
udp.on('message', (query, { port, address }) => udp.send(answer(query, '11'), port, address));
udp.bind(53, '10.71.0.1');
require('node:net').createServer((socket) => socket.on('data', (data) => {
  const whole = answer(data.subarray(2), '06');
  socket.write(Buffer.concat([Buffer.from([0, whole.length]), whole]));
}).on('error', () => undefined)).listen(53, '10.71.0.1');`;

test('a network of its own: names by UDP and TCP, other containers, published ports', OPTIONS, async (t) => {
  const held = belongings(docker.containerd);
  const links = await docker.onHost('ip', '-br', 'link');
  await web('server', '--network', 'one', '--network-alias', 'shop', '--publish', '8071:80');
  await docker.detached('client', ['--network', 'one', '--dns', '10.71.0.1']);
  const address = await docker.inspect<string>('server', '.NetworkSettings.Networks.one.IPAddress');

  await t.test('the other container, the host, the own address', async () => {
    assert.equal(await docker.sh('client', get(address)), 'here');
    await docker.sh('client', 'ping -c 1 -W 5 10.71.0.1 && ping6 -c 1 -W 5 fd71::1');
    const own = await docker.inspect<string>('client', '.NetworkSettings.Networks.one.IPAddress');
    assert.match(await docker.sh('client', 'ip -4 addr show eth0'), new RegExp(`inet ${own}/24`));
    await docker.onHost('busybox', 'ping', '-c', '1', '-W', '5', own);
  });

  await t.test('names of containers and aliases, both ways, many at once', async () => {
    assert.match(
      await docker.sh('client', 'grep nameserver /etc/resolv.conf'),
      /^nameserver 127\.0\.0\.11$/m,
    );
    for (const name of ['server', 'shop', 'server.one'])
      assert.match(await docker.sh('client', `nslookup ${name}`), new RegExp(`Address: ${address}\\n`));
    assert.match(await docker.sh('client', `nslookup ${address}`), /name = server\.one/);
    const octets = Buffer.from(address.split('.').map(Number)).toString('hex');
    assert.match(await askByTcp('server'), new RegExp(`^....12348[15]80.*${octets}$`));
    const many =
      'for i in $(seq 12); do nslookup -type=a server >/tmp/n$i & done; wait; cat /tmp/n* | grep -c "^Address: "';
    assert.equal(await docker.sh('client', many), '12');
  });

  await t.test('names that the servers outside know, by UDP and TCP', async () => {
    const argv = [`--net=/proc/${docker.containerd.pid}/ns/net`, process.execPath, '-e', NAME_SERVER];
    outside = spawn('nsenter', argv, { stdio: 'inherit' });
    const known = async () =>
      /Address: 192\.0\.2\.17/.test(await docker.sh('client', 'nslookup -type=a shop.example'));
    await waitFor('answer from outside', known, 20_000, 200);
    assert.match(await askByTcp('other.example'), /c0000206$/);
    await docker.sh('client', 'ping -c 1 -W 5 10.71.0.1');
  });

  await t.test('a published port', async () => {
    for (const host of ['127.0.0.1', '10.71.0.1'])
      assert.match(await docker.onHost('sh', '-c', get(host, 8071)), /here/);
  });

  await t.test('another network comes and goes', async () => {
    await docker.must(['network', 'connect', '--ip', '10.72.0.9', 'two', 'client']);
    const has = async () => (await docker.sh('client', 'ip -o -4 addr')).includes('10.72.0.9/24');
    await waitFor('address in the second network', has, 30_000, 200);
    await docker.sh('client', 'ping -c 1 -W 5 10.72.0.1');
    await docker.must(['network', 'disconnect', 'two', 'client']);
    await waitFor('loss of the second network', async () => !(await has()), 30_000, 200);
    assert.match(await docker.sh('client', 'nslookup server'), /Address: 10\.71\./);
  });

  await t.test('names after dockerd was killed and came back', async () => {
    await docker.kill();
    await docker.launch();
    const found = async () =>
      /Address: 10\.71\./.test(
        (await docker.run(['exec', 'client', 'nslookup', '-type=a', 'server'])).stdout,
      );
    await waitFor('name', found, 60_000, 100);
    for (const line of belongings(docker.containerd)) if (/dockerd|docker-proxy/.test(line)) held.add(line);
  });

  await docker.must(['rm', '--force', 'server', 'client']);
  await assertNothingNew(docker.containerd, held);
  const clean = async () =>
    (await docker.onHost('ip', '-br', 'link')).split('\n').length === links.split('\n').length;
  await waitFor('network as before', clean, 10_000, 200);
});

test('names after the start, when the default bridge was first', OPTIONS, async () => {
  await web('late-server', '--network', 'one');
  await docker.detached('late', []);
  assert.doesNotMatch(await docker.sh('late', 'cat /etc/resolv.conf'), /127\.0\.0\.11/);
  await docker.must(['network', 'connect', 'one', 'late']);
  const found = async () => (await docker.sh('late', 'nslookup late-server')).includes('Address: 10.71.0.');
  await waitFor('name', found, 30_000, 500);
  await docker.must(['rm', '--force', 'late', 'late-server']);
});

test('no network, that of the host, that of another container', OPTIONS, async () => {
  const links = ['sh', '-c', 'ip -o link | grep -c .; ping -c 1 -W 5 127.0.0.1 >/dev/null && echo up'];
  for (const network of ['none', 'host']) {
    const { stdout, stderr } = await docker.once(['--network', network], ...links);
    assert.equal(stdout, '1\nup\n', stderr);
  }
  await docker.detached('other', []);
  const refused = await docker.once(['--network', 'container:other'], 'true');
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /another VM|in use|one VM/);
  await docker.must(['rm', '--force', 'other']);
});
