// Generated from proto/pod_sandbox.proto by scripts/gen.ts; do not edit.
import { message, type Message } from './wire.ts';

export interface PodSandboxConfig {
  metadata?: PodSandboxMetadata | undefined;
  hostname: string;
  dnsConfig?: DNSConfig | undefined;
  annotations: Map<string, string>;
  linux?: LinuxPodSandboxConfig | undefined;
}
export const PodSandboxConfig: Message<PodSandboxConfig> = message<PodSandboxConfig>(
  (init) => ({
    metadata: init.metadata && PodSandboxMetadata.create(init.metadata),
    hostname: init.hostname ?? '',
    dnsConfig: init.dnsConfig && DNSConfig.create(init.dnsConfig),
    annotations: new Map(init.annotations),
    linux: init.linux && LinuxPodSandboxConfig.create(init.linux),
  }),
  (out, from) => {
    if (from.metadata) out.message(10, PodSandboxMetadata, from.metadata);
    if (from.hostname) out.tag(18).string(from.hostname);
    if (from.dnsConfig) out.message(34, DNSConfig, from.dnsConfig);
    for (const [key, value] of from.annotations ?? []) {
      const start = out.tag(58).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
    if (from.linux) out.message(66, LinuxPodSandboxConfig, from.linux);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.metadata = input.message(PodSandboxMetadata, into.metadata);
        return true;
      case 18:
        into.hostname = input.string();
        return true;
      case 34:
        into.dnsConfig = input.message(DNSConfig, into.dnsConfig);
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
        into.linux = input.message(LinuxPodSandboxConfig, into.linux);
        return true;
      default:
        return false;
    }
  },
);

