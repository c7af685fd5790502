/**
 * Boots the VM of a sandbox for its first container. Every resource is recorded before it is made and undone in reverse
 * when anything fails; what does not depend on each other is done side by side, because a pod waits for all of it.
 */
import { connectAgent, type GuestAgent } from '../agent/agent.ts';
import { onAbort } from '../base/abort.ts';
import type { Config } from '../config/config.ts';
import { filesProgram } from '../config/locate.ts';
import { hostCapacity } from '../host/capacity.ts';
import { type Cgroup, createCgroup } from '../host/cgroup.ts';
import { chooseAccelerator, kvmFacts } from '../host/kvm.ts';
import { processRef } from '../host/process.ts';
import { sandboxGroups } from '../host/sandbox-groups.ts';
import { dnsOf } from '../network/resolv-conf.ts';
import { SandboxNetwork } from '../network/sandbox-network.ts';
import type { VmSize } from '../oci/sizing.ts';
import { type HostLimits, planHostLimits } from '../vm/host-limits.ts';
import type { DiskSpec, Vm } from '../vm/hypervisor.ts';
import { startQemu } from '../vm/qemu/qemu.ts';
import { claimParents, releaseParents } from './cgroup-parents.ts';
import { keepGuestClock, setGuestClock } from './guest-clock.ts';
import { firstOomScore } from './oom-score.ts';
import { type PreparedContainer, prepareContainer } from './prepare.ts';
import type { BootRequest, SandboxContext } from './request.ts';
import { rootOf } from './root/prepare-root.ts';
import type { RootPlan } from './root/root-parts.ts';
import { removeSandboxDir, SandboxState } from './state.ts';
import { vmSizeOf } from './vm-size.ts';
import { claimUser, releaseUser } from './vm-user.ts';
import { bootDisks } from './volumes/disks.ts';
import { explainPlug } from './volumes/guest-errors.ts';
import { Share } from './volumes/share.ts';

/** A VM that runs, its agent that answers, and the first container, prepared on the host. */
export interface BootedVm {
  readonly vm: Vm;
  /** At boot: what the guest has in any case, however it grows and shrinks later. */
  readonly memoryMib: number;
  readonly agent: GuestAgent;
  /** Of the VM's processes. */
  readonly cgroup: Cgroup;
  readonly share: Share;
  readonly network: SandboxNetwork;
  readonly first: PreparedContainer;
  /** Of the first container. */
  readonly root: RootPlan;
  /** Plugged in at boot. */
  readonly disks: readonly DiskSpec[];
  readonly state: SandboxState;
  /** Lets the VM take what one of this size takes of the host, and records it. */
  allow(size: { readonly vcpus: number; readonly memoryMib: number }): void;
  /** Undoes everything of the host. */
  readonly resources: AsyncDisposableStack;
}

/** The guest's kernel keeps 0.2 MiB for each vCPU that may come. */
const MOST_VCPUS = 16;

/** Limits for undoing host resources; generous, because a failure here is a leak. */
const TEARDOWN_MS = 5_000;

/**
 * @throws ShimError, VmError, AgentError, MountError or NetworkError with nothing left behind; also when `signal`
 * aborts.
 */
