// What the parts of the test's Kubernetes are told: flags and files, all below one folder and in one network namespace.
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubernetesVersion } from '../../scripts/stand/fetch-kubernetes.ts';
import { atLeast } from '../support/version.ts';

/** The node's own address, on a bridge of its network namespace; pods have others (`podSubnets`). */
export const nodeAddress = '10.87.0.1';
export const nodeName = 'node';

const API = `https://${nodeAddress}:6443`;
const ETCD = 'http://127.0.0.1:2379';
const TOKEN = 'of-the-test';

/** Programs that run as long as the node does, in the order of their start. */
export const daemons = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
] as const;
export type Daemon = (typeof daemons)[number];

/** Where the files are that more than one program uses. */
const files = (dir: string) => ({
  kubeconfig: join(dir, 'kubeconfig'),
  kubelet: join(dir, 'kubelet.yaml'),
  key: join(dir, 'service-account.key'),
  tokens: join(dir, 'tokens.csv'),
  certificates: join(dir, 'certificates'),
});

/** The kubelet's folder, whose mounts have to be shared with containerd. */
export const kubeletRoot = (dir: string): string => join(dir, 'k');

/** Flags of a program; `socket` is containerd's. Nothing of the control plane elects a leader: there is one of each. */
export function flagsOf(daemon: Daemon, dir: string, socket: string): string[] {
  const { kubeconfig, kubelet, key, tokens, certificates } = files(dir);
  const client = ['--kubeconfig', kubeconfig, '--leader-elect=false'];
  switch (daemon) {
    case 'etcd':
      return [`--data-dir=${join(dir, 'etcd')}`, '--unsafe-no-fsync', '--log-level=warn'];
    case 'kube-apiserver':
      return [
        ...[`--etcd-servers=${ETCD}`, '--service-cluster-ip-range=10.96.0.0/16', '--allow-privileged=true'],
        ...[
          `--advertise-address=${nodeAddress}`,
          `--cert-dir=${certificates}`,
          '--endpoint-reconciler-type=none',
        ],
        ...[
          '--authorization-mode=AlwaysAllow',
          '--kubelet-preferred-address-types=InternalIP',
          `--token-auth-file=${tokens}`,
        ],
        ...['--service-account-issuer=https://bulkhead.test', `--service-account-signing-key-file=${key}`],
        `--service-account-key-file=${key}`,
      ];
    case 'kube-controller-manager':
      return [
        ...client,
        `--service-account-private-key-file=${key}`,
        `--root-ca-file=${join(certificates, 'apiserver.crt')}`,
      ];
    case 'kube-scheduler':
      return client;
    case 'kubelet':
      return [
        ...['--kubeconfig', kubeconfig, '--config', kubelet, '--root-dir', kubeletRoot(dir)],
        ...['--hostname-override', nodeName, '--node-ip', nodeAddress],
        // Up to 1.36 statistics come from an endpoint that only this flag sets.
        ...(atLeast(kubernetesVersion, '1.37.0') ? [] : ['--containerd', socket]),
      ];
  }
}

/** Arguments of kubectl that come before a user's own. */
export const kubectlArgs = (dir: string): string[] => [
  ...['--kubeconfig', files(dir).kubeconfig],
  ...['--cache-dir', join(dir, 'kubectl')],
];

/** @param cgroup what everything of pods is below, as a path in every hierarchy. */
export function writeSettings(dir: string, socket: string, cgroup: string): void {
  const { kubeconfig, kubelet, key, tokens } = files(dir);
  mkdirSync(kubeletRoot(dir), { recursive: true });
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  writeFileSync(key, privateKey);
  writeFileSync(tokens, `${TOKEN},admin,admin,system:masters\n`);
  writeFileSync(join(dir, 'resolv.conf'), 'nameserver 192.0.2.53\n');
  const named = (name: string, rest: object) => [{ name, ...rest }];
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: named('test', { cluster: { server: API, 'insecure-skip-tls-verify': true } }),
    users: named('admin', { user: { token: TOKEN } }),
    contexts: named('test', { context: { cluster: 'test', user: 'admin' } }),
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  writeFileSync(kubelet, JSON.stringify(kubeletSettings(dir, socket, cgroup)));
}

function kubeletSettings(dir: string, socket: string, cgroup: string): object {
  return {
    ...{ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' },
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${socket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroup,
    // The machine may be one with cgroup v1, with swap, and have little room on its disk.
    ...{ failCgroupV1: false, failSwapOn: false },
    enforceNodeAllocatable: ['none'],
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    podLogsDir: join(dir, 'logs'),
    volumePluginDir: join(dir, 'plugins'),
    resolvConf: join(dir, 'resolv.conf'),
    allowedUnsafeSysctls: ['net.*', 'kernel.msg*'],
    // How soon a changed ConfigMap is seen, and a container that ended is started again: not what is tested.
    syncFrequency: '5s',
    crashLoopBackOff: { maxContainerRestartPeriod: '2s' },
    ...{ oomScoreAdj: 0, maxOpenFiles: 20_000 },
  };
}
