/** Builds QEMU's command line from a VM spec. Pure. */
import type { DiskSpec, NicSpec, VmSpec } from '../hypervisor.ts';

/** What the command line needs besides the spec. */
export interface ArgvFacts {
  readonly accelerator: 'kvm' | 'tcg';
  /** Path of the kernel in QEMU's jail. */
  readonly kernel: string;
}

/** The descriptors that QEMU inherits: its channels, then files opened for it. The boot disks follow the image. */
export const FD = { qmp: 3, agent: 4, console: 5, share: 6, image: 7 } as const;

/** Name of the guest's virtio-serial port. */
export const AGENT_PORT = 'org.bulkhead.agent.0';

/** Tag of the shared folder in the guest. */
export const SHARE_TAG = 'kataShared';

/**
 * The bridge for hot-plugged devices, up to 31 of them, by ACPI. A root port takes only one device, and each costs the
 * guest 10 to 50 ms of boot under TCG; the bridge costs as much as one of them.
 */
export const HOT_PLUG_BUS = 'hotplug';

/**
 * What every guest needs. Nothing here is about the sandbox, which arrives by RPC, so that VMs can be cloned.
 * - `panic=-1` resets at once, and QEMU's -no-reboot turns that into the end of the VM
 * - `no_timer_check`: on a slow host the guest would give up ("IO-APIC + timer doesn't work")
 * - `cryptomgr.notests`: a distribution's kernel would test its ciphers on each boot
 * - `noreplace-smp`: does not patch the kernel's code for one CPU (1.65 to 1.39 s of CPU per boot under TCG)
 * - `swiotlb=noforce`: saves 66 MB of bounce buffers, which virtio does not need
 * - `page_alloc.shuffle=1`: free pages are allocated in an unpredictable order
 * - `memhp_default_state`: hot-plugged memory is used at once, mostly for movable pages, so that it can be unplugged
 * - `dummy.numdummies=0`: the built-in driver would give every pod a useless interface
 */
const KERNEL_PARAMS = [
  'console=ttyS0 quiet panic=-1 reboot=t',
  'root=/dev/vda ro rootfstype=erofs',
  'no_timer_check cryptomgr.notests noreplace-smp swiotlb=noforce',
  'page_alloc.shuffle=1 dummy.numdummies=0',
  'memhp_default_state=online memory_hotplug.online_policy=auto-movable',
].join(' ');

/**
 * The files daemon writes guest pages without QEMU noticing, and TCG of QEMU 8 and later may then run stale
 * translations of their former content (crashes of guest programs on Debian 13). QEMU does notice when the guest
 * itself clears a page first.
 */
const TCG_PARAMS = 'init_on_alloc=1';

/**
 * TCG executes `rep movsb` and `rep stosb` byte by byte. Without the flags that advertise them, the guest's kernel and
 * libraries copy and clear memory in larger pieces: a pipe moves 240 MB/s instead of 50, tmpfs 400 instead of 100.
 */
const TCG_CPU = 'max,-erms,-fsrm';

/**
 * TCG's translation cache, in MiB. QEMU's default is up to 1 GiB. A boot fills 54; Node.js and Python after it bring
 * that to 164. Their second run took 2240 and 2980 ms with 64, 1180 and 1360 with 128, 790 and 2290 with 1024.
 */
export const TRANSLATION_MIB = 128;

/** The guest kernel's command line; the configured parameters come last, so they take precedence. */
export function kernelCommandLine(spec: VmSpec, { accelerator }: Pick<ArgvFacts, 'accelerator'>): string {
  const parts = [KERNEL_PARAMS, accelerator === 'tcg' ? TCG_PARAMS : '', spec.kernelParams];
  return parts.filter((part) => part !== '').join(' ');
}

/** QEMU takes JSON, where a comma in a path does not separate options. */
function json(option: string, value: Readonly<Record<string, unknown>>): string[] {
  return [option, JSON.stringify(value)];
}

/** QEMU's path of a file that was opened for it. */
export function fdSetPath(set: number): string {
  return `/dev/fdset/${set}`;
}

/**
 * The block node of a disk. Read-only disks are not locked, because many VMs read one image; writable ones are, so no
 * file is ever writable in two VMs. `discard` gives space that the guest frees back to the host.
 */
export function blockNode(name: string, path: string, readOnly: boolean, kind: 'file' | 'host_device') {
  const common = { 'read-only': readOnly, ...(readOnly ? {} : { discard: 'unmap' }) };
  const file = { driver: kind, filename: path, locking: readOnly ? 'off' : 'on', ...common };
  return { driver: 'raw', 'node-name': name, 'auto-read-only': false, file, ...common };
}

/**
 * A virtio-blk device; modern virtio only, which spares QEMU and the guest legacy port I/O. Host I/O errors go to the
 * guest: otherwise QEMU would stop the whole VM when the host's disk is full.
 */
export function diskDevice(id: string, node: string, serial: string, bus?: string) {
  return {
    driver: 'virtio-blk-pci',
    id,
    drive: node,
    serial,
    werror: 'report',
    rerror: 'report',
    'disable-legacy': 'on',
    ...(bus === undefined ? {} : { bus }),
  };
}

/** QEMU's end of a tap. Without vhost-net QEMU moves the frames itself. */
export function nicBackend(nic: NicSpec) {
  const tap = { type: 'tap', id: `net-${nic.id}`, ifname: nic.tap, script: 'no', downscript: 'no' };
  return nic.vhost ? { ...tap, vhost: true } : tap;
}