export async function bootVm(
  context: SandboxContext,
  { first, config, pod }: BootRequest,
  signal: AbortSignal,
): Promise<BootedVm> {
  await using stack = new AsyncDisposableStack();
  const begin = performance.now();
  const size = vmSizeOf(first.spec, config.vm, pod);
  const groups = sandboxGroups(first.spec.linux?.cgroupsPath ?? '', {
    namespace: context.namespace,
    id: first.id,
    pod,
  });
  const state = SandboxState.create({
    version: 1,
    namespace: context.namespace,
    id: first.id,
    createdAt: new Date().toISOString(),
    bundle: first.bundle,
    socket: context.socket,
    shim: processRef(process.pid)!,
    processes: [],
    cgroup: groups.vm,
    shimCgroup: groups.shim,
    vcpus: size.vcpus,
    memoryMib: size.memoryMib,
  });
  stack.defer(() => removeSandboxDir(state.dir));
  claimParents(groups.vm);
  stack.defer(() => releaseParents(groups.vm));
  const owner = `${context.namespace}/${first.id}`;
  const uid = claimUser(config.vm, owner, (claimed) => state.update({ uid: claimed }));
  stack.defer(() => releaseUser(uid, owner));
  // Not waited for until there is something to mount: what is started before that cannot hang.
  const joined = context.cgroup.join(groups.shim);
  joined.catch(() => undefined);
  stack.defer(async () => {
    await joined.catch(() => undefined);
    await context.cgroup.leave();
  });
  const limits = hostLimitsOf(size, config.vm);
  const cgroup = await limitedCgroup(context, groups.vm, limits);
  stack.defer(async () => {
    await cgroup.kill({ timeoutMs: TEARDOWN_MS });
    await cgroup.remove({ timeoutMs: TEARDOWN_MS });
  });
  // Beside the network, which takes longer.
  const root = rootOf(first, config.rootfs);
  const providing = bootDisks(root, signal);
  providing.catch(() => undefined); // awaited below
  const sharing = Share.create(state.dir);
  sharing.catch(() => undefined); // awaited below
  stack.defer(async () => {
    const share = await sharing.catch(() => undefined);
    await share?.close();
  });
  const network = await SandboxNetwork.prepare(
    first.spec.linux?.namespaces ?? [],
    pod,
    { log: context.log, record: (record) => state.update({ network: record }), uid },
    signal,
  );
  stack.defer(() => network.end());
  const share = await sharing;
  const disks = await providing;
  const { startVm = startQemu } = context;
  const vm = await startVm(
    {
      id: first.id,
      dir: state.dir,
      vcpus: size.vcpus,
      memoryMib: size.memoryMib,
      ...ceilings(config.vm),
      kernel: config.vm.kernel,
      image: config.vm.image,
      kernelParams: config.vm.kernelParams,
      accelerator: config.vm.accelerator,
      hypervisorPath: config.vm.path,
      cgroup,
      uid,
      oomScoreAdj: firstOomScore(first.spec, pod),
      shared: {
        dir: share.dir,
        program: filesProgram(),
        mostFiles: limits.files,
      },
      disks,
      ...network.vmSpec,
    },
    signal,
  ).catch((error: unknown) => {
    throw explainPlug(error, disks);
  });
  stack.defer(async () => {
    await vm.kill();
  });
  // Ends every wait for the guest, which may be silent, and for mounts, which may hang.
  using _ = onAbort(signal, () => {
    void vm.kill();
    share.close().catch(() => undefined); // its error is told when all is undone
  });
  state.update({ processes: vm.processes });
  const vmmStarted = performance.now();
  await joined;
  // While the kernel boots: the container's mounts and streams.
  const preparing = prepareContainer(context, share, first, {
    root,
    diskEmptyDir: config.sharedFs.diskEmptyDir,
    diskSizeMib: config.rootfs.diskSizeMib,
    vmMemoryMib: size.memoryMib,
    sandboxRoot: root.guestPath,
  });
  stack.defer(() =>
    preparing.then(
      (container) => container.undo(),
      () => undefined,
    ),
  );
  const { bootMs, requestMs } = config.timeouts;
  const [agent, prepared] = await Promise.all([
    connectAgent(vm, { timeoutMs: bootMs, requestMs, signal }),
    preparing,
  ]);
  const agentReady = performance.now();
  const clockSet = setGuestClock(agent, context.log);
  await agent.createSandbox({
    sandboxId: first.id,
    hostname: first.spec.hostname ?? '',
    dns: await dnsOf(first.spec.mounts ?? []),
  });
  await clockSet;
  stack.defer(keepGuestClock(agent, requestMs));
  await network.configureGuest(agent);
  // Not waited for: nobody can know of the pod yet.
  if (pod) void network.forwardPorts(agent, requestMs);
  else network.relayNames(agent, requestMs, first.spec.mounts ?? []);
  context.log('info', 'sandbox booted', {
    sandbox: first.id,
    vcpus: size.vcpus,
    memoryMib: size.memoryMib,
    vmmMs: Math.round(vmmStarted - begin),
    kernelToAgentMs: Math.round(agentReady - vmmStarted),
  });
  context.log('debug', 'size of the VM', { reasons: [...size.reasons, ...limits.reasons].join('; ') });
  // What the first container takes is counted from when the guest could have it.
  return {
    vm,
    memoryMib: size.memoryMib,
    agent,
    cgroup,
    share,
    network,
    state,
    root,
    disks,
    allow(grown) {
      // Its devices stay: while their rules are written anew, QEMU could open none.
      const { devices: _, ...limits } = hostLimitsOf(grown, config.vm);
      cgroup.limit(limits);
      state.update(grown);
    },
    first: { ...prepared, begin: agentReady },
    resources: stack.move(),
  };
}

/** How far a VM may grow; where the configuration does not say, as far as the host goes. */
function ceilings({ maxVcpus, maxMemoryMib }: Config['vm']) {
  const { cpus, memoryMib } = hostCapacity();
  return { maxVcpus: maxVcpus || Math.min(cpus, MOST_VCPUS), maxMemoryMib: maxMemoryMib || memoryMib };
}

function hostLimitsOf(
  { vcpus, memoryMib }: Pick<VmSize, 'vcpus' | 'memoryMib'>,
  { accelerator, vmmMemoryMib }: Config['vm'],
): HostLimits {
  const chosen = chooseAccelerator(accelerator, kvmFacts());
  return planHostLimits({ vcpus, memoryMib, vmmMemoryMib, ...chosen });
}

async function limitedCgroup(context: SandboxContext, path: string, limits: HostLimits): Promise<Cgroup> {
  const cgroup = await createCgroup(path);
  const missing = cgroup.limit(limits);
  if (missing.length > 0)
    context.log('warn', 'the VM is not limited in all it takes of the host', { missing });
  return cgroup;
}
