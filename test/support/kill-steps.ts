// The steps of a container's life, each with a point at which it stands still, so that a part can be killed exactly there.
import { setTimeout as sleep } from 'node:timers/promises';
import { programsOf } from '../../scripts/stand/processes.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import type { FakeContainerd, Shim } from './fake-containerd.ts';
import { type Gate, HOOK } from './gate.ts';
import { containerSpec, type Spec } from './spec.ts';

/** A sandbox in which something stands still. */
export interface Held {
  /** What containerd waits for meanwhile: the name of the call, and its end. */
  readonly call?: { readonly name: string; readonly end: Promise<unknown> };
  /** A helper that is at work; absent: what has started QEMU is killed as the helper. */
  readonly helper?: { readonly name: string; readonly pid: number };
  /** Lets go of what was stopped. */
  release?(): void;
}

export interface World {
  readonly fake: FakeContainerd;
  readonly gate: Gate;
  readonly shim: Shim;
}

export interface Step {
  readonly id: string;
  readonly phase: 'boot' | 'Create' | 'Start' | 'running' | 'exec' | 'Stop' | 'Delete' | 'pod';
  /** What happens at this moment. */
  readonly what: string;
  /** The hook by which it is stopped, if it is one. */
  readonly hook?: 'createRuntime' | 'poststart' | 'poststop';
  readonly pod?: boolean;
  reach(world: World): Promise<Held>;
}

const limit = { timeoutMs: 90_000 };
/** In which a request is on its way into a guest that is stopped: nothing tells of it. */
const SENT_MS = 100;

/** The process of QEMU; undefined while there is none. */
export function qemuOf({ fake, shim }: Pick<World, 'fake' | 'shim'>): number | undefined {
  return programsOf(fake.processes(), /^\S*qemu-system/, shim.id)[0]?.pid;
}

/** What a container of a step runs, with the step's hook. */
export function specOf(world: Omit<World, 'shim'>, step: Step, id: string): Spec {
  const script = 'echo up; exec sleep 1000';
  const spec = containerSpec(['sh', '-c', script], `/${world.fake.namespace}/${id}`);
  const type = { 'io.kubernetes.cri.container-type': 'sandbox', 'io.kubernetes.cri.sandbox-id': id };
  const { hook } = step;
  return {
    ...spec,
    ...(hook === undefined
      ? {}
      : { hooks: { [hook]: [{ path: world.gate.hook, args: [HOOK], timeout: 100 }] } }),
    ...(step.pod === true ? { annotations: type } : {}),
  };
}

function underWay(name: string, end: Promise<unknown>): NonNullable<Held['call']> {
  end.catch(() => undefined); // its end is looked at later
  return { name, end };
}

/** Makes a call, and stops where a helper with this text in its request is to begin. */
async function atHelper(
  { gate }: World,
  [name, what]: readonly [helper: string, what: string],
  call: string,
  make: () => Promise<unknown>,
): Promise<Held> {
  await gate.arm(what);
  const end = underWay(call, make());
  return { call: end, helper: { name, pid: await gate.reached() }, release: () => gate.open() };
}

/** Stops the VM, makes a call that needs the guest, and lets it go out. */
async function inGuest(world: World, call: string, make: () => Promise<unknown>): Promise<Held> {
  const pid = qemuOf(world)!;
  process.kill(pid, 'SIGSTOP');
  const end = underWay(call, make());
  await sleep(SENT_MS);
  return { call: end, release: () => goOn(pid) };
}

function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It is gone.
  }
}

/** Nothing is under way. */
const nothing = (): Held => ({});

const create = ({ shim }: World) => shim.create();
const start = ({ shim }: World) => shim.task.start({ id: shim.id }, limit);
const wait = ({ shim }: World, execId = '') => shim.task.wait({ id: shim.id, execId });
const remove = ({ shim }: World) => shim.task.delete({ id: shim.id }, limit);
const kill = ({ shim }: World) => shim.task.kill({ id: shim.id, signal: 9, all: true }, limit);

async function started(world: World): Promise<void> {
  const io = await world.shim.run();
  await io.expect(/up/);
}

