// The configuration file of a private containerd, in the format of its version.

export interface ConfigInput {
  /** containerd's version, such as 1.7.24. */
  readonly version: string;
  readonly root: string;
  readonly state: string;
  readonly address: string;
  /** TOML for the CRI plugin's tables; without it CRI is off, which makes start-up faster. */
  readonly cri?: string;
  /** TOML for other plugins' tables. */
  readonly plugins?: string;
}

/** Format version 2 for containerd 1.x, 3 for 2.x. Unused plugins are off. */
export function containerdConfig(input: ConfigInput): string {
  const modern = !input.version.startsWith('1.');
  const cri = modern
    ? ['io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri']
    : ['io.containerd.grpc.v1.cri'];
  const snapshotters = ['aufs', 'btrfs', 'devmapper', 'zfs'].map(
    (name) => `io.containerd.snapshotter.v1.${name}`,
  );
  const others = ['io.containerd.internal.v1.tracing', 'io.containerd.tracing.processor.v1.otlp'];
  const disabled = [...snapshotters, ...others, ...(input.cri === undefined ? cri : [])];
  return `version = ${modern ? 3 : 2}
root = ${JSON.stringify(input.root)}
state = ${JSON.stringify(input.state)}
disabled_plugins = ${JSON.stringify(disabled)}

[grpc]
address = ${JSON.stringify(input.address)}
max_recv_message_size = 41943040
max_send_message_size = 41943040

[ttrpc]
address = ${JSON.stringify(`${input.address}.ttrpc`)}

[debug]
level = "debug"
address = ${JSON.stringify(`${input.address}.debug`)}
${input.cri ?? ''}${input.plugins ?? ''}`;
}
