// What a private containerd needs for CRI: the plugin's tables in each version's own form, and a CNI network.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pauseImageName } from '../../scripts/stand/image.ts';
import { bulkheadRuntime, runcRuntime } from '../../scripts/stand/runtime.ts';
import { atLeast } from './version.ts';

/** Debian's package containernetworking-plugins. */
const PLUGINS = '/usr/lib/cni';

/** Runtime handlers of the test configuration: ours, and runc beside it to compare with. */
export const handlers = { bulkhead: bulkheadRuntime, runc: runcRuntime } as const;
export type Handler = keyof typeof handlers;
/** With containerd 2: ours, asked through the sandbox API. */
export const sandboxApiHandler = 'bulkhead-sandbox';

/** Subnets of the pods' bridge; they exist only in the daemon's own network namespace. */
export const podSubnets = ['10.88.0.0/16', 'fd88::/64'] as const;

/** Where containerd finds the registries that it is to ask instead of all others; only from 2.x on. */
const mirrorDir = (dir: string): string => join(dir, 'certs.d');

/** Makes a registry at `host:port` that which every image is pulled from. */
export async function writeMirror(dir: string, address: string): Promise<void> {
  const all = join(mirrorDir(dir), '_default');
  await mkdir(all, { recursive: true });
  const host = `[host."http://${address}"]\ncapabilities = ["pull", "resolve"]\n`;
  await writeFile(join(all, 'hosts.toml'), `server = "http://${address}"\n${host}`);
}

/** TOML tables of the CRI plugin: format 2 for containerd 1.x, 3 for 2.x. */
export function criConfig(version: string, dir: string): string {
  return version.startsWith('1.') ? legacyTables(dir) : modernTables(dir, version);
}

function runtimeTables(prefix: string): string {
  return Object.entries(handlers)
    .map(
      ([name, type]) => `
[plugins.'${prefix}'.containerd.runtimes.${name}]
runtime_type = "${type}"
pod_annotations = ["io.bulkhead.*"]
container_annotations = ["io.bulkhead.*"]
privileged_without_host_devices = true
`,
    )
    .join('');
}

function legacyTables(dir: string): string {
  const prefix = 'io.containerd.grpc.v1.cri';
  return `
[plugins.'${prefix}']
sandbox_image = "${pauseImageName}"
restrict_oom_score_adj = true
disable_tcp_service = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
stats_collect_period = 1

[plugins.'${prefix}'.cni]
bin_dir = "${PLUGINS}"
conf_dir = "${join(dir, 'cni')}"

[plugins.'${prefix}'.containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
${runtimeTables(prefix)}`;
}

function modernTables(dir: string, version: string): string {
  const everySecond = atLeast(version, '2.3.0') ? '"1s"' : '1';
  // 2.4 knows only the list.
  const binDirs = atLeast(version, '2.3.0') ? `bin_dirs = ["${PLUGINS}"]` : `bin_dir = "${PLUGINS}"`;
  const prefix = 'io.containerd.cri.v1.runtime';
  return `
[plugins.'io.containerd.grpc.v1.cri']
disable_tcp_service = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"

[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "${mirrorDir(dir)}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "${pauseImageName}"

[plugins.'${prefix}']
restrict_oom_score_adj = true
stats_collect_period = ${everySecond}

[plugins.'${prefix}'.cni]
${binDirs}
conf_dir = "${join(dir, 'cni')}"

[plugins.'${prefix}'.containerd]
default_runtime_name = "runc"
${runtimeTables(prefix)}
[plugins.'${prefix}'.containerd.runtimes.${sandboxApiHandler}]
runtime_type = "${bulkheadRuntime}"
sandboxer = "shim"
`;
}

/**
 * Writes the CNI configuration that `criConfig` names: a bridge with IPv4 and IPv6, and portmap for host ports.
 * @param fromLoopback whether host ports can also be reached by 127.0.0.1
 */
export async function writeCniConfig(dir: string, fromLoopback = false): Promise<void> {
  const ranges = podSubnets.map((subnet) => [{ subnet }]);
  const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }];
  const ipam = { type: 'host-local', dataDir: join(dir, 'ipam'), ranges, routes };
  const bridge = { type: 'bridge', bridge: 'bhtest0', isGateway: true, ipMasq: false, mtu: 1400, ipam };
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: fromLoopback };
  const list = { cniVersion: '1.0.0', name: 'bhtest', plugins: [bridge, portmap] };
  await mkdir(join(dir, 'cni'), { recursive: true });
  await writeFile(join(dir, 'cni', '10-bhtest.conflist'), JSON.stringify(list));
}
