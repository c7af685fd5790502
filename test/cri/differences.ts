// What critest finds otherwise than with runc, and why; and what it is not asked.

/** By the spec's full name; Markdown. One that is here and does not differ is an error. */
export const differences: Readonly<Record<string, string>> = {
  "Container Mount Propagation runtime should support mount propagation mount with 'rshared' should support propagation from host to container and vice versa":
    'refused: a mount made in a VM cannot appear on the host',
  'Container Mount Readonly runtime should support readonly mounts should support non-recursive readonly mounts':
    'to be mended: a folder of the host stays busy while the file system daemon holds what the guest has looked at below it',
  'Container Mount Readonly runtime should support readonly mounts should support recursive readonly mounts':
    'to be mended: the same',
  'Security Context NamespaceOption runtime should support HostIpc is true':
    'the host of a pod is its VM: it sees nothing of the node',
  'Security Context NamespaceOption runtime should support HostNetwork is true':
    'refused: a VM has no network of the host',
  'Streaming runtime should support streaming interfaces runtime should support portforward in host network':
    'refused: a VM has no network of the host',
};

/** Regular expressions of specs that are not about the runtime, or ask for what is not here. */
export const notAsked: readonly string[] = [
  // Names a digest of an image at gcr.io.
  'public image with digest',
];
