// A network for the tests, in namespaces that they make themselves: one plays the host, with the real CNI plugins
// in it; others are pods. Nothing of the machine's own network is used or changed.
import { execFile, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { scratchDir } from '../../scripts/stand/paths.ts';

const run = promisify(execFile);
const PLUGINS = '/usr/lib/cni';

/** A network configuration list of CNI, as far as it is run here. */
export interface CniNetwork {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly Record<string, unknown>[];
}

export interface Netns {
  readonly name: string;
  readonly path: string;
  /** Runs a program in it; gives its output. Rejects on an error. */
  run(...argv: string[]): Promise<string>;
  sh(script: string): Promise<string>;
  bytes(...argv: string[]): Promise<Buffer>;
}

let count = 0;

async function addNetns(label: string): Promise<Netns> {
  const name = `bhnet-${process.pid}-${count++}-${label}`;
  await run('ip', ['netns', 'add', name]);
  const path = `/run/netns/${name}`;
  const inside = async (...argv: string[]) =>
    (await run('nsenter', [`--net=${path}`, '--', ...argv], { timeout: 20_000 })).stdout;
  const bytes = async (...argv: string[]) => {
    const options = { timeout: 60_000, encoding: 'buffer', maxBuffer: 64 << 20 } as const;
    return (await run('nsenter', [`--net=${path}`, '--', ...argv], options)).stdout;
  };
  return { name, path, run: inside, sh: (script) => inside('sh', '-c', script), bytes };
}

/** What the plugins of one interface answered. */
export interface CniResult {
  readonly ips?: readonly { readonly address: string; readonly gateway?: string }[];
  readonly interfaces?: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly sandbox?: string;
  }[];
}

export interface Attachment {
  readonly ifname: string;
  readonly network: CniNetwork;
  readonly result: CniResult;
  /** Addresses without prefix length, by family. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

export class Lan {
  readonly host: Netns;
  readonly #dir: string;
  readonly #namespaces: Netns[];

  private constructor(host: Netns, dir: string) {
    this.host = host;
    this.#dir = dir;
    this.#namespaces = [host];
  }

  static async create(): Promise<Lan> {
    if (!existsSync(join(PLUGINS, 'bridge'))) {
      throw new Error(`no CNI plugins in ${PLUGINS}: apt-get install containernetworking-plugins`);
    }
    const host = await addNetns('host');
    const lan = new Lan(host, await scratchDir('lan'));
    await host.run('ip', 'link', 'set', 'lo', 'up');
    return lan;
  }

  /** A namespace as containerd makes it for a pod: with its loopback up. */
  async pod(): Promise<Netns> {
    const pod = await addNetns('pod');
    this.#namespaces.push(pod);
    await pod.run('ip', 'link', 'set', 'lo', 'up');
    return pod;
  }

  /** A namespace connected to the host by a cable: somebody outside. */
  async outside(hostAddress: string, address: string): Promise<Netns> {
    const peer = await addNetns('out');
    this.#namespaces.push(peer);
    const name = `out${count++}`;
    await this.host.sh(
      `ip link add ${name} type veth peer name eth0 netns ${peer.name} &&
       ip addr add ${hostAddress} dev ${name} && ip link set ${name} up`,
    );
    const gateway = hostAddress.split('/')[0];
    await peer.sh(
      `ip link set lo up && ip addr add ${address} dev eth0 && ip link set eth0 up && ip route add default via ${gateway}`,
    );
    return peer;
  }

  /** A bridge with addresses of one or two subnets. */
  bridge(name: string, subnets: readonly string[], extra: Record<string, unknown> = {}): CniNetwork {
    const routes = subnets.map((subnet) => ({ dst: subnet.includes(':') ? '::/0' : '0.0.0.0/0' }));
    const ranges = subnets.map((subnet) => [{ subnet }]);
    const ipam = { type: 'host-local', dataDir: join(this.#dir, 'ipam'), ranges, routes };
    return {
      name,
      cniVersion: '1.0.0',
      plugins: [{ type: 'bridge', bridge: name, isGateway: true, ipMasq: false, ipam, ...extra }],
    };
  }

  async add(
    target: string,
    network: CniNetwork,
    ifname = 'eth0',
    runtimeConfig: Record<string, unknown> = {},
  ): Promise<Attachment> {
    let prevResult: CniResult | undefined;
    for (const plugin of network.plugins) {
      const conf = { ...plugin, ...pick(plugin, runtimeConfig), ...(prevResult && { prevResult }) };
      prevResult = JSON.parse(await this.#call('ADD', target, ifname, network, conf)) as CniResult;
    }
    const addresses = (prevResult?.ips ?? []).map((ip) => ip.address.split('/')[0]);
    return {
      ...{ ifname, network, result: prevResult ?? {} },
      ipv4: addresses.find((address) => address?.includes('.')),
      ipv6: addresses.find((address) => address?.includes(':')),
    };
  }

  async remove(target: string, { network, ifname, result }: Attachment): Promise<void> {
    for (const plugin of [...network.plugins].reverse()) {
      await this.#call('DEL', target, ifname, network, { ...plugin, prevResult: result });
    }
  }

  #call(
    command: string,
    target: string,
    ifname: string,
    network: CniNetwork,
    conf: Record<string, unknown>,
  ): Promise<string> {
    const { name, cniVersion } = network;
    const env = {
      ...{
        PATH: process.env.PATH ?? '',
        CNI_COMMAND: command,
        CNI_CONTAINERID: target.replaceAll('/', '-').slice(1),
      },
      ...{ CNI_NETNS: target, CNI_IFNAME: ifname, CNI_PATH: PLUGINS },
    };
    const file = join(PLUGINS, String(conf.type));
    const child = spawn('nsenter', [`--net=${this.host.path}`, '--', file], { env, timeout: 20_000 });
    return new Promise((resolve, reject) => {
      let out = '';
      child.stdout.on('data', (data: Buffer) => {
        out += data.toString();
      });
      child.stderr.on('data', (data: Buffer) => {
        out += data.toString();
      });
      child.once('error', reject);
      child.once('close', (code) => {
        if (code === 0) resolve(out);
        else reject(new Error(`CNI ${command} of ${String(conf.type)}: ${out}`));
      });
      child.stdin.end(JSON.stringify({ ...conf, name, cniVersion }));
    });
  }

  async close(): Promise<void> {
    for (const { name } of this.#namespaces.reverse()) await run('ip', ['netns', 'del', name]);
    rmSync(this.#dir, { recursive: true });
  }
}

/** The runtime's values for the capabilities that a plugin names. */
function pick(plugin: Record<string, unknown>, values: Record<string, unknown>): Record<string, unknown> {
  const capabilities = Object.keys(Object(plugin.capabilities));
  const runtimeConfig = Object.fromEntries(
    Object.entries(values).filter(([name]) => capabilities.includes(name)),
  );
  return Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig };
}
