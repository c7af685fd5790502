// Generated from proto/types.proto, proto/oci.proto, proto/csi.proto, proto/agent.proto, proto/health.proto by scripts/gen.ts; do not edit.
import type { ServiceSpec } from 'ttrpc-ts';
import { Empty } from './google.ts';
import { message, unary, type Message } from './wire.ts';

export const IPFamily = {
  v4: 0,
  v6: 1,
} as const;
export type IPFamily = (typeof IPFamily)[keyof typeof IPFamily];

export const FSGroupChangePolicy = {
  Always: 0,
  OnRootMismatch: 1,
} as const;
export type FSGroupChangePolicy = (typeof FSGroupChangePolicy)[keyof typeof FSGroupChangePolicy];

export interface IPAddress {
  family: IPFamily;
  address: string;
  mask: string;
}
export const IPAddress: Message<IPAddress> = message<IPAddress>(
  (init) => ({
    family: init.family ?? (0 as IPFamily),
    address: init.address ?? '',
    mask: init.mask ?? '',
  }),
  (out, from) => {
    if (from.family) out.tag(8).int32(from.family);
    if (from.address) out.tag(18).string(from.address);
    if (from.mask) out.tag(26).string(from.mask);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.family = input.int32() as IPFamily;
        return true;
      case 18:
        into.address = input.string();
        return true;
      case 26:
        into.mask = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface Interface {
  device: string;
  name: string;
  ipAddresses: IPAddress[];
  mtu: bigint;
  hwAddr: string;
  devicePath: string;
  type: string;
  rawFlags: number;
}
export const Interface: Message<Interface> = message<Interface>(
  (init) => ({
    device: init.device ?? '',
    name: init.name ?? '',
    ipAddresses: (init.ipAddresses ?? []).map(IPAddress.create),
    mtu: init.mtu ?? 0n,
    hwAddr: init.hwAddr ?? '',
    devicePath: init.devicePath ?? '',
    type: init.type ?? '',
    rawFlags: init.rawFlags ?? 0,
  }),
  (out, from) => {
    if (from.device) out.tag(10).string(from.device);
    if (from.name) out.tag(18).string(from.name);
    for (const value of from.ipAddresses ?? []) out.message(26, IPAddress, value);
    if (from.mtu) out.tag(32).u64(from.mtu);
    if (from.hwAddr) out.tag(42).string(from.hwAddr);
    if (from.devicePath) out.tag(50).string(from.devicePath);
    if (from.type) out.tag(58).string(from.type);
    if (from.rawFlags) out.tag(64).uint32(from.rawFlags);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.device = input.string();
        return true;
      case 18:
        into.name = input.string();
        return true;
      case 26:
        input.count();
        into.ipAddresses.push(input.message(IPAddress));
        return true;
      case 32:
        into.mtu = input.u64();
        return true;
      case 42:
        into.hwAddr = input.string();
        return true;
      case 50:
        into.devicePath = input.string();
        return true;
      case 58:
        into.type = input.string();
        return true;
      case 64:
        into.rawFlags = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface Route {
  dest: string;
  gateway: string;
  device: string;
  source: string;
  scope: number;
  family: IPFamily;
  flags: number;
  mtu: number;
}
export const Route: Message<Route> = message<Route>(
  (init) => ({
    dest: init.dest ?? '',
    gateway: init.gateway ?? '',
    device: init.device ?? '',
    source: init.source ?? '',
    scope: init.scope ?? 0,
    family: init.family ?? (0 as IPFamily),
    flags: init.flags ?? 0,
    mtu: init.mtu ?? 0,
  }),
  (out, from) => {
    if (from.dest) out.tag(10).string(from.dest);
    if (from.gateway) out.tag(18).string(from.gateway);
    if (from.device) out.tag(26).string(from.device);
    if (from.source) out.tag(34).string(from.source);
    if (from.scope) out.tag(40).uint32(from.scope);
    if (from.family) out.tag(48).int32(from.family);
    if (from.flags) out.tag(56).uint32(from.flags);
    if (from.mtu) out.tag(64).uint32(from.mtu);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.dest = input.string();
        return true;
      case 18:
        into.gateway = input.string();
        return true;
      case 26:
        into.device = input.string();
        return true;
      case 34:
        into.source = input.string();
        return true;
      case 40:
        into.scope = input.uint32();
        return true;
      case 48:
        into.family = input.int32() as IPFamily;
        return true;
      case 56:
        into.flags = input.uint32();
        return true;
      case 64:
        into.mtu = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface ARPNeighbor {
  toIPAddress?: IPAddress | undefined;
  device: string;
  lladdr: string;
  state: number;
  flags: number;
}
export const ARPNeighbor: Message<ARPNeighbor> = message<ARPNeighbor>(
  (init) => ({
    toIPAddress: init.toIPAddress && IPAddress.create(init.toIPAddress),
    device: init.device ?? '',
    lladdr: init.lladdr ?? '',
    state: init.state ?? 0,
    flags: init.flags ?? 0,
  }),
  (out, from) => {
    if (from.toIPAddress) out.message(10, IPAddress, from.toIPAddress);
    if (from.device) out.tag(18).string(from.device);
    if (from.lladdr) out.tag(26).string(from.lladdr);
    if (from.state) out.tag(32).int32(from.state);
    if (from.flags) out.tag(40).int32(from.flags);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.toIPAddress = input.message(IPAddress, into.toIPAddress);
        return true;
      case 18:
        into.device = input.string();
        return true;
      case 26:
        into.lladdr = input.string();
        return true;
      case 32:
        into.state = input.int32();
        return true;
      case 40:
        into.flags = input.int32();
        return true;
      default:
        return false;
    }
  },
);

export interface Spec {
  version: string;
  process?: Process | undefined;
  root?: Root | undefined;
  hostname: string;
  mounts: Mount[];
  hooks?: Hooks | undefined;
  annotations: Map<string, string>;
  linux?: Linux | undefined;
  solaris?: Solaris | undefined;
  windows?: Windows | undefined;
}
export const Spec: Message<Spec> = message<Spec>(
  (init) => ({
    version: init.version ?? '',
    process: init.process && Process.create(init.process),
    root: init.root && Root.create(init.root),
    hostname: init.hostname ?? '',
    mounts: (init.mounts ?? []).map(Mount.create),
    hooks: init.hooks && Hooks.create(init.hooks),
    annotations: new Map(init.annotations),
    linux: init.linux && Linux.create(init.linux),
    solaris: init.solaris && Solaris.create(init.solaris),
    windows: init.windows && Windows.create(init.windows),
  }),
  (out, from) => {
    if (from.version) out.tag(10).string(from.version);
    if (from.process) out.message(18, Process, from.process);
    if (from.root) out.message(26, Root, from.root);
    if (from.hostname) out.tag(34).string(from.hostname);
    for (const value of from.mounts ?? []) out.message(42, Mount, value);
    if (from.hooks) out.message(50, Hooks, from.hooks);
    for (const [key, value] of from.annotations ?? []) {
      const start = out.tag(58).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
    if (from.linux) out.message(66, Linux, from.linux);
    if (from.solaris) out.message(74, Solaris, from.solaris);
    if (from.windows) out.message(82, Windows, from.windows);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.version = input.string();
        return true;
      case 18:
        into.process = input.message(Process, into.process);
        return true;
      case 26:
        into.root = input.message(Root, into.root);
        return true;
      case 34:
        into.hostname = input.string();
        return true;
      case 42:
        input.count();
        into.mounts.push(input.message(Mount));
        return true;
      case 50:
        into.hooks = input.message(Hooks, into.hooks);
        return true;
      case 58: {
        let key: string = '';
        let value: string = '';
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 18) value = input.string();
          else return false;
          return true;
        });
        into.annotations.set(key, value);
        return true;
      }
      case 66:
        into.linux = input.message(Linux, into.linux);
        return true;
      case 74:
        into.solaris = input.message(Solaris, into.solaris);
        return true;
      case 82:
        into.windows = input.message(Windows, into.windows);
        return true;
      default:
        return false;
    }
  },
);

export interface Process {
  terminal: boolean;
  consoleSize?: Box | undefined;
  user?: User | undefined;
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: LinuxCapabilities | undefined;
  rlimits: POSIXRlimit[];
  noNewPrivileges: boolean;
  apparmorProfile: string;
  oomScoreAdj: bigint;
  selinuxLabel: string;
}
export const Process: Message<Process> = message<Process>(
  (init) => ({
    terminal: init.terminal ?? false,
    consoleSize: init.consoleSize && Box.create(init.consoleSize),
    user: init.user && User.create(init.user),
    args: [...(init.args ?? [])],
    env: [...(init.env ?? [])],
    cwd: init.cwd ?? '',
    capabilities: init.capabilities && LinuxCapabilities.create(init.capabilities),
    rlimits: (init.rlimits ?? []).map(POSIXRlimit.create),
    noNewPrivileges: init.noNewPrivileges ?? false,
    apparmorProfile: init.apparmorProfile ?? '',
    oomScoreAdj: init.oomScoreAdj ?? 0n,
    selinuxLabel: init.selinuxLabel ?? '',
  }),
  (out, from) => {
    if (from.terminal) out.tag(8).bool(from.terminal);
    if (from.consoleSize) out.message(18, Box, from.consoleSize);
    if (from.user) out.message(26, User, from.user);
    for (const value of from.args ?? []) out.tag(34).string(value);
    for (const value of from.env ?? []) out.tag(42).string(value);
    if (from.cwd) out.tag(50).string(from.cwd);
    if (from.capabilities) out.message(58, LinuxCapabilities, from.capabilities);
    for (const value of from.rlimits ?? []) out.message(66, POSIXRlimit, value);
    if (from.noNewPrivileges) out.tag(72).bool(from.noNewPrivileges);
    if (from.apparmorProfile) out.tag(82).string(from.apparmorProfile);
    if (from.oomScoreAdj) out.tag(88).u64(from.oomScoreAdj);
    if (from.selinuxLabel) out.tag(98).string(from.selinuxLabel);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.terminal = input.bool();
        return true;
      case 18:
        into.consoleSize = input.message(Box, into.consoleSize);
        return true;
      case 26:
        into.user = input.message(User, into.user);
        return true;
      case 34:
        input.count();
        into.args.push(input.string());
        return true;
      case 42:
        input.count();
        into.env.push(input.string());
        return true;
      case 50:
        into.cwd = input.string();
        return true;
      case 58:
        into.capabilities = input.message(LinuxCapabilities, into.capabilities);
        return true;
      case 66:
        input.count();
        into.rlimits.push(input.message(POSIXRlimit));
        return true;
      case 72:
        into.noNewPrivileges = input.bool();
        return true;
      case 82:
        into.apparmorProfile = input.string();
        return true;
      case 88:
        into.oomScoreAdj = input.i64();
        return true;
      case 98:
        into.selinuxLabel = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface Box {
  height: number;
  width: number;
}
export const Box: Message<Box> = message<Box>(
  (init) => ({
    height: init.height ?? 0,
    width: init.width ?? 0,
  }),
  (out, from) => {
    if (from.height) out.tag(8).uint32(from.height);
    if (from.width) out.tag(16).uint32(from.width);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.height = input.uint32();
        return true;
      case 16:
        into.width = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface User {
  uid: number;
  gid: number;
  additionalGids: number[];
  username: string;
}
export const User: Message<User> = message<User>(
  (init) => ({
    uid: init.uid ?? 0,
    gid: init.gid ?? 0,
    additionalGids: [...(init.additionalGids ?? [])],
    username: init.username ?? '',
  }),
  (out, from) => {
    if (from.uid) out.tag(8).uint32(from.uid);
    if (from.gid) out.tag(16).uint32(from.gid);
    if (from.additionalGids?.length) {
      const start = out.tag(26).begin();
      for (const value of from.additionalGids) out.uint32(value);
      out.end(start);
    }
    if (from.username) out.tag(34).string(from.username);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.uid = input.uint32();
        return true;
      case 16:
        into.gid = input.uint32();
        return true;
      case 24:
        input.count();
        into.additionalGids.push(input.uint32());
        return true;
      case 26:
        input.packed(into.additionalGids, () => input.uint32());
        return true;
      case 34:
        into.username = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxCapabilities {
  bounding: string[];
  effective: string[];
  inheritable: string[];
  permitted: string[];
  ambient: string[];
}
export const LinuxCapabilities: Message<LinuxCapabilities> = message<LinuxCapabilities>(
  (init) => ({
    bounding: [...(init.bounding ?? [])],
    effective: [...(init.effective ?? [])],
    inheritable: [...(init.inheritable ?? [])],
    permitted: [...(init.permitted ?? [])],
    ambient: [...(init.ambient ?? [])],
  }),
  (out, from) => {
    for (const value of from.bounding ?? []) out.tag(10).string(value);
    for (const value of from.effective ?? []) out.tag(18).string(value);
    for (const value of from.inheritable ?? []) out.tag(26).string(value);
    for (const value of from.permitted ?? []) out.tag(34).string(value);
    for (const value of from.ambient ?? []) out.tag(42).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.bounding.push(input.string());
        return true;
      case 18:
        input.count();
        into.effective.push(input.string());
        return true;
      case 26:
        input.count();
        into.inheritable.push(input.string());
        return true;
      case 34:
        input.count();
        into.permitted.push(input.string());
        return true;
      case 42:
        input.count();
        into.ambient.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface POSIXRlimit {
  type: string;
  hard: bigint;
  soft: bigint;
}
export const POSIXRlimit: Message<POSIXRlimit> = message<POSIXRlimit>(
  (init) => ({
    type: init.type ?? '',
    hard: init.hard ?? 0n,
    soft: init.soft ?? 0n,
  }),
  (out, from) => {
    if (from.type) out.tag(10).string(from.type);
    if (from.hard) out.tag(16).u64(from.hard);
    if (from.soft) out.tag(24).u64(from.soft);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.type = input.string();
        return true;
      case 16:
        into.hard = input.u64();
        return true;
      case 24:
        into.soft = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface Mount {
  destination: string;
  source: string;
  type: string;
  options: string[];
}
export const Mount: Message<Mount> = message<Mount>(
  (init) => ({
    destination: init.destination ?? '',
    source: init.source ?? '',
    type: init.type ?? '',
    options: [...(init.options ?? [])],
  }),
  (out, from) => {
    if (from.destination) out.tag(10).string(from.destination);
    if (from.source) out.tag(18).string(from.source);
    if (from.type) out.tag(26).string(from.type);
    for (const value of from.options ?? []) out.tag(34).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.destination = input.string();
        return true;
      case 18:
        into.source = input.string();
        return true;
      case 26:
        into.type = input.string();
        return true;
      case 34:
        input.count();
        into.options.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface Root {
  path: string;
  readonly: boolean;
}
export const Root: Message<Root> = message<Root>(
  (init) => ({
    path: init.path ?? '',
    readonly: init.readonly ?? false,
  }),
  (out, from) => {
    if (from.path) out.tag(10).string(from.path);
    if (from.readonly) out.tag(16).bool(from.readonly);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.path = input.string();
        return true;
      case 16:
        into.readonly = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface Hooks {
  prestart: Hook[];
  poststart: Hook[];
  poststop: Hook[];
  createRuntime: Hook[];
  createContainer: Hook[];
  startContainer: Hook[];
}
export const Hooks: Message<Hooks> = message<Hooks>(
  (init) => ({
    prestart: (init.prestart ?? []).map(Hook.create),
    poststart: (init.poststart ?? []).map(Hook.create),
    poststop: (init.poststop ?? []).map(Hook.create),
    createRuntime: (init.createRuntime ?? []).map(Hook.create),
    createContainer: (init.createContainer ?? []).map(Hook.create),
    startContainer: (init.startContainer ?? []).map(Hook.create),
  }),
  (out, from) => {
    for (const value of from.prestart ?? []) out.message(10, Hook, value);
    for (const value of from.poststart ?? []) out.message(18, Hook, value);
    for (const value of from.poststop ?? []) out.message(26, Hook, value);
    for (const value of from.createRuntime ?? []) out.message(34, Hook, value);
    for (const value of from.createContainer ?? []) out.message(42, Hook, value);
    for (const value of from.startContainer ?? []) out.message(50, Hook, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.prestart.push(input.message(Hook));
        return true;
      case 18:
        input.count();
        into.poststart.push(input.message(Hook));
        return true;
      case 26:
        input.count();
        into.poststop.push(input.message(Hook));
        return true;
      case 34:
        input.count();
        into.createRuntime.push(input.message(Hook));
        return true;
      case 42:
        input.count();
        into.createContainer.push(input.message(Hook));
        return true;
      case 50:
        input.count();
        into.startContainer.push(input.message(Hook));
        return true;
      default:
        return false;
    }
  },
);

export interface Hook {
  path: string;
  args: string[];
  env: string[];
  timeout: bigint;
}
export const Hook: Message<Hook> = message<Hook>(
  (init) => ({
    path: init.path ?? '',
    args: [...(init.args ?? [])],
    env: [...(init.env ?? [])],
    timeout: init.timeout ?? 0n,
  }),
  (out, from) => {
    if (from.path) out.tag(10).string(from.path);
    for (const value of from.args ?? []) out.tag(18).string(value);
    for (const value of from.env ?? []) out.tag(26).string(value);
    if (from.timeout) out.tag(32).u64(from.timeout);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.path = input.string();
        return true;
      case 18:
        input.count();
        into.args.push(input.string());
        return true;
      case 26:
        input.count();
        into.env.push(input.string());
        return true;
      case 32:
        into.timeout = input.i64();
        return true;
      default:
        return false;
    }
  },
);

export interface Linux {
  uidMappings: LinuxIDMapping[];
  gidMappings: LinuxIDMapping[];
  sysctl: Map<string, string>;
  resources?: LinuxResources | undefined;
  cgroupsPath: string;
  namespaces: LinuxNamespace[];
  devices: LinuxDevice[];
  seccomp?: LinuxSeccomp | undefined;
  rootfsPropagation: string;
  maskedPaths: string[];
  readonlyPaths: string[];
  mountLabel: string;
  intelRdt?: LinuxIntelRdt | undefined;
}
export const Linux: Message<Linux> = message<Linux>(
  (init) => ({
    uidMappings: (init.uidMappings ?? []).map(LinuxIDMapping.create),
    gidMappings: (init.gidMappings ?? []).map(LinuxIDMapping.create),
    sysctl: new Map(init.sysctl),
    resources: init.resources && LinuxResources.create(init.resources),
    cgroupsPath: init.cgroupsPath ?? '',
    namespaces: (init.namespaces ?? []).map(LinuxNamespace.create),
    devices: (init.devices ?? []).map(LinuxDevice.create),
    seccomp: init.seccomp && LinuxSeccomp.create(init.seccomp),
    rootfsPropagation: init.rootfsPropagation ?? '',
    maskedPaths: [...(init.maskedPaths ?? [])],
    readonlyPaths: [...(init.readonlyPaths ?? [])],
    mountLabel: init.mountLabel ?? '',
    intelRdt: init.intelRdt && LinuxIntelRdt.create(init.intelRdt),
  }),
  (out, from) => {
    for (const value of from.uidMappings ?? []) out.message(10, LinuxIDMapping, value);
    for (const value of from.gidMappings ?? []) out.message(18, LinuxIDMapping, value);
    for (const [key, value] of from.sysctl ?? []) {
      const start = out.tag(26).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
    if (from.resources) out.message(34, LinuxResources, from.resources);
    if (from.cgroupsPath) out.tag(42).string(from.cgroupsPath);
    for (const value of from.namespaces ?? []) out.message(50, LinuxNamespace, value);
    for (const value of from.devices ?? []) out.message(58, LinuxDevice, value);
    if (from.seccomp) out.message(66, LinuxSeccomp, from.seccomp);
    if (from.rootfsPropagation) out.tag(74).string(from.rootfsPropagation);
    for (const value of from.maskedPaths ?? []) out.tag(82).string(value);
    for (const value of from.readonlyPaths ?? []) out.tag(90).string(value);
    if (from.mountLabel) out.tag(98).string(from.mountLabel);
    if (from.intelRdt) out.message(106, LinuxIntelRdt, from.intelRdt);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.uidMappings.push(input.message(LinuxIDMapping));
        return true;
      case 18:
        input.count();
        into.gidMappings.push(input.message(LinuxIDMapping));
        return true;
      case 26: {
        let key: string = '';
        let value: string = '';
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 18) value = input.string();
          else return false;
          return true;
        });
        into.sysctl.set(key, value);
        return true;
      }
      case 34:
        into.resources = input.message(LinuxResources, into.resources);
        return true;
      case 42:
        into.cgroupsPath = input.string();
        return true;
      case 50:
        input.count();
        into.namespaces.push(input.message(LinuxNamespace));
        return true;
      case 58:
        input.count();
        into.devices.push(input.message(LinuxDevice));
        return true;
      case 66:
        into.seccomp = input.message(LinuxSeccomp, into.seccomp);
        return true;
      case 74:
        into.rootfsPropagation = input.string();
        return true;
      case 82:
        input.count();
        into.maskedPaths.push(input.string());
        return true;
      case 90:
        input.count();
        into.readonlyPaths.push(input.string());
        return true;
      case 98:
        into.mountLabel = input.string();
        return true;
      case 106:
        into.intelRdt = input.message(LinuxIntelRdt, into.intelRdt);
        return true;
      default:
        return false;
    }
  },
);

export interface Windows {
  dummy: string;
}
export const Windows: Message<Windows> = message<Windows>(
  (init) => ({
    dummy: init.dummy ?? '',
  }),
  (out, from) => {
    if (from.dummy) out.tag(10).string(from.dummy);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.dummy = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface Solaris {
  dummy: string;
}
export const Solaris: Message<Solaris> = message<Solaris>(
  (init) => ({
    dummy: init.dummy ?? '',
  }),
  (out, from) => {
    if (from.dummy) out.tag(10).string(from.dummy);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.dummy = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxIDMapping {
  hostID: number;
  containerID: number;
  size: number;
}
export const LinuxIDMapping: Message<LinuxIDMapping> = message<LinuxIDMapping>(
  (init) => ({
    hostID: init.hostID ?? 0,
    containerID: init.containerID ?? 0,
    size: init.size ?? 0,
  }),
  (out, from) => {
    if (from.hostID) out.tag(8).uint32(from.hostID);
    if (from.containerID) out.tag(16).uint32(from.containerID);
    if (from.size) out.tag(24).uint32(from.size);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.hostID = input.uint32();
        return true;
      case 16:
        into.containerID = input.uint32();
        return true;
      case 24:
        into.size = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxNamespace {
  type: string;
  path: string;
}
export const LinuxNamespace: Message<LinuxNamespace> = message<LinuxNamespace>(
  (init) => ({
    type: init.type ?? '',
    path: init.path ?? '',
  }),
  (out, from) => {
    if (from.type) out.tag(10).string(from.type);
    if (from.path) out.tag(18).string(from.path);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.type = input.string();
        return true;
      case 18:
        into.path = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxDevice {
  path: string;
  type: string;
  major: bigint;
  minor: bigint;
  fileMode: number;
  uid: number;
  gid: number;
}
export const LinuxDevice: Message<LinuxDevice> = message<LinuxDevice>(
  (init) => ({
    path: init.path ?? '',
    type: init.type ?? '',
    major: init.major ?? 0n,
    minor: init.minor ?? 0n,
    fileMode: init.fileMode ?? 0,
    uid: init.uid ?? 0,
    gid: init.gid ?? 0,
  }),
  (out, from) => {
    if (from.path) out.tag(10).string(from.path);
    if (from.type) out.tag(18).string(from.type);
    if (from.major) out.tag(24).u64(from.major);
    if (from.minor) out.tag(32).u64(from.minor);
    if (from.fileMode) out.tag(40).uint32(from.fileMode);
    if (from.uid) out.tag(48).uint32(from.uid);
    if (from.gid) out.tag(56).uint32(from.gid);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.path = input.string();
        return true;
      case 18:
        into.type = input.string();
        return true;
      case 24:
        into.major = input.i64();
        return true;
      case 32:
        into.minor = input.i64();
        return true;
      case 40:
        into.fileMode = input.uint32();
        return true;
      case 48:
        into.uid = input.uint32();
        return true;
      case 56:
        into.gid = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxResources {
  devices: LinuxDeviceCgroup[];
  memory?: LinuxMemory | undefined;
  cpu?: LinuxCPU | undefined;
  pids?: LinuxPids | undefined;
  blockIO?: LinuxBlockIO | undefined;
  hugepageLimits: LinuxHugepageLimit[];
  network?: LinuxNetwork | undefined;
}
export const LinuxResources: Message<LinuxResources> = message<LinuxResources>(
  (init) => ({
    devices: (init.devices ?? []).map(LinuxDeviceCgroup.create),
    memory: init.memory && LinuxMemory.create(init.memory),
    cpu: init.cpu && LinuxCPU.create(init.cpu),
    pids: init.pids && LinuxPids.create(init.pids),
    blockIO: init.blockIO && LinuxBlockIO.create(init.blockIO),
    hugepageLimits: (init.hugepageLimits ?? []).map(LinuxHugepageLimit.create),
    network: init.network && LinuxNetwork.create(init.network),
  }),
  (out, from) => {
    for (const value of from.devices ?? []) out.message(10, LinuxDeviceCgroup, value);
    if (from.memory) out.message(18, LinuxMemory, from.memory);
    if (from.cpu) out.message(26, LinuxCPU, from.cpu);
    if (from.pids) out.message(34, LinuxPids, from.pids);
    if (from.blockIO) out.message(42, LinuxBlockIO, from.blockIO);
    for (const value of from.hugepageLimits ?? []) out.message(50, LinuxHugepageLimit, value);
    if (from.network) out.message(58, LinuxNetwork, from.network);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.devices.push(input.message(LinuxDeviceCgroup));
        return true;
      case 18:
        into.memory = input.message(LinuxMemory, into.memory);
        return true;
      case 26:
        into.cpu = input.message(LinuxCPU, into.cpu);
        return true;
      case 34:
        into.pids = input.message(LinuxPids, into.pids);
        return true;
      case 42:
        into.blockIO = input.message(LinuxBlockIO, into.blockIO);
        return true;
      case 50:
        input.count();
        into.hugepageLimits.push(input.message(LinuxHugepageLimit));
        return true;
      case 58:
        into.network = input.message(LinuxNetwork, into.network);
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxMemory {
  limit: bigint;
  reservation: bigint;
  swap: bigint;
  kernel: bigint;
  kernelTCP: bigint;
  swappiness: bigint;
  disableOOMKiller: boolean;
}
export const LinuxMemory: Message<LinuxMemory> = message<LinuxMemory>(
  (init) => ({
    limit: init.limit ?? 0n,
    reservation: init.reservation ?? 0n,
    swap: init.swap ?? 0n,
    kernel: init.kernel ?? 0n,
    kernelTCP: init.kernelTCP ?? 0n,
    swappiness: init.swappiness ?? 0n,
    disableOOMKiller: init.disableOOMKiller ?? false,
  }),
  (out, from) => {
    if (from.limit) out.tag(8).u64(from.limit);
    if (from.reservation) out.tag(16).u64(from.reservation);
    if (from.swap) out.tag(24).u64(from.swap);
    if (from.kernel) out.tag(32).u64(from.kernel);
    if (from.kernelTCP) out.tag(40).u64(from.kernelTCP);
    if (from.swappiness) out.tag(48).u64(from.swappiness);
    if (from.disableOOMKiller) out.tag(56).bool(from.disableOOMKiller);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.limit = input.i64();
        return true;
      case 16:
        into.reservation = input.i64();
        return true;
      case 24:
        into.swap = input.i64();
        return true;
      case 32:
        into.kernel = input.i64();
        return true;
      case 40:
        into.kernelTCP = input.i64();
        return true;
      case 48:
        into.swappiness = input.u64();
        return true;
      case 56:
        into.disableOOMKiller = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxCPU {
  shares: bigint;
  quota: bigint;
  period: bigint;
  realtimeRuntime: bigint;
  realtimePeriod: bigint;
  cpus: string;
  mems: string;
}
export const LinuxCPU: Message<LinuxCPU> = message<LinuxCPU>(
  (init) => ({
    shares: init.shares ?? 0n,
    quota: init.quota ?? 0n,
    period: init.period ?? 0n,
    realtimeRuntime: init.realtimeRuntime ?? 0n,
    realtimePeriod: init.realtimePeriod ?? 0n,
    cpus: init.cpus ?? '',
    mems: init.mems ?? '',
  }),
  (out, from) => {
    if (from.shares) out.tag(8).u64(from.shares);
    if (from.quota) out.tag(16).u64(from.quota);
    if (from.period) out.tag(24).u64(from.period);
    if (from.realtimeRuntime) out.tag(32).u64(from.realtimeRuntime);
    if (from.realtimePeriod) out.tag(40).u64(from.realtimePeriod);
    if (from.cpus) out.tag(50).string(from.cpus);
    if (from.mems) out.tag(58).string(from.mems);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.shares = input.u64();
        return true;
      case 16:
        into.quota = input.i64();
        return true;
      case 24:
        into.period = input.u64();
        return true;
      case 32:
        into.realtimeRuntime = input.i64();
        return true;
      case 40:
        into.realtimePeriod = input.u64();
        return true;
      case 50:
        into.cpus = input.string();
        return true;
      case 58:
        into.mems = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxWeightDevice {
  major: bigint;
  minor: bigint;
  weight: number;
  leafWeight: number;
}
export const LinuxWeightDevice: Message<LinuxWeightDevice> = message<LinuxWeightDevice>(
  (init) => ({
    major: init.major ?? 0n,
    minor: init.minor ?? 0n,
    weight: init.weight ?? 0,
    leafWeight: init.leafWeight ?? 0,
  }),
  (out, from) => {
    if (from.major) out.tag(8).u64(from.major);
    if (from.minor) out.tag(16).u64(from.minor);
    if (from.weight) out.tag(24).uint32(from.weight);
    if (from.leafWeight) out.tag(32).uint32(from.leafWeight);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.major = input.i64();
        return true;
      case 16:
        into.minor = input.i64();
        return true;
      case 24:
        into.weight = input.uint32();
        return true;
      case 32:
        into.leafWeight = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxThrottleDevice {
  major: bigint;
  minor: bigint;
  rate: bigint;
}
export const LinuxThrottleDevice: Message<LinuxThrottleDevice> = message<LinuxThrottleDevice>(
  (init) => ({
    major: init.major ?? 0n,
    minor: init.minor ?? 0n,
    rate: init.rate ?? 0n,
  }),
  (out, from) => {
    if (from.major) out.tag(8).u64(from.major);
    if (from.minor) out.tag(16).u64(from.minor);
    if (from.rate) out.tag(24).u64(from.rate);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.major = input.i64();
        return true;
      case 16:
        into.minor = input.i64();
        return true;
      case 24:
        into.rate = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxBlockIO {
  weight: number;
  leafWeight: number;
  weightDevice: LinuxWeightDevice[];
  throttleReadBpsDevice: LinuxThrottleDevice[];
  throttleWriteBpsDevice: LinuxThrottleDevice[];
  throttleReadIOPSDevice: LinuxThrottleDevice[];
  throttleWriteIOPSDevice: LinuxThrottleDevice[];
}
export const LinuxBlockIO: Message<LinuxBlockIO> = message<LinuxBlockIO>(
  (init) => ({
    weight: init.weight ?? 0,
    leafWeight: init.leafWeight ?? 0,
    weightDevice: (init.weightDevice ?? []).map(LinuxWeightDevice.create),
    throttleReadBpsDevice: (init.throttleReadBpsDevice ?? []).map(LinuxThrottleDevice.create),
    throttleWriteBpsDevice: (init.throttleWriteBpsDevice ?? []).map(LinuxThrottleDevice.create),
    throttleReadIOPSDevice: (init.throttleReadIOPSDevice ?? []).map(LinuxThrottleDevice.create),
    throttleWriteIOPSDevice: (init.throttleWriteIOPSDevice ?? []).map(LinuxThrottleDevice.create),
  }),
  (out, from) => {
    if (from.weight) out.tag(8).uint32(from.weight);
    if (from.leafWeight) out.tag(16).uint32(from.leafWeight);
    for (const value of from.weightDevice ?? []) out.message(26, LinuxWeightDevice, value);
    for (const value of from.throttleReadBpsDevice ?? []) out.message(34, LinuxThrottleDevice, value);
    for (const value of from.throttleWriteBpsDevice ?? []) out.message(42, LinuxThrottleDevice, value);
    for (const value of from.throttleReadIOPSDevice ?? []) out.message(50, LinuxThrottleDevice, value);
    for (const value of from.throttleWriteIOPSDevice ?? []) out.message(58, LinuxThrottleDevice, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.weight = input.uint32();
        return true;
      case 16:
        into.leafWeight = input.uint32();
        return true;
      case 26:
        input.count();
        into.weightDevice.push(input.message(LinuxWeightDevice));
        return true;
      case 34:
        input.count();
        into.throttleReadBpsDevice.push(input.message(LinuxThrottleDevice));
        return true;
      case 42:
        input.count();
        into.throttleWriteBpsDevice.push(input.message(LinuxThrottleDevice));
        return true;
      case 50:
        input.count();
        into.throttleReadIOPSDevice.push(input.message(LinuxThrottleDevice));
        return true;
      case 58:
        input.count();
        into.throttleWriteIOPSDevice.push(input.message(LinuxThrottleDevice));
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxPids {
  limit: bigint;
}
export const LinuxPids: Message<LinuxPids> = message<LinuxPids>(
  (init) => ({
    limit: init.limit ?? 0n,
  }),
  (out, from) => {
    if (from.limit) out.tag(8).u64(from.limit);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.limit = input.i64();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxDeviceCgroup {
  allow: boolean;
  type: string;
  major: bigint;
  minor: bigint;
  access: string;
}
export const LinuxDeviceCgroup: Message<LinuxDeviceCgroup> = message<LinuxDeviceCgroup>(
  (init) => ({
    allow: init.allow ?? false,
    type: init.type ?? '',
    major: init.major ?? 0n,
    minor: init.minor ?? 0n,
    access: init.access ?? '',
  }),
  (out, from) => {
    if (from.allow) out.tag(8).bool(from.allow);
    if (from.type) out.tag(18).string(from.type);
    if (from.major) out.tag(24).u64(from.major);
    if (from.minor) out.tag(32).u64(from.minor);
    if (from.access) out.tag(42).string(from.access);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.allow = input.bool();
        return true;
      case 18:
        into.type = input.string();
        return true;
      case 24:
        into.major = input.i64();
        return true;
      case 32:
        into.minor = input.i64();
        return true;
      case 42:
        into.access = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxNetwork {
  classID: number;
  priorities: LinuxInterfacePriority[];
}
export const LinuxNetwork: Message<LinuxNetwork> = message<LinuxNetwork>(
  (init) => ({
    classID: init.classID ?? 0,
    priorities: (init.priorities ?? []).map(LinuxInterfacePriority.create),
  }),
  (out, from) => {
    if (from.classID) out.tag(8).uint32(from.classID);
    for (const value of from.priorities ?? []) out.message(18, LinuxInterfacePriority, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.classID = input.uint32();
        return true;
      case 18:
        input.count();
        into.priorities.push(input.message(LinuxInterfacePriority));
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxHugepageLimit {
  pagesize: string;
  limit: bigint;
}
export const LinuxHugepageLimit: Message<LinuxHugepageLimit> = message<LinuxHugepageLimit>(
  (init) => ({
    pagesize: init.pagesize ?? '',
    limit: init.limit ?? 0n,
  }),
  (out, from) => {
    if (from.pagesize) out.tag(10).string(from.pagesize);
    if (from.limit) out.tag(16).u64(from.limit);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.pagesize = input.string();
        return true;
      case 16:
        into.limit = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxInterfacePriority {
  name: string;
  priority: number;
}
export const LinuxInterfacePriority: Message<LinuxInterfacePriority> = message<LinuxInterfacePriority>(
  (init) => ({
    name: init.name ?? '',
    priority: init.priority ?? 0,
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.priority) out.tag(16).uint32(from.priority);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 16:
        into.priority = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxSeccomp {
  defaultAction: string;
  architectures: string[];
  flags: string[];
  syscalls: LinuxSyscall[];
}
export const LinuxSeccomp: Message<LinuxSeccomp> = message<LinuxSeccomp>(
  (init) => ({
    defaultAction: init.defaultAction ?? '',
    architectures: [...(init.architectures ?? [])],
    flags: [...(init.flags ?? [])],
    syscalls: (init.syscalls ?? []).map(LinuxSyscall.create),
  }),
  (out, from) => {
    if (from.defaultAction) out.tag(10).string(from.defaultAction);
    for (const value of from.architectures ?? []) out.tag(18).string(value);
    for (const value of from.flags ?? []) out.tag(26).string(value);
    for (const value of from.syscalls ?? []) out.message(34, LinuxSyscall, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.defaultAction = input.string();
        return true;
      case 18:
        input.count();
        into.architectures.push(input.string());
        return true;
      case 26:
        input.count();
        into.flags.push(input.string());
        return true;
      case 34:
        input.count();
        into.syscalls.push(input.message(LinuxSyscall));
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxSeccompArg {
  index: bigint;
  value: bigint;
  valueTwo: bigint;
  op: string;
}
export const LinuxSeccompArg: Message<LinuxSeccompArg> = message<LinuxSeccompArg>(
  (init) => ({
    index: init.index ?? 0n,
    value: init.value ?? 0n,
    valueTwo: init.valueTwo ?? 0n,
    op: init.op ?? '',
  }),
  (out, from) => {
    if (from.index) out.tag(8).u64(from.index);
    if (from.value) out.tag(16).u64(from.value);
    if (from.valueTwo) out.tag(24).u64(from.valueTwo);
    if (from.op) out.tag(34).string(from.op);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.index = input.u64();
        return true;
      case 16:
        into.value = input.u64();
        return true;
      case 24:
        into.valueTwo = input.u64();
        return true;
      case 34:
        into.op = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxSyscall {
  names: string[];
  action: string;
  errnoret?: number | undefined;
  args: LinuxSeccompArg[];
}
export const LinuxSyscall: Message<LinuxSyscall> = message<LinuxSyscall>(
  (init) => ({
    names: [...(init.names ?? [])],
    action: init.action ?? '',
    errnoret: init.errnoret,
    args: (init.args ?? []).map(LinuxSeccompArg.create),
  }),
  (out, from) => {
    for (const value of from.names ?? []) out.tag(10).string(value);
    if (from.action) out.tag(18).string(from.action);
    if (from.errnoret !== undefined) out.tag(24).uint32(from.errnoret);
    for (const value of from.args ?? []) out.message(34, LinuxSeccompArg, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.names.push(input.string());
        return true;
      case 18:
        into.action = input.string();
        return true;
      case 24:
        into.errnoret = input.uint32();
        return true;
      case 34:
        input.count();
        into.args.push(input.message(LinuxSeccompArg));
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxIntelRdt {
  l3CacheSchema: string;
}
export const LinuxIntelRdt: Message<LinuxIntelRdt> = message<LinuxIntelRdt>(
  (init) => ({
    l3CacheSchema: init.l3CacheSchema ?? '',
  }),
  (out, from) => {
    if (from.l3CacheSchema) out.tag(10).string(from.l3CacheSchema);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.l3CacheSchema = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface VolumeStatsResponse {
  usage: VolumeUsage[];
  volumeCondition?: VolumeCondition | undefined;
}
export const VolumeStatsResponse: Message<VolumeStatsResponse> = message<VolumeStatsResponse>(
  (init) => ({
    usage: (init.usage ?? []).map(VolumeUsage.create),
    volumeCondition: init.volumeCondition && VolumeCondition.create(init.volumeCondition),
  }),
  (out, from) => {
    for (const value of from.usage ?? []) out.message(10, VolumeUsage, value);
    if (from.volumeCondition) out.message(18, VolumeCondition, from.volumeCondition);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.usage.push(input.message(VolumeUsage));
        return true;
      case 18:
        into.volumeCondition = input.message(VolumeCondition, into.volumeCondition);
        return true;
      default:
        return false;
    }
  },
);

export interface VolumeUsage {
  available: bigint;
  total: bigint;
  used: bigint;
  unit: VolumeUsageUnit;
}
export const VolumeUsage: Message<VolumeUsage> = message<VolumeUsage>(
  (init) => ({
    available: init.available ?? 0n,
    total: init.total ?? 0n,
    used: init.used ?? 0n,
    unit: init.unit ?? (0 as VolumeUsageUnit),
  }),
  (out, from) => {
    if (from.available) out.tag(8).u64(from.available);
    if (from.total) out.tag(16).u64(from.total);
    if (from.used) out.tag(24).u64(from.used);
    if (from.unit) out.tag(32).int32(from.unit);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.available = input.u64();
        return true;
      case 16:
        into.total = input.u64();
        return true;
      case 24:
        into.used = input.u64();
        return true;
      case 32:
        into.unit = input.int32() as VolumeUsageUnit;
        return true;
      default:
        return false;
    }
  },
);

export const VolumeUsageUnit = {
  UNKNOWN: 0,
  BYTES: 1,
  INODES: 2,
} as const;
export type VolumeUsageUnit = (typeof VolumeUsageUnit)[keyof typeof VolumeUsageUnit];

export interface VolumeCondition {
  abnormal: boolean;
  message: string;
}
export const VolumeCondition: Message<VolumeCondition> = message<VolumeCondition>(
  (init) => ({
    abnormal: init.abnormal ?? false,
    message: init.message ?? '',
  }),
  (out, from) => {
    if (from.abnormal) out.tag(8).bool(from.abnormal);
    if (from.message) out.tag(18).string(from.message);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.abnormal = input.bool();
        return true;
      case 18:
        into.message = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface CreateContainerRequest {
  containerId: string;
  execId: string;
  stringUser?: StringUser | undefined;
  devices: Device[];
  storages: Storage[];
  oci?: Spec | undefined;
  sandboxPidns: boolean;
  sharedMounts: SharedMount[];
  stdinPort: number;
  stdoutPort: number;
  stderrPort: number;
  /** bulkhead: the OCI runtime specification, as the exact JSON text. When it is present, `OCI` is not looked at. */
  specJson: Uint8Array;
}
export const CreateContainerRequest: Message<CreateContainerRequest> = message<CreateContainerRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
    stringUser: init.stringUser && StringUser.create(init.stringUser),
    devices: (init.devices ?? []).map(Device.create),
    storages: (init.storages ?? []).map(Storage.create),
    oci: init.oci && Spec.create(init.oci),
    sandboxPidns: init.sandboxPidns ?? false,
    sharedMounts: (init.sharedMounts ?? []).map(SharedMount.create),
    stdinPort: init.stdinPort ?? 0,
    stdoutPort: init.stdoutPort ?? 0,
    stderrPort: init.stderrPort ?? 0,
    specJson: init.specJson ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.stringUser) out.message(26, StringUser, from.stringUser);
    for (const value of from.devices ?? []) out.message(34, Device, value);
    for (const value of from.storages ?? []) out.message(42, Storage, value);
    if (from.oci) out.message(50, Spec, from.oci);
    if (from.sandboxPidns) out.tag(56).bool(from.sandboxPidns);
    for (const value of from.sharedMounts ?? []) out.message(66, SharedMount, value);
    if (from.stdinPort) out.tag(72).uint32(from.stdinPort);
    if (from.stdoutPort) out.tag(80).uint32(from.stdoutPort);
    if (from.stderrPort) out.tag(88).uint32(from.stderrPort);
    if (from.specJson?.length) out.tag(802).bytes(from.specJson);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 26:
        into.stringUser = input.message(StringUser, into.stringUser);
        return true;
      case 34:
        input.count();
        into.devices.push(input.message(Device));
        return true;
      case 42:
        input.count();
        into.storages.push(input.message(Storage));
        return true;
      case 50:
        into.oci = input.message(Spec, into.oci);
        return true;
      case 56:
        into.sandboxPidns = input.bool();
        return true;
      case 66:
        input.count();
        into.sharedMounts.push(input.message(SharedMount));
        return true;
      case 72:
        into.stdinPort = input.uint32();
        return true;
      case 80:
        into.stdoutPort = input.uint32();
        return true;
      case 88:
        into.stderrPort = input.uint32();
        return true;
      case 802:
        into.specJson = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface StartContainerRequest {
  containerId: string;
}
export const StartContainerRequest: Message<StartContainerRequest> = message<StartContainerRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface RemoveContainerRequest {
  containerId: string;
  timeout: number;
}
export const RemoveContainerRequest: Message<RemoveContainerRequest> = message<RemoveContainerRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    timeout: init.timeout ?? 0,
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.timeout) out.tag(16).uint32(from.timeout);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 16:
        into.timeout = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface ExecProcessRequest {
  containerId: string;
  execId: string;
  stringUser?: StringUser | undefined;
  process?: Process | undefined;
  stdinPort: number;
  stdoutPort: number;
  stderrPort: number;
  /** bulkhead: the OCI process object, as the exact JSON text. When it is present, `process` is not looked at. */
  processJson: Uint8Array;
}
export const ExecProcessRequest: Message<ExecProcessRequest> = message<ExecProcessRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
    stringUser: init.stringUser && StringUser.create(init.stringUser),
    process: init.process && Process.create(init.process),
    stdinPort: init.stdinPort ?? 0,
    stdoutPort: init.stdoutPort ?? 0,
    stderrPort: init.stderrPort ?? 0,
    processJson: init.processJson ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.stringUser) out.message(26, StringUser, from.stringUser);
    if (from.process) out.message(34, Process, from.process);
    if (from.stdinPort) out.tag(40).uint32(from.stdinPort);
    if (from.stdoutPort) out.tag(48).uint32(from.stdoutPort);
    if (from.stderrPort) out.tag(56).uint32(from.stderrPort);
    if (from.processJson?.length) out.tag(802).bytes(from.processJson);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 26:
        into.stringUser = input.message(StringUser, into.stringUser);
        return true;
      case 34:
        into.process = input.message(Process, into.process);
        return true;
      case 40:
        into.stdinPort = input.uint32();
        return true;
      case 48:
        into.stdoutPort = input.uint32();
        return true;
      case 56:
        into.stderrPort = input.uint32();
        return true;
      case 802:
        into.processJson = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface SignalProcessRequest {
  containerId: string;
  execId: string;
  signal: number;
}
export const SignalProcessRequest: Message<SignalProcessRequest> = message<SignalProcessRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
    signal: init.signal ?? 0,
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.signal) out.tag(24).uint32(from.signal);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.signal = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface WaitProcessRequest {
  containerId: string;
  execId: string;
}
export const WaitProcessRequest: Message<WaitProcessRequest> = message<WaitProcessRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface WaitProcessResponse {
  status: number;
}
export const WaitProcessResponse: Message<WaitProcessResponse> = message<WaitProcessResponse>(
  (init) => ({
    status: init.status ?? 0,
  }),
  (out, from) => {
    if (from.status) out.tag(8).int32(from.status);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.status = input.int32();
        return true;
      default:
        return false;
    }
  },
);

export interface UpdateContainerRequest {
  containerId: string;
  resources?: LinuxResources | undefined;
  /** bulkhead: the resources as JSON, when `resources` has no place for some; counts instead of it. */
  resourcesJson: Uint8Array;
}
export const UpdateContainerRequest: Message<UpdateContainerRequest> = message<UpdateContainerRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    resources: init.resources && LinuxResources.create(init.resources),
    resourcesJson: init.resourcesJson ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.resources) out.message(18, LinuxResources, from.resources);
    if (from.resourcesJson?.length) out.tag(802).bytes(from.resourcesJson);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.resources = input.message(LinuxResources, into.resources);
        return true;
      case 802:
        into.resourcesJson = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface StatsContainerRequest {
  containerId: string;
}
export const StatsContainerRequest: Message<StatsContainerRequest> = message<StatsContainerRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface PauseContainerRequest {
  containerId: string;
}
export const PauseContainerRequest: Message<PauseContainerRequest> = message<PauseContainerRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface ResumeContainerRequest {
  containerId: string;
}
export const ResumeContainerRequest: Message<ResumeContainerRequest> = message<ResumeContainerRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface CpuUsage {
  totalUsage: bigint;
  percpuUsage: bigint[];
  usageInKernelmode: bigint;
  usageInUsermode: bigint;
}
export const CpuUsage: Message<CpuUsage> = message<CpuUsage>(
  (init) => ({
    totalUsage: init.totalUsage ?? 0n,
    percpuUsage: [...(init.percpuUsage ?? [])],
    usageInKernelmode: init.usageInKernelmode ?? 0n,
    usageInUsermode: init.usageInUsermode ?? 0n,
  }),
  (out, from) => {
    if (from.totalUsage) out.tag(8).u64(from.totalUsage);
    if (from.percpuUsage?.length) {
      const start = out.tag(18).begin();
      for (const value of from.percpuUsage) out.u64(value);
      out.end(start);
    }
    if (from.usageInKernelmode) out.tag(24).u64(from.usageInKernelmode);
    if (from.usageInUsermode) out.tag(32).u64(from.usageInUsermode);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.totalUsage = input.u64();
        return true;
      case 16:
        input.count();
        into.percpuUsage.push(input.u64());
        return true;
      case 18:
        input.packed(into.percpuUsage, () => input.u64());
        return true;
      case 24:
        into.usageInKernelmode = input.u64();
        return true;
      case 32:
        into.usageInUsermode = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface ThrottlingData {
  periods: bigint;
  throttledPeriods: bigint;
  throttledTime: bigint;
}
export const ThrottlingData: Message<ThrottlingData> = message<ThrottlingData>(
  (init) => ({
    periods: init.periods ?? 0n,
    throttledPeriods: init.throttledPeriods ?? 0n,
    throttledTime: init.throttledTime ?? 0n,
  }),
  (out, from) => {
    if (from.periods) out.tag(8).u64(from.periods);
    if (from.throttledPeriods) out.tag(16).u64(from.throttledPeriods);
    if (from.throttledTime) out.tag(24).u64(from.throttledTime);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.periods = input.u64();
        return true;
      case 16:
        into.throttledPeriods = input.u64();
        return true;
      case 24:
        into.throttledTime = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface CpuStats {
  cpuUsage?: CpuUsage | undefined;
  throttlingData?: ThrottlingData | undefined;
}
export const CpuStats: Message<CpuStats> = message<CpuStats>(
  (init) => ({
    cpuUsage: init.cpuUsage && CpuUsage.create(init.cpuUsage),
    throttlingData: init.throttlingData && ThrottlingData.create(init.throttlingData),
  }),
  (out, from) => {
    if (from.cpuUsage) out.message(10, CpuUsage, from.cpuUsage);
    if (from.throttlingData) out.message(18, ThrottlingData, from.throttlingData);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.cpuUsage = input.message(CpuUsage, into.cpuUsage);
        return true;
      case 18:
        into.throttlingData = input.message(ThrottlingData, into.throttlingData);
        return true;
      default:
        return false;
    }
  },
);

export interface PidsStats {
  current: bigint;
  limit: bigint;
}
export const PidsStats: Message<PidsStats> = message<PidsStats>(
  (init) => ({
    current: init.current ?? 0n,
    limit: init.limit ?? 0n,
  }),
  (out, from) => {
    if (from.current) out.tag(8).u64(from.current);
    if (from.limit) out.tag(16).u64(from.limit);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.current = input.u64();
        return true;
      case 16:
        into.limit = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface MemoryData {
  usage: bigint;
  maxUsage: bigint;
  failcnt: bigint;
  limit: bigint;
}
export const MemoryData: Message<MemoryData> = message<MemoryData>(
  (init) => ({
    usage: init.usage ?? 0n,
    maxUsage: init.maxUsage ?? 0n,
    failcnt: init.failcnt ?? 0n,
    limit: init.limit ?? 0n,
  }),
  (out, from) => {
    if (from.usage) out.tag(8).u64(from.usage);
    if (from.maxUsage) out.tag(16).u64(from.maxUsage);
    if (from.failcnt) out.tag(24).u64(from.failcnt);
    if (from.limit) out.tag(32).u64(from.limit);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.usage = input.u64();
        return true;
      case 16:
        into.maxUsage = input.u64();
        return true;
      case 24:
        into.failcnt = input.u64();
        return true;
      case 32:
        into.limit = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface MemoryStats {
  cache: bigint;
  usage?: MemoryData | undefined;
  swapUsage?: MemoryData | undefined;
  kernelUsage?: MemoryData | undefined;
  useHierarchy: boolean;
  stats: Map<string, bigint>;
}
export const MemoryStats: Message<MemoryStats> = message<MemoryStats>(
  (init) => ({
    cache: init.cache ?? 0n,
    usage: init.usage && MemoryData.create(init.usage),
    swapUsage: init.swapUsage && MemoryData.create(init.swapUsage),
    kernelUsage: init.kernelUsage && MemoryData.create(init.kernelUsage),
    useHierarchy: init.useHierarchy ?? false,
    stats: new Map(init.stats),
  }),
  (out, from) => {
    if (from.cache) out.tag(8).u64(from.cache);
    if (from.usage) out.message(18, MemoryData, from.usage);
    if (from.swapUsage) out.message(26, MemoryData, from.swapUsage);
    if (from.kernelUsage) out.message(34, MemoryData, from.kernelUsage);
    if (from.useHierarchy) out.tag(40).bool(from.useHierarchy);
    for (const [key, value] of from.stats ?? []) {
      const start = out.tag(50).begin();
      out.tag(10).string(key);
      out.tag(16).u64(value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.cache = input.u64();
        return true;
      case 18:
        into.usage = input.message(MemoryData, into.usage);
        return true;
      case 26:
        into.swapUsage = input.message(MemoryData, into.swapUsage);
        return true;
      case 34:
        into.kernelUsage = input.message(MemoryData, into.kernelUsage);
        return true;
      case 40:
        into.useHierarchy = input.bool();
        return true;
      case 50: {
        let key: string = '';
        let value: bigint = 0n;
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 16) value = input.u64();
          else return false;
          return true;
        });
        into.stats.set(key, value);
        return true;
      }
      default:
        return false;
    }
  },
);

export interface BlkioStatsEntry {
  major: bigint;
  minor: bigint;
  op: string;
  value: bigint;
}
export const BlkioStatsEntry: Message<BlkioStatsEntry> = message<BlkioStatsEntry>(
  (init) => ({
    major: init.major ?? 0n,
    minor: init.minor ?? 0n,
    op: init.op ?? '',
    value: init.value ?? 0n,
  }),
  (out, from) => {
    if (from.major) out.tag(8).u64(from.major);
    if (from.minor) out.tag(16).u64(from.minor);
    if (from.op) out.tag(26).string(from.op);
    if (from.value) out.tag(32).u64(from.value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.major = input.u64();
        return true;
      case 16:
        into.minor = input.u64();
        return true;
      case 26:
        into.op = input.string();
        return true;
      case 32:
        into.value = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface BlkioStats {
  ioServiceBytesRecursive: BlkioStatsEntry[];
  ioServicedRecursive: BlkioStatsEntry[];
  ioQueuedRecursive: BlkioStatsEntry[];
  ioServiceTimeRecursive: BlkioStatsEntry[];
  ioWaitTimeRecursive: BlkioStatsEntry[];
  ioMergedRecursive: BlkioStatsEntry[];
  ioTimeRecursive: BlkioStatsEntry[];
  sectorsRecursive: BlkioStatsEntry[];
}
export const BlkioStats: Message<BlkioStats> = message<BlkioStats>(
  (init) => ({
    ioServiceBytesRecursive: (init.ioServiceBytesRecursive ?? []).map(BlkioStatsEntry.create),
    ioServicedRecursive: (init.ioServicedRecursive ?? []).map(BlkioStatsEntry.create),
    ioQueuedRecursive: (init.ioQueuedRecursive ?? []).map(BlkioStatsEntry.create),
    ioServiceTimeRecursive: (init.ioServiceTimeRecursive ?? []).map(BlkioStatsEntry.create),
    ioWaitTimeRecursive: (init.ioWaitTimeRecursive ?? []).map(BlkioStatsEntry.create),
    ioMergedRecursive: (init.ioMergedRecursive ?? []).map(BlkioStatsEntry.create),
    ioTimeRecursive: (init.ioTimeRecursive ?? []).map(BlkioStatsEntry.create),
    sectorsRecursive: (init.sectorsRecursive ?? []).map(BlkioStatsEntry.create),
  }),
  (out, from) => {
    for (const value of from.ioServiceBytesRecursive ?? []) out.message(10, BlkioStatsEntry, value);
    for (const value of from.ioServicedRecursive ?? []) out.message(18, BlkioStatsEntry, value);
    for (const value of from.ioQueuedRecursive ?? []) out.message(26, BlkioStatsEntry, value);
    for (const value of from.ioServiceTimeRecursive ?? []) out.message(34, BlkioStatsEntry, value);
    for (const value of from.ioWaitTimeRecursive ?? []) out.message(42, BlkioStatsEntry, value);
    for (const value of from.ioMergedRecursive ?? []) out.message(50, BlkioStatsEntry, value);
    for (const value of from.ioTimeRecursive ?? []) out.message(58, BlkioStatsEntry, value);
    for (const value of from.sectorsRecursive ?? []) out.message(66, BlkioStatsEntry, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.ioServiceBytesRecursive.push(input.message(BlkioStatsEntry));
        return true;
      case 18:
        input.count();
        into.ioServicedRecursive.push(input.message(BlkioStatsEntry));
        return true;
      case 26:
        input.count();
        into.ioQueuedRecursive.push(input.message(BlkioStatsEntry));
        return true;
      case 34:
        input.count();
        into.ioServiceTimeRecursive.push(input.message(BlkioStatsEntry));
        return true;
      case 42:
        input.count();
        into.ioWaitTimeRecursive.push(input.message(BlkioStatsEntry));
        return true;
      case 50:
        input.count();
        into.ioMergedRecursive.push(input.message(BlkioStatsEntry));
        return true;
      case 58:
        input.count();
        into.ioTimeRecursive.push(input.message(BlkioStatsEntry));
        return true;
      case 66:
        input.count();
        into.sectorsRecursive.push(input.message(BlkioStatsEntry));
        return true;
      default:
        return false;
    }
  },
);

export interface HugetlbStats {
  usage: bigint;
  maxUsage: bigint;
  failcnt: bigint;
}
export const HugetlbStats: Message<HugetlbStats> = message<HugetlbStats>(
  (init) => ({
    usage: init.usage ?? 0n,
    maxUsage: init.maxUsage ?? 0n,
    failcnt: init.failcnt ?? 0n,
  }),
  (out, from) => {
    if (from.usage) out.tag(8).u64(from.usage);
    if (from.maxUsage) out.tag(16).u64(from.maxUsage);
    if (from.failcnt) out.tag(24).u64(from.failcnt);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.usage = input.u64();
        return true;
      case 16:
        into.maxUsage = input.u64();
        return true;
      case 24:
        into.failcnt = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface CgroupStats {
  cpuStats?: CpuStats | undefined;
  memoryStats?: MemoryStats | undefined;
  pidsStats?: PidsStats | undefined;
  blkioStats?: BlkioStats | undefined;
  hugetlbStats: Map<string, HugetlbStats>;
}
export const CgroupStats: Message<CgroupStats> = message<CgroupStats>(
  (init) => ({
    cpuStats: init.cpuStats && CpuStats.create(init.cpuStats),
    memoryStats: init.memoryStats && MemoryStats.create(init.memoryStats),
    pidsStats: init.pidsStats && PidsStats.create(init.pidsStats),
    blkioStats: init.blkioStats && BlkioStats.create(init.blkioStats),
    hugetlbStats: new Map(init.hugetlbStats),
  }),
  (out, from) => {
    if (from.cpuStats) out.message(10, CpuStats, from.cpuStats);
    if (from.memoryStats) out.message(18, MemoryStats, from.memoryStats);
    if (from.pidsStats) out.message(26, PidsStats, from.pidsStats);
    if (from.blkioStats) out.message(34, BlkioStats, from.blkioStats);
    for (const [key, value] of from.hugetlbStats ?? []) {
      const start = out.tag(42).begin();
      out.tag(10).string(key);
      out.message(18, HugetlbStats, value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.cpuStats = input.message(CpuStats, into.cpuStats);
        return true;
      case 18:
        into.memoryStats = input.message(MemoryStats, into.memoryStats);
        return true;
      case 26:
        into.pidsStats = input.message(PidsStats, into.pidsStats);
        return true;
      case 34:
        into.blkioStats = input.message(BlkioStats, into.blkioStats);
        return true;
      case 42: {
        let key: string = '';
        let value: HugetlbStats = HugetlbStats.create();
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 18) value = input.message(HugetlbStats, value);
          else return false;
          return true;
        });
        into.hugetlbStats.set(key, value);
        return true;
      }
      default:
        return false;
    }
  },
);

export interface NetworkStats {
  name: string;
  rxBytes: bigint;
  rxPackets: bigint;
  rxErrors: bigint;
  rxDropped: bigint;
  txBytes: bigint;
  txPackets: bigint;
  txErrors: bigint;
  txDropped: bigint;
}
export const NetworkStats: Message<NetworkStats> = message<NetworkStats>(
  (init) => ({
    name: init.name ?? '',
    rxBytes: init.rxBytes ?? 0n,
    rxPackets: init.rxPackets ?? 0n,
    rxErrors: init.rxErrors ?? 0n,
    rxDropped: init.rxDropped ?? 0n,
    txBytes: init.txBytes ?? 0n,
    txPackets: init.txPackets ?? 0n,
    txErrors: init.txErrors ?? 0n,
    txDropped: init.txDropped ?? 0n,
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.rxBytes) out.tag(16).u64(from.rxBytes);
    if (from.rxPackets) out.tag(24).u64(from.rxPackets);
    if (from.rxErrors) out.tag(32).u64(from.rxErrors);
    if (from.rxDropped) out.tag(40).u64(from.rxDropped);
    if (from.txBytes) out.tag(48).u64(from.txBytes);
    if (from.txPackets) out.tag(56).u64(from.txPackets);
    if (from.txErrors) out.tag(64).u64(from.txErrors);
    if (from.txDropped) out.tag(72).u64(from.txDropped);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 16:
        into.rxBytes = input.u64();
        return true;
      case 24:
        into.rxPackets = input.u64();
        return true;
      case 32:
        into.rxErrors = input.u64();
        return true;
      case 40:
        into.rxDropped = input.u64();
        return true;
      case 48:
        into.txBytes = input.u64();
        return true;
      case 56:
        into.txPackets = input.u64();
        return true;
      case 64:
        into.txErrors = input.u64();
        return true;
      case 72:
        into.txDropped = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface StatsContainerResponse {
  cgroupStats?: CgroupStats | undefined;
  networkStats: NetworkStats[];
}
export const StatsContainerResponse: Message<StatsContainerResponse> = message<StatsContainerResponse>(
  (init) => ({
    cgroupStats: init.cgroupStats && CgroupStats.create(init.cgroupStats),
    networkStats: (init.networkStats ?? []).map(NetworkStats.create),
  }),
  (out, from) => {
    if (from.cgroupStats) out.message(10, CgroupStats, from.cgroupStats);
    for (const value of from.networkStats ?? []) out.message(18, NetworkStats, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.cgroupStats = input.message(CgroupStats, into.cgroupStats);
        return true;
      case 18:
        input.count();
        into.networkStats.push(input.message(NetworkStats));
        return true;
      default:
        return false;
    }
  },
);

export interface WriteStreamRequest {
  containerId: string;
  execId: string;
  data: Uint8Array;
}
export const WriteStreamRequest: Message<WriteStreamRequest> = message<WriteStreamRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.data?.length) out.tag(26).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 26:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface WriteStreamResponse {
  len: number;
}
export const WriteStreamResponse: Message<WriteStreamResponse> = message<WriteStreamResponse>(
  (init) => ({
    len: init.len ?? 0,
  }),
  (out, from) => {
    if (from.len) out.tag(8).uint32(from.len);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.len = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface ReadStreamRequest {
  containerId: string;
  execId: string;
  len: number;
  /**
   * Of bulkhead: after the exit of the process the stream stays open as long as one that it left behind can write to
   * it; otherwise it ends then, as Kata's shim needs it.
   */
  toEnd: boolean;
}
export const ReadStreamRequest: Message<ReadStreamRequest> = message<ReadStreamRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
    len: init.len ?? 0,
    toEnd: init.toEnd ?? false,
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.len) out.tag(24).uint32(from.len);
    if (from.toEnd) out.tag(800).bool(from.toEnd);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.len = input.uint32();
        return true;
      case 800:
        into.toEnd = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface ReadStreamResponse {
  data: Uint8Array;
}
export const ReadStreamResponse: Message<ReadStreamResponse> = message<ReadStreamResponse>(
  (init) => ({
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.data?.length) out.tag(10).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface CloseStdinRequest {
  containerId: string;
  execId: string;
}
export const CloseStdinRequest: Message<CloseStdinRequest> = message<CloseStdinRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface TtyWinResizeRequest {
  containerId: string;
  execId: string;
  row: number;
  column: number;
}
export const TtyWinResizeRequest: Message<TtyWinResizeRequest> = message<TtyWinResizeRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
    row: init.row ?? 0,
    column: init.column ?? 0,
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.row) out.tag(24).uint32(from.row);
    if (from.column) out.tag(32).uint32(from.column);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.row = input.uint32();
        return true;
      case 32:
        into.column = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface KernelModule {
  name: string;
  parameters: string[];
}
export const KernelModule: Message<KernelModule> = message<KernelModule>(
  (init) => ({
    name: init.name ?? '',
    parameters: [...(init.parameters ?? [])],
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    for (const value of from.parameters ?? []) out.tag(18).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 18:
        input.count();
        into.parameters.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface CreateSandboxRequest {
  hostname: string;
  dns: string[];
  storages: Storage[];
  sandboxPidns: boolean;
  sandboxId: string;
  guestHookPath: string;
  kernelModules: KernelModule[];
}
export const CreateSandboxRequest: Message<CreateSandboxRequest> = message<CreateSandboxRequest>(
  (init) => ({
    hostname: init.hostname ?? '',
    dns: [...(init.dns ?? [])],
    storages: (init.storages ?? []).map(Storage.create),
    sandboxPidns: init.sandboxPidns ?? false,
    sandboxId: init.sandboxId ?? '',
    guestHookPath: init.guestHookPath ?? '',
    kernelModules: (init.kernelModules ?? []).map(KernelModule.create),
  }),
  (out, from) => {
    if (from.hostname) out.tag(10).string(from.hostname);
    for (const value of from.dns ?? []) out.tag(18).string(value);
    for (const value of from.storages ?? []) out.message(26, Storage, value);
    if (from.sandboxPidns) out.tag(32).bool(from.sandboxPidns);
    if (from.sandboxId) out.tag(42).string(from.sandboxId);
    if (from.guestHookPath) out.tag(50).string(from.guestHookPath);
    for (const value of from.kernelModules ?? []) out.message(58, KernelModule, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.hostname = input.string();
        return true;
      case 18:
        input.count();
        into.dns.push(input.string());
        return true;
      case 26:
        input.count();
        into.storages.push(input.message(Storage));
        return true;
      case 32:
        into.sandboxPidns = input.bool();
        return true;
      case 42:
        into.sandboxId = input.string();
        return true;
      case 50:
        into.guestHookPath = input.string();
        return true;
      case 58:
        input.count();
        into.kernelModules.push(input.message(KernelModule));
        return true;
      default:
        return false;
    }
  },
);

export type DestroySandboxRequest = Record<never, never>;
export const DestroySandboxRequest: Message<DestroySandboxRequest> = message<DestroySandboxRequest>(() => ({}), () => {}, () => false);

export type RemoveStaleVirtiofsShareMountsRequest = Record<never, never>;
export const RemoveStaleVirtiofsShareMountsRequest: Message<RemoveStaleVirtiofsShareMountsRequest> = message<RemoveStaleVirtiofsShareMountsRequest>(() => ({}), () => {}, () => false);

export interface Interfaces {
  interfaces: Interface[];
}
export const Interfaces: Message<Interfaces> = message<Interfaces>(
  (init) => ({
    interfaces: (init.interfaces ?? []).map(Interface.create),
  }),
  (out, from) => {
    for (const value of from.interfaces ?? []) out.message(10, Interface, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.interfaces.push(input.message(Interface));
        return true;
      default:
        return false;
    }
  },
);

export interface Routes {
  routes: Route[];
}
export const Routes: Message<Routes> = message<Routes>(
  (init) => ({
    routes: (init.routes ?? []).map(Route.create),
  }),
  (out, from) => {
    for (const value of from.routes ?? []) out.message(10, Route, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.routes.push(input.message(Route));
        return true;
      default:
        return false;
    }
  },
);

export interface UpdateInterfaceRequest {
  interface?: Interface | undefined;
}
export const UpdateInterfaceRequest: Message<UpdateInterfaceRequest> = message<UpdateInterfaceRequest>(
  (init) => ({
    interface: init.interface && Interface.create(init.interface),
  }),
  (out, from) => {
    if (from.interface) out.message(10, Interface, from.interface);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.interface = input.message(Interface, into.interface);
        return true;
      default:
        return false;
    }
  },
);

export interface UpdateRoutesRequest {
  routes?: Routes | undefined;
}
export const UpdateRoutesRequest: Message<UpdateRoutesRequest> = message<UpdateRoutesRequest>(
  (init) => ({
    routes: init.routes && Routes.create(init.routes),
  }),
  (out, from) => {
    if (from.routes) out.message(10, Routes, from.routes);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.routes = input.message(Routes, into.routes);
        return true;
      default:
        return false;
    }
  },
);

export interface UpdateEphemeralMountsRequest {
  storages: Storage[];
}
export const UpdateEphemeralMountsRequest: Message<UpdateEphemeralMountsRequest> = message<UpdateEphemeralMountsRequest>(
  (init) => ({
    storages: (init.storages ?? []).map(Storage.create),
  }),
  (out, from) => {
    for (const value of from.storages ?? []) out.message(10, Storage, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.storages.push(input.message(Storage));
        return true;
      default:
        return false;
    }
  },
);

export type ListInterfacesRequest = Record<never, never>;
export const ListInterfacesRequest: Message<ListInterfacesRequest> = message<ListInterfacesRequest>(() => ({}), () => {}, () => false);

export type ListRoutesRequest = Record<never, never>;
export const ListRoutesRequest: Message<ListRoutesRequest> = message<ListRoutesRequest>(() => ({}), () => {}, () => false);

export interface ARPNeighbors {
  arpNeighbors: ARPNeighbor[];
}
export const ARPNeighbors: Message<ARPNeighbors> = message<ARPNeighbors>(
  (init) => ({
    arpNeighbors: (init.arpNeighbors ?? []).map(ARPNeighbor.create),
  }),
  (out, from) => {
    for (const value of from.arpNeighbors ?? []) out.message(10, ARPNeighbor, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.arpNeighbors.push(input.message(ARPNeighbor));
        return true;
      default:
        return false;
    }
  },
);

export interface AddARPNeighborsRequest {
  neighbors?: ARPNeighbors | undefined;
}
export const AddARPNeighborsRequest: Message<AddARPNeighborsRequest> = message<AddARPNeighborsRequest>(
  (init) => ({
    neighbors: init.neighbors && ARPNeighbors.create(init.neighbors),
  }),
  (out, from) => {
    if (from.neighbors) out.message(10, ARPNeighbors, from.neighbors);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.neighbors = input.message(ARPNeighbors, into.neighbors);
        return true;
      default:
        return false;
    }
  },
);

export interface GetIPTablesRequest {
  isIpv6: boolean;
}
export const GetIPTablesRequest: Message<GetIPTablesRequest> = message<GetIPTablesRequest>(
  (init) => ({
    isIpv6: init.isIpv6 ?? false,
  }),
  (out, from) => {
    if (from.isIpv6) out.tag(8).bool(from.isIpv6);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.isIpv6 = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface GetIPTablesResponse {
  data: Uint8Array;
}
export const GetIPTablesResponse: Message<GetIPTablesResponse> = message<GetIPTablesResponse>(
  (init) => ({
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.data?.length) out.tag(10).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface SetIPTablesRequest {
  isIpv6: boolean;
  data: Uint8Array;
}
export const SetIPTablesRequest: Message<SetIPTablesRequest> = message<SetIPTablesRequest>(
  (init) => ({
    isIpv6: init.isIpv6 ?? false,
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.isIpv6) out.tag(8).bool(from.isIpv6);
    if (from.data?.length) out.tag(18).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.isIpv6 = input.bool();
        return true;
      case 18:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface SetIPTablesResponse {
  data: Uint8Array;
}
export const SetIPTablesResponse: Message<SetIPTablesResponse> = message<SetIPTablesResponse>(
  (init) => ({
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.data?.length) out.tag(10).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface OnlineCPUMemRequest {
  wait: boolean;
  nbCpus: number;
  cpuOnly: boolean;
}
export const OnlineCPUMemRequest: Message<OnlineCPUMemRequest> = message<OnlineCPUMemRequest>(
  (init) => ({
    wait: init.wait ?? false,
    nbCpus: init.nbCpus ?? 0,
    cpuOnly: init.cpuOnly ?? false,
  }),
  (out, from) => {
    if (from.wait) out.tag(8).bool(from.wait);
    if (from.nbCpus) out.tag(16).uint32(from.nbCpus);
    if (from.cpuOnly) out.tag(24).bool(from.cpuOnly);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.wait = input.bool();
        return true;
      case 16:
        into.nbCpus = input.uint32();
        return true;
      case 24:
        into.cpuOnly = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface ReseedRandomDevRequest {
  data: Uint8Array;
}
export const ReseedRandomDevRequest: Message<ReseedRandomDevRequest> = message<ReseedRandomDevRequest>(
  (init) => ({
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.data?.length) out.tag(18).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 18:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface AgentDetails {
  version: string;
  initDaemon: boolean;
  deviceHandlers: string[];
  storageHandlers: string[];
  supportsSeccomp: boolean;
  extraFeatures: string[];
}
export const AgentDetails: Message<AgentDetails> = message<AgentDetails>(
  (init) => ({
    version: init.version ?? '',
    initDaemon: init.initDaemon ?? false,
    deviceHandlers: [...(init.deviceHandlers ?? [])],
    storageHandlers: [...(init.storageHandlers ?? [])],
    supportsSeccomp: init.supportsSeccomp ?? false,
    extraFeatures: [...(init.extraFeatures ?? [])],
  }),
  (out, from) => {
    if (from.version) out.tag(10).string(from.version);
    if (from.initDaemon) out.tag(16).bool(from.initDaemon);
    for (const value of from.deviceHandlers ?? []) out.tag(26).string(value);
    for (const value of from.storageHandlers ?? []) out.tag(34).string(value);
    if (from.supportsSeccomp) out.tag(40).bool(from.supportsSeccomp);
    for (const value of from.extraFeatures ?? []) out.tag(50).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.version = input.string();
        return true;
      case 16:
        into.initDaemon = input.bool();
        return true;
      case 26:
        input.count();
        into.deviceHandlers.push(input.string());
        return true;
      case 34:
        input.count();
        into.storageHandlers.push(input.string());
        return true;
      case 40:
        into.supportsSeccomp = input.bool();
        return true;
      case 50:
        input.count();
        into.extraFeatures.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface GuestDetailsRequest {
  memBlockSize: boolean;
  memHotplugProbe: boolean;
}
export const GuestDetailsRequest: Message<GuestDetailsRequest> = message<GuestDetailsRequest>(
  (init) => ({
    memBlockSize: init.memBlockSize ?? false,
    memHotplugProbe: init.memHotplugProbe ?? false,
  }),
  (out, from) => {
    if (from.memBlockSize) out.tag(8).bool(from.memBlockSize);
    if (from.memHotplugProbe) out.tag(16).bool(from.memHotplugProbe);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.memBlockSize = input.bool();
        return true;
      case 16:
        into.memHotplugProbe = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface GuestDetailsResponse {
  memBlockSizeBytes: bigint;
  agentDetails?: AgentDetails | undefined;
  supportMemHotplugProbe: boolean;
}
export const GuestDetailsResponse: Message<GuestDetailsResponse> = message<GuestDetailsResponse>(
  (init) => ({
    memBlockSizeBytes: init.memBlockSizeBytes ?? 0n,
    agentDetails: init.agentDetails && AgentDetails.create(init.agentDetails),
    supportMemHotplugProbe: init.supportMemHotplugProbe ?? false,
  }),
  (out, from) => {
    if (from.memBlockSizeBytes) out.tag(8).u64(from.memBlockSizeBytes);
    if (from.agentDetails) out.message(18, AgentDetails, from.agentDetails);
    if (from.supportMemHotplugProbe) out.tag(24).bool(from.supportMemHotplugProbe);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.memBlockSizeBytes = input.u64();
        return true;
      case 18:
        into.agentDetails = input.message(AgentDetails, into.agentDetails);
        return true;
      case 24:
        into.supportMemHotplugProbe = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface MemHotplugByProbeRequest {
  memHotplugProbeAddr: bigint[];
}
export const MemHotplugByProbeRequest: Message<MemHotplugByProbeRequest> = message<MemHotplugByProbeRequest>(
  (init) => ({
    memHotplugProbeAddr: [...(init.memHotplugProbeAddr ?? [])],
  }),
  (out, from) => {
    if (from.memHotplugProbeAddr?.length) {
      const start = out.tag(10).begin();
      for (const value of from.memHotplugProbeAddr) out.u64(value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        input.count();
        into.memHotplugProbeAddr.push(input.u64());
        return true;
      case 10:
        input.packed(into.memHotplugProbeAddr, () => input.u64());
        return true;
      default:
        return false;
    }
  },
);

export interface SetGuestDateTimeRequest {
  sec: bigint;
  usec: bigint;
}
export const SetGuestDateTimeRequest: Message<SetGuestDateTimeRequest> = message<SetGuestDateTimeRequest>(
  (init) => ({
    sec: init.sec ?? 0n,
    usec: init.usec ?? 0n,
  }),
  (out, from) => {
    if (from.sec) out.tag(8).u64(from.sec);
    if (from.usec) out.tag(16).u64(from.usec);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.sec = input.i64();
        return true;
      case 16:
        into.usec = input.i64();
        return true;
      default:
        return false;
    }
  },
);

export interface FSGroup {
  groupId: number;
  groupChangePolicy: FSGroupChangePolicy;
}
export const FSGroup: Message<FSGroup> = message<FSGroup>(
  (init) => ({
    groupId: init.groupId ?? 0,
    groupChangePolicy: init.groupChangePolicy ?? (0 as FSGroupChangePolicy),
  }),
  (out, from) => {
    if (from.groupId) out.tag(16).uint32(from.groupId);
    if (from.groupChangePolicy) out.tag(24).int32(from.groupChangePolicy);
  },
  (input, into, tag) => {
    switch (tag) {
      case 16:
        into.groupId = input.uint32();
        return true;
      case 24:
        into.groupChangePolicy = input.int32() as FSGroupChangePolicy;
        return true;
      default:
        return false;
    }
  },
);

export interface SharedMount {
  name: string;
  srcCtr: string;
  srcPath: string;
  dstCtr: string;
  dstPath: string;
}
export const SharedMount: Message<SharedMount> = message<SharedMount>(
  (init) => ({
    name: init.name ?? '',
    srcCtr: init.srcCtr ?? '',
    srcPath: init.srcPath ?? '',
    dstCtr: init.dstCtr ?? '',
    dstPath: init.dstPath ?? '',
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.srcCtr) out.tag(18).string(from.srcCtr);
    if (from.srcPath) out.tag(26).string(from.srcPath);
    if (from.dstCtr) out.tag(34).string(from.dstCtr);
    if (from.dstPath) out.tag(42).string(from.dstPath);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 18:
        into.srcCtr = input.string();
        return true;
      case 26:
        into.srcPath = input.string();
        return true;
      case 34:
        into.dstCtr = input.string();
        return true;
      case 42:
        into.dstPath = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface Storage {
  driver: string;
  driverOptions: string[];
  source: string;
  fstype: string;
  options: string[];
  mountPoint: string;
  fsGroup?: FSGroup | undefined;
  shared: boolean;
}
export const Storage: Message<Storage> = message<Storage>(
  (init) => ({
    driver: init.driver ?? '',
    driverOptions: [...(init.driverOptions ?? [])],
    source: init.source ?? '',
    fstype: init.fstype ?? '',
    options: [...(init.options ?? [])],
    mountPoint: init.mountPoint ?? '',
    fsGroup: init.fsGroup && FSGroup.create(init.fsGroup),
    shared: init.shared ?? false,
  }),
  (out, from) => {
    if (from.driver) out.tag(10).string(from.driver);
    for (const value of from.driverOptions ?? []) out.tag(18).string(value);
    if (from.source) out.tag(26).string(from.source);
    if (from.fstype) out.tag(34).string(from.fstype);
    for (const value of from.options ?? []) out.tag(42).string(value);
    if (from.mountPoint) out.tag(50).string(from.mountPoint);
    if (from.fsGroup) out.message(58, FSGroup, from.fsGroup);
    if (from.shared) out.tag(64).bool(from.shared);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.driver = input.string();
        return true;
      case 18:
        input.count();
        into.driverOptions.push(input.string());
        return true;
      case 26:
        into.source = input.string();
        return true;
      case 34:
        into.fstype = input.string();
        return true;
      case 42:
        input.count();
        into.options.push(input.string());
        return true;
      case 50:
        into.mountPoint = input.string();
        return true;
      case 58:
        into.fsGroup = input.message(FSGroup, into.fsGroup);
        return true;
      case 64:
        into.shared = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface Device {
  id: string;
  type: string;
  vmPath: string;
  containerPath: string;
  options: string[];
}
export const Device: Message<Device> = message<Device>(
  (init) => ({
    id: init.id ?? '',
    type: init.type ?? '',
    vmPath: init.vmPath ?? '',
    containerPath: init.containerPath ?? '',
    options: [...(init.options ?? [])],
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.type) out.tag(18).string(from.type);
    if (from.vmPath) out.tag(26).string(from.vmPath);
    if (from.containerPath) out.tag(34).string(from.containerPath);
    for (const value of from.options ?? []) out.tag(42).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.type = input.string();
        return true;
      case 26:
        into.vmPath = input.string();
        return true;
      case 34:
        into.containerPath = input.string();
        return true;
      case 42:
        input.count();
        into.options.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface StringUser {
  uid: string;
  gid: string;
  additionalGids: string[];
}
export const StringUser: Message<StringUser> = message<StringUser>(
  (init) => ({
    uid: init.uid ?? '',
    gid: init.gid ?? '',
    additionalGids: [...(init.additionalGids ?? [])],
  }),
  (out, from) => {
    if (from.uid) out.tag(10).string(from.uid);
    if (from.gid) out.tag(18).string(from.gid);
    for (const value of from.additionalGids ?? []) out.tag(26).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.uid = input.string();
        return true;
      case 18:
        into.gid = input.string();
        return true;
      case 26:
        input.count();
        into.additionalGids.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface CopyFileRequest {
  path: string;
  fileSize: bigint;
  fileMode: number;
  dirMode: number;
  uid: number;
  gid: number;
  offset: bigint;
  data: Uint8Array;
}
export const CopyFileRequest: Message<CopyFileRequest> = message<CopyFileRequest>(
  (init) => ({
    path: init.path ?? '',
    fileSize: init.fileSize ?? 0n,
    fileMode: init.fileMode ?? 0,
    dirMode: init.dirMode ?? 0,
    uid: init.uid ?? 0,
    gid: init.gid ?? 0,
    offset: init.offset ?? 0n,
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.path) out.tag(10).string(from.path);
    if (from.fileSize) out.tag(16).u64(from.fileSize);
    if (from.fileMode) out.tag(24).uint32(from.fileMode);
    if (from.dirMode) out.tag(32).uint32(from.dirMode);
    if (from.uid) out.tag(40).int32(from.uid);
    if (from.gid) out.tag(48).int32(from.gid);
    if (from.offset) out.tag(56).u64(from.offset);
    if (from.data?.length) out.tag(66).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.path = input.string();
        return true;
      case 16:
        into.fileSize = input.i64();
        return true;
      case 24:
        into.fileMode = input.uint32();
        return true;
      case 32:
        into.dirMode = input.uint32();
        return true;
      case 40:
        into.uid = input.int32();
        return true;
      case 48:
        into.gid = input.int32();
        return true;
      case 56:
        into.offset = input.i64();
        return true;
      case 66:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export type GetOOMEventRequest = Record<never, never>;
export const GetOOMEventRequest: Message<GetOOMEventRequest> = message<GetOOMEventRequest>(() => ({}), () => {}, () => false);

export interface OOMEvent {
  containerId: string;
}
export const OOMEvent: Message<OOMEvent> = message<OOMEvent>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface AddSwapRequest {
  pciPath: number[];
}
export const AddSwapRequest: Message<AddSwapRequest> = message<AddSwapRequest>(
  (init) => ({
    pciPath: [...(init.pciPath ?? [])],
  }),
  (out, from) => {
    if (from.pciPath?.length) {
      const start = out.tag(10).begin();
      for (const value of from.pciPath) out.uint32(value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        input.count();
        into.pciPath.push(input.uint32());
        return true;
      case 10:
        input.packed(into.pciPath, () => input.uint32());
        return true;
      default:
        return false;
    }
  },
);

export interface AddSwapPathRequest {
  path: string;
}
export const AddSwapPathRequest: Message<AddSwapPathRequest> = message<AddSwapPathRequest>(
  (init) => ({
    path: init.path ?? '',
  }),
  (out, from) => {
    if (from.path) out.tag(10).string(from.path);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.path = input.string();
        return true;
      default:
        return false;
    }
  },
);

export type GetMetricsRequest = Record<never, never>;
export const GetMetricsRequest: Message<GetMetricsRequest> = message<GetMetricsRequest>(() => ({}), () => {}, () => false);

export interface Metrics {
  metrics: string;
}
export const Metrics: Message<Metrics> = message<Metrics>(
  (init) => ({
    metrics: init.metrics ?? '',
  }),
  (out, from) => {
    if (from.metrics) out.tag(10).string(from.metrics);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.metrics = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface VolumeStatsRequest {
  volumeGuestPath: string;
}
export const VolumeStatsRequest: Message<VolumeStatsRequest> = message<VolumeStatsRequest>(
  (init) => ({
    volumeGuestPath: init.volumeGuestPath ?? '',
  }),
  (out, from) => {
    if (from.volumeGuestPath) out.tag(10).string(from.volumeGuestPath);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.volumeGuestPath = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface ResizeVolumeRequest {
  volumeGuestPath: string;
  size: bigint;
}
export const ResizeVolumeRequest: Message<ResizeVolumeRequest> = message<ResizeVolumeRequest>(
  (init) => ({
    volumeGuestPath: init.volumeGuestPath ?? '',
    size: init.size ?? 0n,
  }),
  (out, from) => {
    if (from.volumeGuestPath) out.tag(10).string(from.volumeGuestPath);
    if (from.size) out.tag(16).u64(from.size);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.volumeGuestPath = input.string();
        return true;
      case 16:
        into.size = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface SetPolicyRequest {
  policy: string;
}
export const SetPolicyRequest: Message<SetPolicyRequest> = message<SetPolicyRequest>(
  (init) => ({
    policy: init.policy ?? '',
  }),
  (out, from) => {
    if (from.policy) out.tag(10).string(from.policy);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.policy = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface GetDiagnosticDataRequest {
  logType: string;
  containerId: string;
}
export const GetDiagnosticDataRequest: Message<GetDiagnosticDataRequest> = message<GetDiagnosticDataRequest>(
  (init) => ({
    logType: init.logType ?? '',
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.logType) out.tag(10).string(from.logType);
    if (from.containerId) out.tag(18).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.logType = input.string();
        return true;
      case 18:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface GetDiagnosticDataResponse {
  data: string;
}
export const GetDiagnosticDataResponse: Message<GetDiagnosticDataResponse> = message<GetDiagnosticDataResponse>(
  (init) => ({
    data: init.data ?? '',
  }),
  (out, from) => {
    if (from.data) out.tag(10).string(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.data = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface MemAgentMemcgConfig {
  disabled?: boolean | undefined;
  swap?: boolean | undefined;
  swappinessMax?: number | undefined;
  periodSecs?: bigint | undefined;
  periodPsiPercentLimit?: number | undefined;
  evictionPsiPercentLimit?: number | undefined;
  evictionRunAgingCountMin?: bigint | undefined;
}
export const MemAgentMemcgConfig: Message<MemAgentMemcgConfig> = message<MemAgentMemcgConfig>(
  (init) => ({
    disabled: init.disabled,
    swap: init.swap,
    swappinessMax: init.swappinessMax,
    periodSecs: init.periodSecs,
    periodPsiPercentLimit: init.periodPsiPercentLimit,
    evictionPsiPercentLimit: init.evictionPsiPercentLimit,
    evictionRunAgingCountMin: init.evictionRunAgingCountMin,
  }),
  (out, from) => {
    if (from.disabled !== undefined) out.tag(8).bool(from.disabled);
    if (from.swap !== undefined) out.tag(16).bool(from.swap);
    if (from.swappinessMax !== undefined) out.tag(24).uint32(from.swappinessMax);
    if (from.periodSecs !== undefined) out.tag(32).u64(from.periodSecs);
    if (from.periodPsiPercentLimit !== undefined) out.tag(40).uint32(from.periodPsiPercentLimit);
    if (from.evictionPsiPercentLimit !== undefined) out.tag(48).uint32(from.evictionPsiPercentLimit);
    if (from.evictionRunAgingCountMin !== undefined) out.tag(56).u64(from.evictionRunAgingCountMin);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.disabled = input.bool();
        return true;
      case 16:
        into.swap = input.bool();
        return true;
      case 24:
        into.swappinessMax = input.uint32();
        return true;
      case 32:
        into.periodSecs = input.u64();
        return true;
      case 40:
        into.periodPsiPercentLimit = input.uint32();
        return true;
      case 48:
        into.evictionPsiPercentLimit = input.uint32();
        return true;
      case 56:
        into.evictionRunAgingCountMin = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface MemAgentCompactConfig {
  disabled?: boolean | undefined;
  periodSecs?: bigint | undefined;
  periodPsiPercentLimit?: number | undefined;
  compactPsiPercentLimit?: number | undefined;
  compactSecMax?: bigint | undefined;
  compactOrder?: number | undefined;
  compactThreshold?: bigint | undefined;
  compactForceTimes?: bigint | undefined;
}
export const MemAgentCompactConfig: Message<MemAgentCompactConfig> = message<MemAgentCompactConfig>(
  (init) => ({
    disabled: init.disabled,
    periodSecs: init.periodSecs,
    periodPsiPercentLimit: init.periodPsiPercentLimit,
    compactPsiPercentLimit: init.compactPsiPercentLimit,
    compactSecMax: init.compactSecMax,
    compactOrder: init.compactOrder,
    compactThreshold: init.compactThreshold,
    compactForceTimes: init.compactForceTimes,
  }),
  (out, from) => {
    if (from.disabled !== undefined) out.tag(8).bool(from.disabled);
    if (from.periodSecs !== undefined) out.tag(16).u64(from.periodSecs);
    if (from.periodPsiPercentLimit !== undefined) out.tag(24).uint32(from.periodPsiPercentLimit);
    if (from.compactPsiPercentLimit !== undefined) out.tag(32).uint32(from.compactPsiPercentLimit);
    if (from.compactSecMax !== undefined) out.tag(40).u64(from.compactSecMax);
    if (from.compactOrder !== undefined) out.tag(48).uint32(from.compactOrder);
    if (from.compactThreshold !== undefined) out.tag(56).u64(from.compactThreshold);
    if (from.compactForceTimes !== undefined) out.tag(64).u64(from.compactForceTimes);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.disabled = input.bool();
        return true;
      case 16:
        into.periodSecs = input.u64();
        return true;
      case 24:
        into.periodPsiPercentLimit = input.uint32();
        return true;
      case 32:
        into.compactPsiPercentLimit = input.uint32();
        return true;
      case 40:
        into.compactSecMax = input.i64();
        return true;
      case 48:
        into.compactOrder = input.uint32();
        return true;
      case 56:
        into.compactThreshold = input.u64();
        return true;
      case 64:
        into.compactForceTimes = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface CheckRequest {
  service: string;
}
export const CheckRequest: Message<CheckRequest> = message<CheckRequest>(
  (init) => ({
    service: init.service ?? '',
  }),
  (out, from) => {
    if (from.service) out.tag(10).string(from.service);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.service = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface HealthCheckResponse {
  status: HealthCheckResponseServingStatus;
}
export const HealthCheckResponse: Message<HealthCheckResponse> = message<HealthCheckResponse>(
  (init) => ({
    status: init.status ?? (0 as HealthCheckResponseServingStatus),
  }),
  (out, from) => {
    if (from.status) out.tag(8).int32(from.status);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.status = input.int32() as HealthCheckResponseServingStatus;
        return true;
      default:
        return false;
    }
  },
);

export const HealthCheckResponseServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
} as const;
export type HealthCheckResponseServingStatus = (typeof HealthCheckResponseServingStatus)[keyof typeof HealthCheckResponseServingStatus];

export interface VersionCheckResponse {
  grpcVersion: string;
  agentVersion: string;
}
export const VersionCheckResponse: Message<VersionCheckResponse> = message<VersionCheckResponse>(
  (init) => ({
    grpcVersion: init.grpcVersion ?? '',
    agentVersion: init.agentVersion ?? '',
  }),
  (out, from) => {
    if (from.grpcVersion) out.tag(10).string(from.grpcVersion);
    if (from.agentVersion) out.tag(18).string(from.agentVersion);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.grpcVersion = input.string();
        return true;
      case 18:
        into.agentVersion = input.string();
        return true;
      default:
        return false;
    }
  },
);

export const AgentService = {
  name: 'grpc.AgentService',
  methods: {
    createContainer: unary('CreateContainer', CreateContainerRequest, Empty),
    startContainer: unary('StartContainer', StartContainerRequest, Empty),
    removeContainer: unary('RemoveContainer', RemoveContainerRequest, Empty),
    execProcess: unary('ExecProcess', ExecProcessRequest, Empty),
    signalProcess: unary('SignalProcess', SignalProcessRequest, Empty),
    waitProcess: unary('WaitProcess', WaitProcessRequest, WaitProcessResponse),
    updateContainer: unary('UpdateContainer', UpdateContainerRequest, Empty),
    updateEphemeralMounts: unary('UpdateEphemeralMounts', UpdateEphemeralMountsRequest, Empty),
    statsContainer: unary('StatsContainer', StatsContainerRequest, StatsContainerResponse),
    pauseContainer: unary('PauseContainer', PauseContainerRequest, Empty),
    resumeContainer: unary('ResumeContainer', ResumeContainerRequest, Empty),
    removeStaleVirtiofsShareMounts: unary('RemoveStaleVirtiofsShareMounts', RemoveStaleVirtiofsShareMountsRequest, Empty),
    getDiagnosticData: unary('GetDiagnosticData', GetDiagnosticDataRequest, GetDiagnosticDataResponse),
    writeStdin: unary('WriteStdin', WriteStreamRequest, WriteStreamResponse),
    readStdout: unary('ReadStdout', ReadStreamRequest, ReadStreamResponse),
    readStderr: unary('ReadStderr', ReadStreamRequest, ReadStreamResponse),
    closeStdin: unary('CloseStdin', CloseStdinRequest, Empty),
    ttyWinResize: unary('TtyWinResize', TtyWinResizeRequest, Empty),
    updateInterface: unary('UpdateInterface', UpdateInterfaceRequest, Interface),
    updateRoutes: unary('UpdateRoutes', UpdateRoutesRequest, Routes),
    listInterfaces: unary('ListInterfaces', ListInterfacesRequest, Interfaces),
    listRoutes: unary('ListRoutes', ListRoutesRequest, Routes),
    addARPNeighbors: unary('AddARPNeighbors', AddARPNeighborsRequest, Empty),
    getIPTables: unary('GetIPTables', GetIPTablesRequest, GetIPTablesResponse),
    setIPTables: unary('SetIPTables', SetIPTablesRequest, SetIPTablesResponse),
    getMetrics: unary('GetMetrics', GetMetricsRequest, Metrics),
    memAgentMemcgSet: unary('MemAgentMemcgSet', MemAgentMemcgConfig, Empty),
    memAgentCompactSet: unary('MemAgentCompactSet', MemAgentCompactConfig, Empty),
    createSandbox: unary('CreateSandbox', CreateSandboxRequest, Empty),
    destroySandbox: unary('DestroySandbox', DestroySandboxRequest, Empty),
    onlineCPUMem: unary('OnlineCPUMem', OnlineCPUMemRequest, Empty),
    reseedRandomDev: unary('ReseedRandomDev', ReseedRandomDevRequest, Empty),
    getGuestDetails: unary('GetGuestDetails', GuestDetailsRequest, GuestDetailsResponse),
    memHotplugByProbe: unary('MemHotplugByProbe', MemHotplugByProbeRequest, Empty),
    setGuestDateTime: unary('SetGuestDateTime', SetGuestDateTimeRequest, Empty),
    copyFile: unary('CopyFile', CopyFileRequest, Empty),
    getOOMEvent: unary('GetOOMEvent', GetOOMEventRequest, OOMEvent),
    addSwap: unary('AddSwap', AddSwapRequest, Empty),
    addSwapPath: unary('AddSwapPath', AddSwapPathRequest, Empty),
    getVolumeStats: unary('GetVolumeStats', VolumeStatsRequest, VolumeStatsResponse),
    resizeVolume: unary('ResizeVolume', ResizeVolumeRequest, Empty),
    setPolicy: unary('SetPolicy', SetPolicyRequest, Empty),
  },
} as const satisfies ServiceSpec;

export const HealthService = {
  name: 'grpc.Health',
  methods: {
    check: unary('Check', CheckRequest, HealthCheckResponse),
    version: unary('Version', CheckRequest, VersionCheckResponse),
  },
} as const satisfies ServiceSpec;
