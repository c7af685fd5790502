/**
 * /etc/hostname, /etc/hosts and /etc/resolv.conf of a pod's containers. containerd makes them when it runs a pause
 * container, but leaves them to the shim with the sandbox API. They are in the sandbox's bundle, which containerd removes.
 */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DNSConfig } from '../gen/pod-sandbox.ts';
import type { Spec } from '../oci/spec.ts';

/** Path in a container -> file on the host. */
export type PodFiles = ReadonlyMap<string, string>;

/** @param dns the pod's; if undefined, the pod gets the node's resolv.conf. */
export function makePodFiles(bundle: string, hostname: string, dns: DNSConfig | undefined): PodFiles {
  const dir = join(bundle, 'etc');
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const files = new Map(
    ['hostname', 'hosts', 'resolv.conf'].map((name) => [`/etc/${name}`, join(dir, name)]),
  );
  write(files.get('/etc/hostname')!, hostname === '' ? undefined : `${hostname}\n`, '/etc/hostname');
  write(files.get('/etc/hosts')!, undefined, '/etc/hosts');
  write(files.get('/etc/resolv.conf')!, resolvConf(dns), '/etc/resolv.conf');
  return files;
}

/** Writes the text, else a copy of the node's own file, else an empty file. */
function write(path: string, text: string | undefined, own: string): void {
  if (text === undefined && existsSync(own)) copyFileSync(own, path);
  else writeFileSync(path, text ?? '');
}

/** The text of a resolv.conf(5); undefined if the pod configures nothing. */
export function resolvConf(dns: DNSConfig | undefined): string | undefined {
  if (dns === undefined) return undefined;
  const { servers, searches, options } = dns;
  const lines = [
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ];
  return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
}

/** Adds binds of the pod's files where the spec has no mount of its own. */
export function withPodFiles(spec: Spec, files: PodFiles): Spec {
  const taken = new Set(spec.mounts?.map(({ destination }) => destination));
  const options = ['rbind', 'rprivate', ...(spec.root?.readonly === true ? ['ro'] : [])];
  const added = [...files]
    .filter(([destination]) => !taken.has(destination))
    .map(([destination, source]) => ({ destination, type: 'bind', source, options }));
  return { ...spec, mounts: [...(spec.mounts ?? []), ...added] };
}
