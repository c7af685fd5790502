// The OCI runtime spec as far as we use it: its types, and reading config.json with errors that say what is wrong
// and where. Fields not named here stay in the parsed object and reach the guest unchanged.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ShimError } from '../base/errors.ts';
import { Checker } from './check.ts';
import { checkProcess, checkResources, checkSpec } from './check-spec.ts';
import { JsonSyntaxError, parseJson } from './json.ts';

/** A 64-bit integer of the spec: a bigint when a number cannot represent it exactly. */
export type Integer = number | bigint;

export interface Spec {
  readonly ociVersion?: string;
  readonly process?: Process;
  readonly root?: Root;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts?: readonly Mount[];
  readonly hooks?: Readonly<Record<string, readonly Hook[]>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: Linux;
}

/** The spec of a container that can be run: nothing required is missing. */
export interface RunnableSpec extends Spec {
  readonly process: Process;
  readonly root: Root;
}

export interface Process {
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user?: User;
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: Capabilities;
  readonly rlimits?: readonly Rlimit[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly oomScoreAdj?: number;
  readonly selinuxLabel?: string;
}

export interface User {
  readonly uid?: number;
  readonly gid?: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
  readonly username?: string;
}

export interface Capabilities {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
}

export interface Rlimit {
  readonly type: string;
  readonly hard: Integer;
  readonly soft: Integer;
}

export interface Root {
  readonly path: string;
  readonly readonly?: boolean;
}

export interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  /** Id-mapped mount: how its owners appear. If present, the same as the container's. */
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

export interface Linux {
  readonly namespaces?: readonly Namespace[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly resources?: Resources;
  readonly cgroupsPath?: string;
  readonly devices?: readonly Device[];
  readonly seccomp?: Seccomp;
  readonly rootfsPropagation?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

/** A program on the host that the runtime runs at a certain point of the container's life cycle. */
export interface Hook {
  readonly path: string;
  /** Including argv[0]. */
  readonly args?: readonly string[];
  /** `NAME=value`. */
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

export interface Namespace {
  readonly type: string;
  readonly path?: string;
}

export interface IdMapping {
  readonly hostID: number;
  readonly containerID: number;
  readonly size: number;
}

export interface Device {
  readonly path: string;
  readonly type: string;
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface Resources {
  readonly devices?: readonly DeviceRule[];
  readonly memory?: Memory;
  readonly cpu?: Cpu;
  readonly pids?: { readonly limit?: Integer };
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: Integer }[];
  readonly unified?: Readonly<Record<string, string>>;
}

export interface DeviceRule {
  readonly allow: boolean;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly access?: string;
}

export interface Memory {
  readonly limit?: Integer;
  readonly reservation?: Integer;
  readonly swap?: Integer;
  readonly checkBeforeUpdate?: boolean;
}

export interface Cpu {
  readonly shares?: Integer;
  readonly quota?: Integer;
  readonly burst?: Integer;
  readonly period?: Integer;
  readonly cpus?: string;
  readonly mems?: string;
  readonly idle?: Integer;
}

export interface Seccomp {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly flags?: readonly string[];
  readonly syscalls?: readonly SeccompSyscall[];
}

export interface SeccompSyscall {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

export interface SeccompArg {
  readonly index: number;
  readonly value: Integer;
  readonly valueTwo?: Integer;
  readonly op: string;
}

/** The caller gave us a bad spec, process or resources: containerd gets InvalidArgument. */
export class SpecError extends ShimError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('invalid-argument', message, options);
    this.name = 'SpecError';
  }
}

/** Limit of a spec's size: it must reach the guest in one message of at most 4 MiB. */
const maxSpecBytes = 3 * 1024 * 1024;

/**
 * Reads and checks `<bundle>/config.json`.
 * @throws SpecError
 */
export function readSpec(bundle: string): Spec {
  const file = join(bundle, 'config.json');
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > maxSpecBytes)
      throw new SpecError(`${file} has ${size} bytes; at most ${maxSpecBytes} are possible`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof SpecError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const reason = code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`;
    throw new SpecError(`no OCI spec at ${file}: ${reason}`, { cause: error });
  }
  return parseSpec(text, file);
}

/**
 * Parses and checks an OCI spec. What a container needs to run is checked by `requireRunnable`.
 * @param name what to call the text in errors.
 * @throws SpecError
 */
export function parseSpec(text: string, name = 'config.json'): Spec {
  const root = Checker.root(name, parse(text, name), SpecError);
  checkSpec(root);
  return root.value as Spec;
}

/**
 * Checks that a container can be run from this spec.
 * @throws SpecError
 */
export function requireRunnable(spec: Spec, name = 'config.json'): RunnableSpec {
  const { process, root } = spec;
  if (process === undefined) throw new SpecError(`${name}: process is missing: there is nothing to run`);
  if (root === undefined) throw new SpecError(`${name}: root is missing: there is no root file system`);
  return { ...spec, process, root };
}

/**
 * Parses an OCI process, the payload of an Exec request.
 * @throws SpecError
 */
export function parseProcess(json: Uint8Array, name = 'process of the exec'): Process {
  const process = Checker.root(name, parse(decode(json), name), SpecError);
  checkProcess(process);
  return process.value as unknown as Process;
}

/**
 * Parses OCI Linux resources, the payload of an Update request.
 * @throws SpecError
 */
export function parseResources(json: Uint8Array, name = 'resources of the update'): Resources {
  const resources = Checker.root(name, parse(decode(json), name), SpecError);
  checkResources(resources);
  return resources.value as Resources;
}

function decode(json: Uint8Array): string {
  return Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8');
}

function parse(text: string, name: string): unknown {
  try {
    const value = parseJson(text);
    if (text.includes('null')) dropNulls(value);
    return value;
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new SpecError(`${name} is not valid JSON: ${error.message}`, { cause: error });
  }
}

/** Go writes null for absent fields; this spares all later code from handling it. */
function dropNulls(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    if (item !== null) dropNulls(item);
    else if (!Array.isArray(value)) Reflect.deleteProperty(value, key);
  }
}
