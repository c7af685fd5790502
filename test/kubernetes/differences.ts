// Where our answer may differ from runc's, and why. One that is here and does not differ is an error, so the list stays true.

/** What is to be read beside a behaviour that differs; Markdown. */
export const differences: Readonly<Record<string, string>> = {
  'stats/summary: what is told of the pod':
    'to be mended: the kubelet does not find the pod of the VM in its control group',
  'metrics/cadvisor: interfaces of the pod':
    'the VM\'s tap is an interface of the pod\'s network namespace, too; sums should leave out `interface=~"bhtap.*"`',
  'hostPath: a mount that comes later (HostToContainer), and goes':
    'to be mended: the file system daemon holds what the guest has looked at; `umount -l` works',
  'hostPath: a mount of the container (Bidirectional)':
    'refused: a mount that is made in a VM cannot appear on the host',
  'hostIPC, hostPID':
    'the host of the pod is its VM, so its containers see each other and nothing of the node',
  hostNetwork: 'refused: a VM has no network of the host',
  'hostUsers: false':
    'works; with runc it depends on its version (1.1 of Debian 12 has no id-mapped mounts), and the kubelet asks which handlers can do it',
  'limits of processes and files (ulimit)':
    "of files: systemd's default for containers, where runc inherits containerd's; of processes to be mended: what the guest's kernel derives from its memory",
};
