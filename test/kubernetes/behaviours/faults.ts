// What strikes a node: restarts of the kubelet and of containerd, kill -9 of each part, deletions in a hurry.
import { run } from '../../../scripts/stand/command.ts';
import { programsOf } from '../../../scripts/stand/processes.ts';
import { waitFor } from '../../../scripts/stand/wait.ts';
import { type Behaviour, container, isTrue, type Json, type Pod, type Side, statusOf } from '../side.ts';

/** A container that counts seconds into its log. */
const counting = container('n=0; while :; do echo $n; n=$((n + 1)); sleep 1; done');

/** Programs that hold a pod, by handler; runc's pods have no VM, their pause process is what they have instead. */
const parts = {
  shim: { bulkhead: /server\.cjs/, runc: /containerd-shim-runc/ },
  vmm: { bulkhead: /^\S*qemu-system/, runc: /^\/bin\/busybox sh -c trap/ },
  files: { bulkhead: /^\S*bulkhead-files/, runc: /^\/bin\/busybox sh -c trap/ },
} as const;

async function sandboxOf(pod: Pod): Promise<string> {
  const { uid } = (await pod.get()).metadata;
  const { stdout } = await pod.side.node.containerd.mustCtr([
    'containers',
    'ls',
    `labels."io.kubernetes.pod.uid"=="${uid}",labels."io.cri-containerd.kind"==sandbox`,
    '-q',
  ]);
  return stdout.trim();
}

function strike(side: Side, sandbox: string, part: keyof typeof parts): number {
  const { bulkhead, runc } = parts[part];
  const found = programsOf(side.node.processes(), side.handler === 'runc' ? runc : bulkhead, sandbox);
  for (const { pid } of found) process.kill(pid, 'SIGKILL');
  if (found.length === 0) throw new Error(`no ${part} of ${sandbox}`);
  return found.length;
}

/** Kills a part of a pod; the kubelet makes the pod anew. */
const killed =
  (part: keyof typeof parts): Behaviour =>
  async (side) => {
    const pod = await side.ready();
    strike(side, await sandboxOf(pod), part);
    await pod.until(
      'restart',
      ({ status }) => statusOf(status)?.restartCount >= 1 && isTrue(status, 'Ready'),
    );
    return `ready again: ${await pod.sh('echo runs')}`;
  };

const restartsOf = async (pod: Pod): Promise<number> => statusOf((await pod.get()).status).restartCount;

export const faults: Record<string, Behaviour> = {
  'the kubelet restarts': async (side) => {
    const pod = await side.ready({ containers: [counting] });
    await side.node.end('kubelet', 'SIGKILL');
    side.node.launch('kubelet');
    await side.node.ready();
    const before = Number(await pod.logs('--tail=1'));
    await waitFor(
      'more of the log',
      async () => Number(await pod.logs('--tail=1')) > before + 1,
      30_000,
      500,
    );
    return `${await pod.sh('echo runs')}, ${await restartsOf(pod)} restarts`;
  },
  'containerd is killed and comes back': async (side) => {
    const pod = await side.ready({
      containers: [counting, container('sleep 6; exit 5', { name: 'short' })],
      restartPolicy: 'Never',
    });
    await side.node.containerd.kill();
    await run('sleep', ['8']);
    await side.node.containerd.launch();
    const short = await pod.end('short');
    const before = Number(await pod.logs('-c', 'main', '--tail=1'));
    await waitFor(
      'more of the log',
      async () => Number(await pod.logs('-c', 'main', '--tail=1')) > before + 1,
      60_000,
      500,
    );
    return `${await pod.sh('echo runs')}; ended meanwhile: ${short}; ${await restartsOf(pod)} restarts`;
  },
  'kill -9 of the shim': killed('shim'),
  'kill -9 of the VMM (with runc: of the pause process)': killed('vmm'),
  'kill -9 of the file system daemon (with runc: of the pause process)': killed('files'),
  'kill -9 of all parts of five pods at once': async (side) => {
    const pods = await Promise.all(Array.from({ length: 5 }, (_, n) => side.ready({}, {}, `many${n}`)));
    const sandboxes = await Promise.all(pods.map(sandboxOf));
    for (const sandbox of sandboxes) strike(side, sandbox, 'vmm');
    for (const sandbox of sandboxes) strike(side, sandbox, 'shim');
    const back = ({ status }: Json) => statusOf(status)?.restartCount >= 1 && isTrue(status, 'Ready');
    await Promise.all(pods.map((pod) => pod.until('restart', back, 240_000)));
    return `${(await Promise.all(pods.map((pod) => pod.sh('echo runs')))).length} ready again`;
  },
  'delete --force --grace-period=0': async (side) => {
    const pod = await side.ready({ containers: [container('trap "" TERM; while :; do sleep 1; done')] });
    const sandbox = await sandboxOf(pod);
    await pod.delete('--force', '--grace-period=0');
    const left = () => side.node.processes().filter((one) => one.command.includes(sandbox));
    await waitFor('end of its processes', () => left().length === 0, 60_000, 500);
    return 'gone, with its processes';
  },
  'deleted while it starts': async (side) => {
    const pods = await Promise.all(Array.from({ length: 3 }, (_, n) => side.make({}, {}, `early${n}`)));
    await run('sleep', ['1']);
    await Promise.all(pods.map((pod) => pod.delete('--grace-period=1')));
    return 'gone';
  },
};