/** The NIC for a tap. Without an option ROM: no guest boots from the network. */
export function nicDevice(nic: NicSpec, bus?: string) {
  return {
    driver: 'virtio-net-pci',
    id: `nic-${nic.id}`,
    netdev: `net-${nic.id}`,
    mac: nic.mac,
    romfile: '',
    'disable-legacy': 'on',
    ...(bus === undefined ? {} : { bus }),
  };
}

/**
 * Parts of a q35 machine that no guest here uses; each is code in QEMU or the host's kernel that a guest could attack.
 * The timer chip (`pit`) stays: under TCG Linux calibrates its clock against it (without it, the clock is up to 40 %
 * off until Linux gives it up), and whether every KVM works without it could not be tested.
 */
const ABSENT = ['usb', 'vmport', 'sata', 'smbus', 'hpet', 'smm', 'i8042', 'dump-guest-core'];

function machineArgs(spec: VmSpec, facts: ArgvFacts): string[] {
  const { vcpus, memoryMib } = spec;
  const most = Math.max(vcpus, spec.maxVcpus ?? 0);
  const maxMib = spec.maxMemoryMib ?? 0;
  const off = ABSENT.map((name) => `${name}=off`).join(',');
  return [
    ...['-name', `guest=bulkhead-${spec.id.replace(/[^A-Za-z0-9_.-]/g, '_')},debug-threads=on`],
    ...['-machine', `q35,memory-backend=ram,${off}`],
    // A patch for 32-bit guests that do not handle APICs well.
    ...['-global', 'apic-common.vapic=off'],
    ...['-accel', facts.accelerator === 'kvm' ? 'kvm' : `tcg,tb-size=${TRANSLATION_MIB}`],
    ...['-cpu', facts.accelerator === 'kvm' ? 'host' : TCG_CPU],
    ...['-smp', `cpus=${vcpus},maxcpus=${most},sockets=1,cores=${most},threads=1`],
    ...['-m', `${memoryMib}M${maxMib > memoryMib ? `,maxmem=${maxMib}M` : ''}`],
    // Shared, so that the files daemon can access the guest's buffers.
    ...['-object', `memory-backend-memfd,id=ram,size=${spec.memoryMib}M,share=${spec.shared ? 'on' : 'off'}`],
  ];
}

/** Passes an inherited descriptor to the block layer, in a set of the same number. */
function fdSetArgs(fd: number): string[] {
  return ['-add-fd', `fd=${fd},set=${fd}`];
}

function bootArgs(spec: VmSpec, facts: ArgvFacts, imageKind: 'file' | 'host_device'): string[] {
  return [
    ...['-kernel', facts.kernel, '-append', kernelCommandLine(spec, facts)],
    ...fdSetArgs(FD.image),
    ...json('-blockdev', blockNode('image', fdSetPath(FD.image), true, imageKind)),
    ...json('-device', diskDevice('disk-image', 'image', 'bulkhead-image')),
  ];
}

function channelArgs(): string[] {
  return [
    ...['-chardev', `socket,id=qmp,fd=${FD.qmp}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=agent,fd=${FD.agent}`],
    ...['-device', 'virtio-serial-pci,id=serial,max_ports=4,disable-legacy=on'],
    ...['-device', `virtserialport,bus=serial.0,chardev=agent,name=${AGENT_PORT}`],
    ...['-chardev', `socket,id=console,fd=${FD.console}`, '-serial', 'chardev:console'],
  ];
}

function shareArgs(): string[] {
  return [
    ...['-chardev', `socket,id=fs,fd=${FD.share}`],
    ...['-device', `vhost-user-fs-pci,chardev=fs,tag=${SHARE_TAG},queue-size=1024`],
  ];
}

function diskArgs(disk: DiskSpec, fd: number, kind: 'file' | 'host_device'): string[] {
  return [
    ...fdSetArgs(fd),
    ...json('-blockdev', blockNode(`node-${disk.serial}`, fdSetPath(fd), disk.readOnly, kind)),
    ...json('-device', diskDevice(`disk-${disk.serial}`, `node-${disk.serial}`, disk.serial)),
  ];
}

function nicArgs(nic: NicSpec): string[] {
  return [...json('-netdev', nicBackend(nic)), ...json('-device', nicDevice(nic))];
}

/**
 * The whole command line. Boot devices are on the root bus, which does not support hot-plug.
 * @param kindOf whether a disk's path is a file or a block device.
 */
export function qemuArgv(
  spec: VmSpec,
  facts: ArgvFacts,
  kindOf: (path: string) => 'file' | 'host_device' = () => 'file',
): string[] {
  return [
    spec.hypervisorPath,
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot'],
    // The event is enough: the guest reports its panic before it has printed why, and resets itself afterwards.
    ...['-action', 'panic=none'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...machineArgs(spec, facts),
    ...bootArgs(spec, facts, kindOf(spec.image)),
    ...channelArgs(),
    ...['-device', 'virtio-rng-pci,disable-legacy=on', '-device', 'pvpanic'],
    // Returns memory that the guest has freed to the host.
    ...['-device', 'virtio-balloon-pci,disable-legacy=on,free-page-reporting=on'],
    ...(spec.shared ? shareArgs() : []),
    ...(spec.disks ?? []).flatMap((disk, index) => diskArgs(disk, FD.image + 1 + index, kindOf(disk.path))),
    ...(spec.nics ?? []).flatMap(nicArgs),
    ...['-device', `pcie-pci-bridge,id=${HOT_PLUG_BUS}`],
  ];
}
