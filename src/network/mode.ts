/** Decides, from what the spec says of network namespaces, where the VMM runs and what the guest sees (pure). */
import type { NetnsKind } from '../host/netns.ts';

/** What to do, with the reasons in words for an operator. */
export type NetworkMode =
  /** The VMM enters this namespace; its interfaces are the guest's. */
  | { readonly t: 'join'; readonly path: string; readonly reasons: readonly string[] }
  /** The VMM gets a namespace of its own, into which the container manager may put interfaces later. */
  | { readonly t: 'new'; readonly reasons: readonly string[] }
  /** The VMM gets an empty namespace of its own, the guest only its loopback: the container asked for the host's. */
  | { readonly t: 'isolated'; readonly reasons: readonly string[] }
  | { readonly t: 'reject'; readonly reasons: readonly string[] };

/** The `linux.namespaces` of an OCI spec. */
export type SpecNamespaces = readonly { readonly type: string; readonly path?: string }[];

/**
 * Decides for the first container of a sandbox; those that join it have the sandbox's network.
 * @param pod the sandbox is a pod of Kubernetes, whose users would not see a warning in a log.
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
      return { t: 'reject', reasons: [`the spec names ${path} as network namespace, which is none`] };
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