export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
}
export const PodSandboxMetadata: Message<PodSandboxMetadata> = message<PodSandboxMetadata>(
  (init) => ({
    name: init.name ?? '',
    uid: init.uid ?? '',
    namespace: init.namespace ?? '',
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.uid) out.tag(18).string(from.uid);
    if (from.namespace) out.tag(26).string(from.namespace);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 18:
        into.uid = input.string();
        return true;
      case 26:
        into.namespace = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface DNSConfig {
  servers: string[];
  searches: string[];
  options: string[];
}
export const DNSConfig: Message<DNSConfig> = message<DNSConfig>(
  (init) => ({
    servers: [...(init.servers ?? [])],
    searches: [...(init.searches ?? [])],
    options: [...(init.options ?? [])],
  }),
  (out, from) => {
    for (const value of from.servers ?? []) out.tag(10).string(value);
    for (const value of from.searches ?? []) out.tag(18).string(value);
    for (const value of from.options ?? []) out.tag(26).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.servers.push(input.string());
        return true;
      case 18:
        input.count();
        into.searches.push(input.string());
        return true;
      case 26:
        input.count();
        into.options.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxPodSandboxConfig {
  cgroupParent: string;
  securityContext?: LinuxSandboxSecurityContext | undefined;
  sysctls: Map<string, string>;
  /** The sum of the pod's limits. */
  resources?: LinuxContainerResources | undefined;
}
export const LinuxPodSandboxConfig: Message<LinuxPodSandboxConfig> = message<LinuxPodSandboxConfig>(
  (init) => ({
    cgroupParent: init.cgroupParent ?? '',
    securityContext: init.securityContext && LinuxSandboxSecurityContext.create(init.securityContext),
    sysctls: new Map(init.sysctls),
    resources: init.resources && LinuxContainerResources.create(init.resources),
  }),
  (out, from) => {
    if (from.cgroupParent) out.tag(10).string(from.cgroupParent);
    if (from.securityContext) out.message(18, LinuxSandboxSecurityContext, from.securityContext);
    for (const [key, value] of from.sysctls ?? []) {
      const start = out.tag(26).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
    if (from.resources) out.message(42, LinuxContainerResources, from.resources);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.cgroupParent = input.string();
        return true;
      case 18:
        into.securityContext = input.message(LinuxSandboxSecurityContext, into.securityContext);
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
        into.sysctls.set(key, value);
        return true;
      }
      case 42:
        into.resources = input.message(LinuxContainerResources, into.resources);
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxSandboxSecurityContext {
  namespaceOptions?: NamespaceOption | undefined;
}
export const LinuxSandboxSecurityContext: Message<LinuxSandboxSecurityContext> = message<LinuxSandboxSecurityContext>(
  (init) => ({
    namespaceOptions: init.namespaceOptions && NamespaceOption.create(init.namespaceOptions),
  }),
  (out, from) => {
    if (from.namespaceOptions) out.message(10, NamespaceOption, from.namespaceOptions);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.namespaceOptions = input.message(NamespaceOption, into.namespaceOptions);
        return true;
      default:
        return false;
    }
  },
);

export interface NamespaceOption {
  usernsOptions?: UserNamespace | undefined;
}
export const NamespaceOption: Message<NamespaceOption> = message<NamespaceOption>(
  (init) => ({
    usernsOptions: init.usernsOptions && UserNamespace.create(init.usernsOptions),
  }),
  (out, from) => {
    if (from.usernsOptions) out.message(42, UserNamespace, from.usernsOptions);
  },
  (input, into, tag) => {
    switch (tag) {
      case 42:
        into.usernsOptions = input.message(UserNamespace, into.usernsOptions);
        return true;
      default:
        return false;
    }
  },
);

export const NamespaceMode = {
  POD: 0,
  CONTAINER: 1,
  NODE: 2,
  TARGET: 3,
} as const;
export type NamespaceMode = (typeof NamespaceMode)[keyof typeof NamespaceMode];

export interface UserNamespace {
  mode: NamespaceMode;
  uids: IDMapping[];
  gids: IDMapping[];
}
export const UserNamespace: Message<UserNamespace> = message<UserNamespace>(
  (init) => ({
    mode: init.mode ?? (0 as NamespaceMode),
    uids: (init.uids ?? []).map(IDMapping.create),
    gids: (init.gids ?? []).map(IDMapping.create),
  }),
  (out, from) => {
    if (from.mode) out.tag(8).int32(from.mode);
    for (const value of from.uids ?? []) out.message(18, IDMapping, value);
    for (const value of from.gids ?? []) out.message(26, IDMapping, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.mode = input.int32() as NamespaceMode;
        return true;
      case 18:
        input.count();
        into.uids.push(input.message(IDMapping));
        return true;
      case 26:
        input.count();
        into.gids.push(input.message(IDMapping));
        return true;
      default:
        return false;
    }
  },
);

export interface IDMapping {
  hostId: number;
  containerId: number;
  length: number;
}
export const IDMapping: Message<IDMapping> = message<IDMapping>(
  (init) => ({
    hostId: init.hostId ?? 0,
    containerId: init.containerId ?? 0,
    length: init.length ?? 0,
  }),
  (out, from) => {
    if (from.hostId) out.tag(8).uint32(from.hostId);
    if (from.containerId) out.tag(16).uint32(from.containerId);
    if (from.length) out.tag(24).uint32(from.length);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.hostId = input.uint32();
        return true;
      case 16:
        into.containerId = input.uint32();
        return true;
      case 24:
        into.length = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxContainerResources {
  cpuPeriod: bigint;
  cpuQuota: bigint;
  cpuShares: bigint;
  memoryLimitInBytes: bigint;
}
export const LinuxContainerResources: Message<LinuxContainerResources> = message<LinuxContainerResources>(
  (init) => ({
    cpuPeriod: init.cpuPeriod ?? 0n,
    cpuQuota: init.cpuQuota ?? 0n,
    cpuShares: init.cpuShares ?? 0n,
    memoryLimitInBytes: init.memoryLimitInBytes ?? 0n,
  }),
  (out, from) => {
    if (from.cpuPeriod) out.tag(8).u64(from.cpuPeriod);
    if (from.cpuQuota) out.tag(16).u64(from.cpuQuota);
    if (from.cpuShares) out.tag(24).u64(from.cpuShares);
    if (from.memoryLimitInBytes) out.tag(32).u64(from.memoryLimitInBytes);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.cpuPeriod = input.i64();
        return true;
      case 16:
        into.cpuQuota = input.i64();
        return true;
      case 24:
        into.cpuShares = input.i64();
        return true;
      case 32:
        into.memoryLimitInBytes = input.i64();
        return true;
      default:
        return false;
    }
  },
);
