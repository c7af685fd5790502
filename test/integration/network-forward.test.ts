// Port forwarding: what containerd dials on localhost in the pod's namespace arrives on the guest's loopback.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { repoRoot, scratchDir } from '../../scripts/stand/paths.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { GuestConnections } from '../../src/network/guest-connections.ts';
import { Lan, type Netns } from '../support/network-lan.ts';
import { Machine } from '../support/network-machine.ts';
import { used } from '../support/stands.ts';

const lan = await used(Lan.create(), (it) => it.close());
const { stdout } = await promisify(execFile)(join(repoRoot, 'native/build.sh'), { timeout: 300_000 });
const helper = join(stdout.trim().split('\n').at(-1) ?? '', 'bulkhead-loopback');

const LIMIT = { timeout: 400_000 };

/** Connects, sends a file or nothing, ends its side, prints what comes. Arguments: host, port, file. */
const CLIENT = `
const [host, port, file] = process.argv.slice(1);
const socket = require('node:net').connect({ host, port: Number(port), allowHalfOpen: true });
socket.on('error', (error) => { console.error(error.code); process.exit(3); });
if (file) require('node:fs').createReadStream(file).pipe(socket); else socket.end('GET / HTTP/1.0\\r\\n\\r\\n');
socket.pipe(process.stdout);`;

function dial(pod: Netns, host: string, port: number, file = ''): Promise<Buffer> {
  return pod.bytes(process.execPath, '-e', CLIENT, host, String(port), file);
}

test('servers on the loopback of the guest, both families, large data, refusals', LIMIT, async (t) => {
  const pod = await lan.pod();
  const eth0 = await lan.add(pod.path, lan.bridge('br-fwd', ['10.95.0.0/24']));
  const before = await pod.sh('ip -br link; tc qdisc show; ss -ltn');
  {
    await using machine = await Machine.boot({ network: { type: 'network', path: pod.path }, pod: true });
    const probe = await new GuestConnections(machine.agent, 30_000)
      .dial(1, false)
      .catch((e: Error) => e.message);
    if (!String(probe).includes('connect to port 1')) {
      t.skip(`THE GUEST AGENT HAS NO PORT FORWARDING (${String(probe)}): rebuild it with 'make guest'`);
      return;
    }
    const begin = performance.now();
    await machine.network.forwardPorts(machine.agent, 30_000, helper);
    t.diagnostic(`listening after ${Math.round(performance.now() - begin)} ms`);
    assert.deepEqual(machine.logs, []);

    await machine.sh(
      `mkdir -p /tmp/w; echo four >/tmp/w/index.html; httpd -p 127.0.0.1:8080 -h /tmp/w
       mkdir -p /tmp/x; echo six >/tmp/x/index.html; httpd -p '[::1]:8081' -h /tmp/x
       mkdir -p /tmp/y; echo all >/tmp/y/index.html; httpd -p 8082 -h /tmp/y`,
    );
    assert.match(String(await dial(pod, '127.0.0.1', 8080)), /four\n$/);
    assert.match(String(await dial(pod, '::1', 8081)), /six\n$/);
    assert.match(String(await dial(pod, '127.0.0.1', 8082)), /all\n$/);
    assert.match(String(await dial(pod, '::1', 8082)), /all\n$/);
    // The manager tries 127.0.0.1 first, and gets a connection there whatever the server's family.
    const first = performance.now();
    assert.match(String(await dial(pod, '127.0.0.1', 8081)), /six\n$/);
    t.diagnostic(`a request, with the start of its client: ${Math.round(performance.now() - first)} ms`);
    await assert.rejects(dial(pod, '127.0.0.1', 9), /ECONNRESET/);

    // Two megabytes to an echo and back, while the same again goes on beside it.
    await machine.sh('for p in 8090 8091; do nc -ll -p $p -e cat </dev/null >/dev/null 2>&1 & done');
    const isUp = 'netstat -ltn | grep -q :8090 && netstat -ltn | grep -q :8091';
    await machine.sh(`for i in $(seq 30); do ${isUp} && exit 0; sleep 0.1; done; netstat -ltn; exit 1`);
    const data = randomBytes(2 << 20);
    const dir = await scratchDir('fwd');
    t.after(() => rmSync(dir, { recursive: true }));
    const file = join(dir, 'data');
    writeFileSync(file, data);
    const start = performance.now();
    const [one, two] = await Promise.all([
      dial(pod, '127.0.0.1', 8090, file),
      dial(pod, '127.0.0.1', 8091, file),
    ]);
    t.diagnostic(`2 x 2 MiB there and back: ${Math.round(performance.now() - start)} ms`);
    const digest = (buffer: Buffer) => createHash('sha256').update(buffer).digest('hex');
    assert.equal(digest(one), digest(data));
    assert.equal(digest(two), digest(data));
    // Nothing but the pod's loopback is redirected: the host's way to the pod is as before.
    assert.match(
      String(await lan.host.bytes(process.execPath, '-e', CLIENT, eth0.ipv4 ?? '', '8082', '')),
      /all\n$/,
    );
  }
  await waitFor(
    'listeners gone',
    async () => (await pod.sh('ip -br link; tc qdisc show; ss -ltn')) === before,
  );
  await assert.rejects(dial(pod, '127.0.0.1', 8080), /ECONNREFUSED/);
  await lan.remove(pod.path, eth0);
});

test('without the helper the pod works, and the log says what is missing', LIMIT, async () => {
  const pod = await lan.pod();
  await using machine = await Machine.boot({ network: { type: 'network', path: pod.path }, pod: true });
  await machine.network.forwardPorts(machine.agent, 30_000, '/no/such/helper');
  assert.match(machine.logs.join('\n'), /^warn no port forwarding .*\/no\/such\/helper/);
});
