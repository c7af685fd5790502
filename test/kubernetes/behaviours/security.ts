// Security contexts, namespaces, sysctls: what a container is allowed, and what it finds.
import { type Behaviour, container, type Json, statusOf } from '../side.ts';

const said =
  (script: string, spec: Json = {}, more: Json = {}): Behaviour =>
  async (side) =>
    (await side.output(script, spec, more)).replace(/\s*\n\s*/g, ' ').trim();

/** The container's own context. */
const context = (securityContext: Json): Json => ({ securityContext });

export const security: Record<string, Behaviour> = {
  'runAsUser, runAsGroup': said('id -u; id -g; id -G', {}, context({ runAsUser: 1000, runAsGroup: 1000 })),
  'HOME and umask': said('echo "$HOME"; umask'),
  'HOME of a user that passwd does not have': said('echo "$HOME"', {}, context({ runAsUser: 4242 })),
  'runAsNonRoot with an image of root': async (side) => {
    const pod = await side.make({ containers: [container('', context({ runAsNonRoot: true }))] });
    return await pod.until('refusal', ({ status }) => {
      const reason = statusOf(status)?.state.waiting?.reason;
      return reason !== 'ContainerCreating' && reason;
    });
  },
  readOnlyRootFilesystem: said(
    'touch /x 2>&1 | grep -o "Read-only.*"; touch /dev/shm/x && echo shm',
    {},
    context({ readOnlyRootFilesystem: true }),
  ),
  'capabilities: default': said('grep "^Cap[EBP]" /proc/self/status'),
  'capabilities: drop ALL, add NET_ADMIN': said(
    'grep "^Cap[EBP]" /proc/self/status; ip link set lo down && echo done',
    {},
    context({ capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } }),
  ),
  'capabilities of another user': said(
    'grep "^Cap[EBP]" /proc/self/status',
    {},
    context({ runAsUser: 1000 }),
  ),
  'allowPrivilegeEscalation: false': said(
    'grep NoNewPrivs /proc/self/status',
    {},
    context({ allowPrivilegeEscalation: false }),
  ),
  'seccomp: RuntimeDefault': said(
    'grep "^Seccomp:" /proc/self/status; unshare -U true 2>&1 | grep -o "not permitted"',
    { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
  ),
  'seccomp: Unconfined': said('grep "^Seccomp:" /proc/self/status', {
    securityContext: { seccompProfile: { type: 'Unconfined' } },
  }),
  'privileged: mounts, devices': said(
    'mount -t tmpfs tmpfs /mnt && echo mounts; grep CapEff /proc/self/status; test -c /dev/kmsg && head -c 1 /dev/kmsg >/dev/null && echo kmsg; echo 1 >/proc/sys/vm/drop_caches && echo proc',
    {},
    context({ privileged: true }),
  ),
  'masked and read-only paths': said(
    'ls -A /proc/acpi /proc/scsi 2>/dev/null | wc -l; cat /proc/kcore 2>/dev/null | head -c 1 | wc -c; echo 1 2>/dev/null >/proc/sys/vm/drop_caches || echo read-only; ls /sys/firmware 2>/dev/null | wc -l',
  ),
  'sysctls, safe and unsafe': said(
    'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/conf/all/forwarding /proc/sys/kernel/msgmax',
    {
      securityContext: {
        sysctls: [
          { name: 'net.ipv4.ip_unprivileged_port_start', value: '81' },
          { name: 'net.ipv4.conf.all.forwarding', value: '1' },
          { name: 'kernel.msgmax', value: '4444' },
        ],
      },
    },
  ),
  'hostIPC, hostPID': async (side) => {
    const pod = await side.ready({
      hostIPC: true,
      hostPID: true,
      containers: [container('exec sleep 4321'), container(undefined, { name: 'other' })],
    });
    const sees = await pod.sh('ps -o args | grep -c "^sleep 4321"', 'other');
    const kubelet = await pod.sh('ps -o args | grep -c "[k]ube-apiserver --" || true', 'other');
    return `the other container: ${sees === '0' ? 'no' : 'yes'}; the node's programs: ${kubelet === '0' ? 'no' : 'yes'}`;
  },
  hostNetwork: async (side) => {
    const pod = await side.make({
      hostNetwork: true,
      restartPolicy: 'Never',
      containers: [container('ip -o link | grep -c node0')],
    });
    const refused = async () => (await pod.events()).includes('FailedCreatePodSandBox');
    const end = await pod
      .until('answer', ({ status }) => ['Succeeded', 'Failed'].includes(status.phase) && status.phase, 30_000)
      .catch(async (error: unknown) => {
        if (await refused()) return 'refused';
        throw error;
      });
    return end === 'refused' ? end : `${end}, ${await pod.logs()} of the node's`;
  },
  'hostUsers: false': async (side) => {
    const pod = await side.make({
      hostUsers: false,
      restartPolicy: 'Never',
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        container('id -u; awk "{print (\\$2 > 0)}" /proc/self/uid_map; touch /v/f; stat -c %u /v /v/f', {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
    });
    const answer = await pod
      .until('answer', ({ status }) => ['Succeeded', 'Failed'].includes(status.phase) && status.phase, 60_000)
      .catch(async (error: unknown) => {
        if ((await pod.events()).includes('FailedCreatePodSandBox')) return 'refused';
        throw error;
      });
    return answer === 'refused' ? answer : (await pod.logs()).replaceAll('\n', ' ');
  },
  'limits of processes and files (ulimit)': said('ulimit -n; ulimit -u', {}, context({ runAsUser: 1000 })),
};
