// The messages of proto/cri.proto as the tests write and read them: requests partial, answers with all defaults.

export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';

export interface NamespaceOption {
  readonly network?: NamespaceMode;
  readonly pid?: NamespaceMode;
  readonly ipc?: NamespaceMode;
  readonly targetId?: string;
  readonly usernsOptions?: {
    readonly mode: NamespaceMode;
    readonly uids: readonly IdMapping[];
    readonly gids: readonly IdMapping[];
  };
}

export interface IdMapping {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

export interface SecurityProfile {
  readonly profileType: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  readonly localhostRef?: string;
}

export interface Resources {
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuShares?: number;
  readonly memoryLimitInBytes?: number;
  readonly oomScoreAdj?: number;
  readonly cpusetCpus?: string;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
}

export interface PodSandboxConfig {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
  readonly hostname?: string;
  readonly logDirectory?: string;
  readonly dnsConfig?: {
    readonly servers?: readonly string[];
    readonly searches?: readonly string[];
    readonly options?: readonly string[];
  };
  readonly portMappings?: readonly object[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: {
    readonly cgroupParent?: string;
    readonly sysctls?: Readonly<Record<string, string>>;
    readonly resources?: Resources;
    readonly overhead?: Resources;
    readonly securityContext?: {
      readonly namespaceOptions?: NamespaceOption;
      readonly privileged?: boolean;
      readonly seccomp?: SecurityProfile;
    };
  };
}

export interface Mount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readonly?: boolean;
  readonly propagation?:
    | 'PROPAGATION_PRIVATE'
    | 'PROPAGATION_HOST_TO_CONTAINER'
    | 'PROPAGATION_BIDIRECTIONAL';
  readonly recursiveReadOnly?: boolean;
  /** Files of an image instead of a path of the host. */
  readonly image?: { readonly image: string };
  readonly imageSubPath?: string;
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

export interface SecurityContext {
  readonly capabilities?: {
    readonly addCapabilities?: readonly string[];
    readonly dropCapabilities?: readonly string[];
  };
  readonly privileged?: boolean;
  readonly namespaceOptions?: NamespaceOption;
  readonly runAsUser?: { readonly value: number };
  readonly runAsGroup?: { readonly value: number };
  readonly runAsUsername?: string;
  readonly readonlyRootfs?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly noNewPrivs?: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly seccomp?: SecurityProfile;
}

export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt?: number };
  readonly image: { readonly image: string };
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly envs?: readonly { readonly key: string; readonly value: string }[];
  readonly mounts?: readonly Mount[];
  readonly devices?: readonly {
    readonly containerPath: string;
    readonly hostPath: string;
    readonly permissions: string;
  }[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly logPath?: string;
  readonly stdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
  readonly linux?: { readonly resources?: Resources; readonly securityContext?: SecurityContext };
}

export interface Value {
  readonly value: number;
}

export interface ContainerStats {
  readonly attributes: { readonly id: string };
  readonly cpu: { readonly timestamp: number; readonly usageCoreNanoSeconds: Value } | null;
  readonly memory: {
    readonly timestamp: number;
    readonly workingSetBytes: Value;
    readonly usageBytes: Value | null;
    readonly rssBytes: Value | null;
    readonly pageFaults: Value | null;
  } | null;
  readonly writableLayer: { readonly usedBytes: Value } | null;
}

export interface PodStats {
  readonly linux: {
    readonly cpu: { readonly usageCoreNanoSeconds: Value } | null;
    readonly memory: { readonly workingSetBytes: Value } | null;
    readonly network: {
      readonly defaultInterface: { readonly name: string; readonly rxBytes: Value; readonly txBytes: Value };
    } | null;
    readonly process: { readonly processCount: Value } | null;
    readonly containers: readonly ContainerStats[];
  };
}

export interface ContainerStatus {
  readonly id: string;
  readonly state: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly logPath: string;
}

export interface PodSandboxStatus {
  readonly id: string;
  readonly state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
  readonly network: {
    readonly ip: string;
    readonly additionalIps: readonly { readonly ip: string }[];
  } | null;
  readonly runtimeHandler: string;
}

type Ok = Readonly<Record<string, never>>;

interface Call<Request, Response> {
  readonly request: Request;
  readonly response: Response;
}

type ById = { readonly containerId: string };
type ByPod = { readonly podSandboxId: string };

/** Request and answer of each method. */
export interface CriMethods {
  Version: Call<object, { readonly runtimeName: string; readonly runtimeVersion: string }>;
  Status: Call<
    object,
    {
      readonly status: {
        readonly conditions: readonly {
          readonly type: string;
          readonly status: boolean;
          readonly message: string;
        }[];
      };
    }
  >;
  RunPodSandbox: Call<
    { readonly config: PodSandboxConfig; readonly runtimeHandler: string },
    { readonly podSandboxId: string }
  >;
  StopPodSandbox: Call<ByPod, Ok>;
  RemovePodSandbox: Call<ByPod, Ok>;
  PodSandboxStatus: Call<
    ByPod & { readonly verbose?: boolean },
    { readonly status: PodSandboxStatus; readonly info: Readonly<Record<string, string>> }
  >;
  ListPodSandbox: Call<
    object,
    { readonly items: readonly { readonly id: string; readonly state: string }[] }
  >;
  CreateContainer: Call<
    ByPod & { readonly config: ContainerConfig; readonly sandboxConfig: PodSandboxConfig },
    { readonly containerId: string }
  >;
  StartContainer: Call<ById, Ok>;
  StopContainer: Call<ById & { readonly timeout: number }, Ok>;
  RemoveContainer: Call<ById, Ok>;
  ListContainers: Call<
    { readonly filter?: { readonly podSandboxId?: string } },
    { readonly containers: readonly { readonly id: string; readonly state: string }[] }
  >;
  ContainerStatus: Call<
    ById & { readonly verbose?: boolean },
    { readonly status: ContainerStatus; readonly info: Readonly<Record<string, string>> }
  >;
  UpdateContainerResources: Call<ById & { readonly linux: Resources }, Ok>;
  ReopenContainerLog: Call<ById, Ok>;
  ExecSync: Call<
    ById & { readonly cmd: readonly string[]; readonly timeout?: number },
    { readonly stdout: Buffer; readonly stderr: Buffer; readonly exitCode: number }
  >;
  Exec: Call<
    ById & {
      readonly cmd: readonly string[];
      readonly tty?: boolean;
      readonly stdin?: boolean;
      readonly stdout?: boolean;
      readonly stderr?: boolean;
    },
    { readonly url: string }
  >;
  Attach: Call<
    ById & {
      readonly stdin?: boolean;
      readonly tty?: boolean;
      readonly stdout?: boolean;
      readonly stderr?: boolean;
    },
    { readonly url: string }
  >;
  PortForward: Call<ByPod & { readonly port: readonly number[] }, { readonly url: string }>;
  ContainerStats: Call<ById, { readonly stats: ContainerStats }>;
  ListContainerStats: Call<
    { readonly filter?: { readonly podSandboxId?: string } },
    { readonly stats: readonly ContainerStats[] }
  >;
  PodSandboxStats: Call<ByPod, { readonly stats: PodStats }>;
  ListImages: Call<object, { readonly images: readonly { readonly repoTags: readonly string[] }[] }>;
}
