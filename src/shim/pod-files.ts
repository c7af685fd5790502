/**
 * The files that containerd makes for a pod's containers when it runs the pause container itself, and leaves to the shim
 * with the sandbox API: host name, hosts, resolver. They lie in the sandbox's bundle, which containerd removes.
 */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DNSConfig } from '../gen/pod-sandbox.ts';
import type { Spec } from '../oci/spec.ts';

/** Path in a container -> the file of the host. */
export type PodFiles = ReadonlyMap<string, string>;

/** @param dns of the pod; without one it gets the node's resolver. */
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

/** The text, or else the node's own file, or else nothing. */
function write(path: string, text: string | undefined, own: string): void {
  if (text === undefined && existsSync(own)) copyFileSync(own, path);
  else writeFileSync(path, text ?? '');
}

/** In resolv.conf(5)'s form; undefined when the pod says nothing. */
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

/** Binds the pod's files where the spec has nothing of its own. */
export function withPodFiles(spec: Spec, files: PodFiles): Spec {
  const taken = new Set(spec.mounts?.map(({ destination }) => destination));
  const options = ['rbind', 'rprivate', ...(spec.root?.readonly === true ? ['ro'] : [])];
  const added = [...files]
    .filter(([destination]) => !taken.has(destination))
    .map(([destination, source]) => ({ destination, type: 'bind', source, options }));
  return { ...spec, mounts: [...(spec.mounts ?? []), ...added] };
}
