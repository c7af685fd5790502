// The network as containerd's users meet it: pods through the CRI with their port-forward, `ctr run --cni`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { runArgs } from '../../scripts/stand/containerd.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { usePodHost } from '../support/stands.ts';

const run = promisify(execFile);
const LIMIT = { timeout: 400_000 };

const { host } = await usePodHost();

/** Runs a program in the network namespace of the played host. */
async function onHost(...argv: string[]): Promise<string> {
  const target = [`--net=/proc/${host.daemon.pid}/ns/net`, '--', ...argv];
  const { stdout } = await run('nsenter', target, { timeout: 60_000 });
  return stdout;
}

/**
 * A client of the CRI's streaming server: its port-forward protocol over a WebSocket. The first byte of a message is the
 * channel, 0 for data and 1 for errors, and each channel's first message is the port. Prints what came, and errors last.
 */
const CLIENT = `
const socket = new WebSocket(process.argv[1].replace(/^http/, 'ws'), ['v4.channel.k8s.io']);
socket.binaryType = 'arraybuffer';
const text = ['', ''];
const seen = [0, 0];
const done = () => { console.log(JSON.stringify(text)); process.exit(0); };
setTimeout(done, 20000);
socket.onopen = () => socket.send(Buffer.concat([Buffer.from([0]), Buffer.from('GET / HTTP/1.0\\r\\n\\r\\n')]));
socket.onmessage = ({ data }) => {
  const [channel, ...rest] = new Uint8Array(data);
  if (seen[channel]++ > 0) text[channel] += Buffer.from(rest).toString();
};
socket.onclose = done;
socket.onerror = () => { text[1] += 'no connection'; done(); };`;

async function forward(podSandboxId: string, port: number): Promise<{ data: string; error: string }> {
  const { url } = await host.cri.call('PortForward', { podSandboxId, port: [port] });
  const [data, error] = JSON.parse(await onHost(process.execPath, '-e', CLIENT, url)) as [string, string];
  return { data, error };
}

test('pods reach each other and the host', LIMIT, async () => {
  const [one, two] = await Promise.all([host.pod(), host.pod()]);
  const [first, second] = [await one.run(), await two.run()];
  const address = (await two.status()).network?.ip ?? '';
  assert.match(address, /^\d+\./);
  const serve = 'mkdir -p /tmp/w; echo here >/tmp/w/index.html';
  await second.sh(`${serve}; httpd -p 8081 -h /tmp/w`);
  await first.sh(`ping -c 1 -W 5 ${address}`);
  const page = await first.sh(`echo 'GET / HTTP/1.0' | nc -w 5 ${address} 8081`);
  assert.match(page, /here\n$/);
  assert.match(await onHost('busybox', 'ping', '-c', '1', '-W', '5', address), / 0% packet loss/);
  await Promise.all([one.remove(), two.remove()]);
});

const helper = join(repoRoot, 'build/lib/bulkhead/bulkhead-loopback');
const skip = existsSync(helper) ? false : `NO PORT FORWARDING IN THIS BUILD: ${helper} is missing`;

test('port-forward reaches what listens on the loopback of the guest', { ...LIMIT, skip }, async () => {
  const pod = await host.pod();
  const container = await pod.run();
  await container.sh('mkdir -p /tmp/w; echo here >/tmp/w/index.html; httpd -p 127.0.0.1:8080 -h /tmp/w');
  const page = await forward(pod.id, 8080);
  assert.match(page.data, /200 OK[\s\S]*here\n$/, JSON.stringify(page));
  // Nobody listens: an answer in moments, without data.
  assert.equal((await forward(pod.id, 9)).data, '');
  await pod.remove();
});

test('a pod on the network of the host is refused with what to do', LIMIT, async () => {
  const linux = { securityContext: { namespaceOptions: { network: 'NODE' as const } } };
  await assert.rejects(
    host.pod({ linux }),
    /asks for the host's network; a VM cannot use it; run it with another/,
  );
});

test('ctr run --cni: the interface comes between Create and Start', LIMIT, async () => {
  const { daemon } = host;
  // ctr runs the plugins itself and looks for them in fixed places, here in a mount namespace of its own.
  const conf = join(daemon.dir, 'ctr-cni');
  mkdirSync(conf);
  const ipam = { type: 'host-local', dataDir: join(conf, 'ipam'), ranges: [[{ subnet: '10.66.0.0/24' }]] };
  const plugins = [{ type: 'bridge', bridge: 'br-ctr', isGateway: true, ipam }];
  writeFileSync(join(conf, '10.conflist'), JSON.stringify({ cniVersion: '1.0.0', name: 'ctr', plugins }));
  const script = `mount -t tmpfs tmpfs /opt && mkdir -p /opt/cni && ln -s /usr/lib/cni /opt/cni/bin &&
    mkdir ${conf}/up ${conf}/work && mkdir ${conf}/up/cni && ln -s ${conf} ${conf}/up/cni/net.d &&
    mount -t overlay -o lowerdir=/etc,upperdir=${conf}/up,workdir=${conf}/work overlay /etc && exec "$@"`;
  const command = ['sh', '-c', 'ip -o -4 addr show eth0 && ping -c 1 -W 5 10.66.0.1'];
  const args = daemon.ctrArgs([...runArgs('--rm', '--cni'), 'cni-one', ...command]);
  const ctr = join(daemon.binaries.binDir, 'ctr');
  const output = await onHost('unshare', '--mount', 'sh', '-c', script, 'sh', ctr, ...args);
  assert.match(output, /inet 10\.66\.0\.\d+\/24/);
  assert.match(output, / 0% packet loss/);
});