async function ended(world: World): Promise<void> {
  await started(world);
  await kill(world);
  await wait(world);
}

/** A second container of the sandbox, as a pod has it. */
async function second({ fake, shim, gate }: World): Promise<{ id: string; create(): Promise<unknown> }> {
  const id = `${shim.id}-2`;
  const type = { 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': shim.id };
  const step = { id, phase: 'pod', what: '', reach: () => Promise.reject(new Error('no step')) } as const;
  const bundle = await fake.bundle(id, { ...specOf({ fake, gate }, step, id), annotations: type });
  const rootfs = await fake.rootfs(id);
  return { id, create: () => shim.task.create({ id, bundle, rootfs }, limit) };
}

async function secondRuns(world: World): Promise<string> {
  await started(world);
  const { id, create: make } = await second(world);
  await make();
  await world.shim.task.start({ id }, limit);
  return id;
}

export const steps: readonly Step[] = [
  { id: 'served', phase: 'boot', what: 'the shim serves, no call yet', reach: async () => nothing() },
  {
    id: 'share',
    phase: 'boot',
    what: 'the folder for mounts is made a mount',
    reach: (w) => atHelper(w, ['bulkhead-mount', '"share"'], 'Create', () => create(w)),
  },
  {
    id: 'jail-files',
    phase: 'boot',
    what: 'the launcher of bulkhead-files begins',
    reach: (w) => atHelper(w, ['bulkhead-jail', '"seccomp":"files"'], 'Create', () => create(w)),
  },
  {
    id: 'jail-qemu',
    phase: 'boot',
    what: 'the launcher of QEMU begins',
    reach: (w) => atHelper(w, ['bulkhead-jail', '"seccomp":"vmm"'], 'Create', () => create(w)),
  },
  {
    id: 'kernel',
    phase: 'boot',
    what: 'QEMU has begun and is stopped',
    async reach(w) {
      const call = underWay('Create', create(w));
      const pid = await waitFor('QEMU', () => qemuOf(w), 60_000, 2);
      process.kill(pid, 'SIGSTOP');
      return { call, release: () => goOn(pid) };
    },
  },
  {
    id: 'root',
    phase: 'Create',
    what: 'the root file system is mounted, the kernel boots',
    reach: (w) => atHelper(w, ['bulkhead-mount', '/rootfs"'], 'Create', () => create(w)),
  },
  {
    id: 'hook',
    phase: 'Create',
    what: 'a createRuntime hook runs, the guest is ready',
    hook: 'createRuntime',
    reach: (w) => atHelper(w, ['hook', HOOK], 'Create', () => create(w)),
  },
  {
    id: 'guest-create',
    phase: 'Create',
    what: 'the guest is asked to make the container',
    hook: 'createRuntime',
    async reach(w) {
      const held = await atHelper(w, ['hook', HOOK], 'Create', () => create(w));
      const pid = qemuOf(w)!;
      process.kill(pid, 'SIGSTOP');
      w.gate.open();
      await sleep(SENT_MS);
      return { call: held.call!, release: () => goOn(pid) };
    },
  },
  {
    id: 'created',
    phase: 'Create',
    what: 'created, not started',
    reach: (w) => create(w).then(nothing),
  },
  {
    id: 'guest-start',
    phase: 'Start',
    what: 'the guest is asked to start it',
    async reach(w) {
      await create(w);
      return inGuest(w, 'Start', () => start(w));
    },
  },
  {
    id: 'poststart',
    phase: 'Start',
    what: 'a poststart hook runs',
    hook: 'poststart',
    async reach(w) {
      await create(w);
      return atHelper(w, ['hook', HOOK], 'Start', () => start(w));
    },
  },
  {
    id: 'running',
    phase: 'running',
    what: 'it runs, containerd waits',
    async reach(w) {
      await started(w);
      return { call: underWay('Wait', wait(w)) };
    },
  },
  {
    id: 'exec-start',
    phase: 'exec',
    what: 'the guest is asked to start an exec',
    async reach(w) {
      await started(w);
      const { process: like } = specOf(w, steps[0]!, w.shim.id);
      await w.shim.addExec({ ...like, args: ['sleep', '500'] }, { execId: 'x' });
      return inGuest(w, 'Start of the exec', () => w.shim.task.start({ id: w.shim.id, execId: 'x' }, limit));
    },
  },
  {
    id: 'exec',
    phase: 'exec',
    what: 'an exec runs, containerd waits for it',
    async reach(w) {
      await started(w);
      const { process: like } = specOf(w, steps[0]!, w.shim.id);
      await w.shim.exec({ ...like, args: ['sleep', '500'] }, { execId: 'x' });
      return { call: underWay('Wait for the exec', wait(w, 'x')) };
    },
  },
  {
    id: 'kill',
    phase: 'Stop',
    what: 'SIGKILL is on its way into the guest',
    async reach(w) {
      await started(w);
      const call = underWay('Wait', wait(w));
      const held = await inGuest(w, 'Kill', () => kill(w));
      return { ...held, call };
    },
  },
  {
    id: 'exit',
    phase: 'Stop',
    what: 'its process has ended, the VM is taken down, the mounts are next',
    async reach(w) {
      await started(w);
      return atHelper(w, ['bulkhead-mount', '"unmount-all"'], 'Wait', async () => {
        const waits = wait(w);
        await kill(w).catch(() => undefined);
        return waits;
      });
    },
  },
  {
    id: 'clear',
    phase: 'Stop',
    what: 'the sandbox’s folder is removed',
    async reach(w) {
      await started(w);
      return atHelper(w, ['bulkhead-mount', '"clear"'], 'Wait', async () => {
        const waits = wait(w);
        await kill(w).catch(() => undefined);
        return waits;
      });
    },
  },
  {
    id: 'stopped',
    phase: 'Delete',
    what: 'stopped, not deleted',
    reach: (w) => ended(w).then(nothing),
  },
  {
    id: 'delete-created',
    phase: 'Delete',
    what: 'a container that never ran is ended in the guest',
    async reach(w) {
      await create(w);
      return inGuest(w, 'Delete', () => remove(w));
    },
  },
  {
    id: 'poststop',
    phase: 'Delete',
    what: 'a poststop hook runs',
    hook: 'poststop',
    async reach(w) {
      await ended(w);
      return atHelper(w, ['hook', HOOK], 'Delete', () => remove(w));
    },
  },
  {
    id: 'deleted',
    phase: 'Delete',
    what: 'deleted, the shim not yet told to end',
    async reach(w) {
      await ended(w);
      await remove(w);
      return {};
    },
  },
  {
    id: 'shutdown',
    phase: 'Delete',
    what: 'the shim was told to end',
    async reach(w) {
      await ended(w);
      await remove(w);
      await w.shim.task.shutdown({ id: w.shim.id }, limit);
      return {};
    },
  },
  {
    id: 'pod-root',
    phase: 'pod',
    what: 'Create of a second container: its root is mounted',
    pod: true,
    async reach(w) {
      await started(w);
      const { create: make } = await second(w);
      return atHelper(w, ['bulkhead-mount', '/rootfs"'], 'Create', make);
    },
  },
  {
    id: 'pod-create',
    phase: 'pod',
    what: 'Create of a second container: QEMU and guest are asked',
    pod: true,
    async reach(w) {
      await started(w);
      const { create: make } = await second(w);
      return inGuest(w, 'Create', make);
    },
  },
  {
    id: 'pod-remove',
    phase: 'pod',
    what: 'Delete of a second container: its mounts are removed',
    pod: true,
    async reach(w) {
      const id = await secondRuns(w);
      await w.shim.task.kill({ id, signal: 9, all: true }, limit);
      await w.shim.task.wait({ id });
      return atHelper(w, ['bulkhead-mount', '"remove"'], 'Delete', () => w.shim.task.delete({ id }, limit));
    },
  },
  {
    id: 'pod-stop',
    phase: 'pod',
    what: 'Delete of the pause container: the VM is taken down, the mounts are next',
    pod: true,
    async reach(w) {
      await started(w);
      await kill(w);
      await wait(w);
      return atHelper(w, ['bulkhead-mount', '"unmount-all"'], 'Delete', () => remove(w));
    },
  },
];
