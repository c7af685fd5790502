// Checks each part of an OCI spec, so that the rest of the shim can rely on its types.
import type { Checker } from './check.ts';

/** Checks the fields that are present; almost everything in a spec is optional. */
export function checkSpec(root: Checker): void {
  root.optionalString('ociVersion', 'hostname', 'domainname');
  const process = root.optionalObject('process');
  if (process !== undefined) checkProcess(process);
  root.optionalObject('root')?.string('path');
  for (const mount of root.objects('mounts')) checkMount(mount);
  root.stringMap('annotations');
  const linux = root.optionalObject('linux');
  if (linux !== undefined) checkLinux(linux);
}

/** Checks a process: it must have a command and a working directory. */
export function checkProcess(process: Checker): void {
  process.strings('args');
  if (!Array.isArray(process.value.args) || process.value.args.length === 0) {
    process.fail('args', 'must have the command to run');
  }
  process.strings('env');
  process.absolutePath('cwd');
  process.optionalBoolean('terminal', 'noNewPrivileges');
  process.optionalInteger('oomScoreAdj');
  const user = process.optionalObject('user');
  user?.optionalInteger('uid', 'gid', 'umask');
  user?.integers('additionalGids');
  process
    .optionalObject('capabilities')
    ?.strings('bounding', 'effective', 'inheritable', 'permitted', 'ambient');
  for (const rlimit of process.objects('rlimits')) {
    rlimit.string('type');
    rlimit.integer('hard', 'soft');
  }
}

function checkMount(mount: Checker): void {
  mount.absolutePath('destination');
  mount.optionalString('type', 'source');
  mount.strings('options');
  checkIdMappings(mount);
}

function checkIdMappings(owner: Checker): void {
  for (const name of ['uidMappings', 'gidMappings'])
    for (const range of owner.objects(name)) range.integer('containerID', 'hostID', 'size');
}

function checkLinux(linux: Checker): void {
  for (const namespace of linux.objects('namespaces')) {
    namespace.string('type');
    namespace.optionalString('path');
  }
  linux.optionalString('cgroupsPath', 'rootfsPropagation');
  checkIdMappings(linux);
  linux.stringMap('sysctl');
  linux.strings('maskedPaths', 'readonlyPaths');
  for (const device of linux.objects('devices')) {
    device.absolutePath('path');
    device.string('type');
    device.optionalInteger('major', 'minor', 'fileMode', 'uid', 'gid');
  }
  const resources = linux.optionalObject('resources');
  if (resources !== undefined) checkResources(resources);
  const seccomp = linux.optionalObject('seccomp');
  seccomp?.string('defaultAction');
  for (const syscall of seccomp?.objects('syscalls') ?? []) {
    syscall.strings('names');
    syscall.string('action');
  }
}

/** Checks the resources of a spec or of an update. */
export function checkResources(resources: Checker): void {
  resources.optionalObject('memory')?.optionalInteger('limit', 'reservation', 'swap');
  const cpu = resources.optionalObject('cpu');
  cpu?.optionalInteger('shares', 'quota', 'burst', 'period', 'idle');
  cpu?.optionalString('cpus', 'mems');
  resources.optionalObject('pids')?.optionalInteger('limit');
  for (const limit of resources.objects('hugepageLimits')) {
    limit.string('pageSize');
    limit.integer('limit');
  }
  for (const rule of resources.objects('devices')) rule.optionalInteger('major', 'minor');
  resources.stringMap('unified');
}
