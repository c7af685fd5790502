/** Decides from the spec's network namespace where the VMM runs and what the guest sees. Pure. */
import type { NetnsKind } from '../host/netns.ts';

/** What to do, with reasons for the operator. */
export type NetworkMode =
  /** The VMM enters this namespace, whose interfaces the guest gets. */
  | { readonly t: 'join'; readonly path: string; readonly reasons: readonly string[] }
  /** The VMM gets a new namespace, into which the container manager may put interfaces later. */
  | { readonly t: 'new'; readonly reasons: readonly string[] }
  /** The VMM gets an empty namespace, the guest only its loopback: the container asked for the host's. */
  | { readonly t: 'isolated'; readonly reasons: readonly string[] }
  | { readonly t: 'reject'; readonly reasons: readonly string[] };

/** The `linux.namespaces` of an OCI spec. */
export type SpecNamespaces = readonly { readonly type: string; readonly path?: string }[];

/**
 * Decides for the first container of a sandbox; later ones share the sandbox's network.
 * @param pod whether the sandbox is a Kubernetes pod, whose users would not see a warning in a log.
 * @param kindOf what a path leads to on this host.
 */
export function networkMode(
  namespaces: SpecNamespaces,
  pod: boolean,
  kindOf: (path: string) => NetnsKind,
): NetworkMode {
  const network = namespaces.find(({ type }) => type === 'network');
  if (network === undefined) return hostNetwork(pod, 'the spec has no network namespace');
  const { path } = network;
  if (!path) return { t: 'new', reasons: ['the spec has a network namespace without a path'] };
  switch (kindOf(path)) {
    case 'own':
      return { t: 'join', path, reasons: [`the spec names the network namespace ${path}`] };
    case 'host':
      return hostNetwork(pod, `the spec names ${path}, which is the host's network namespace`);
    case 'missing':
      return { t: 'reject', reasons: [`the spec names the network namespace ${path}, which does not exist`] };
    case 'other-file':
      return { t: 'reject', reasons: [`the spec names ${path} as its network namespace, which it is not`] };
  }
}

function hostNetwork(pod: boolean, why: string): NetworkMode {
  if (!pod) {
    const effect = 'a VM cannot use it: the container gets no network but its own loopback';
    return { t: 'isolated', reasons: [`${why}, so the container asks for the host's network`, effect] };
  }
  const advice = 'run it with another runtime class, or without hostNetwork';
  return {
    t: 'reject',
    reasons: [`${why}, so the pod asks for the host's network`, 'a VM cannot use it', advice],
  };
}
