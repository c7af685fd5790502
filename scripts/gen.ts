// Generates src/gen/*.ts from proto/*.proto: interfaces, codecs and service descriptions in plain TypeScript.
// `node scripts/gen.ts` writes the files; with `--check` it only compares and fails when one is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';
import { emitModule, type ModulePlan } from './gen/emit.ts';

const root = path.resolve(import.meta.dirname, '..');
const protoDir = path.join(root, 'proto');
const outDir = path.join(root, 'src/gen');

/** The modules and the .proto files that they are generated from. */
export const modules: readonly ModulePlan[] = [
  {
    name: 'google',
    files: [],
    messages: ['google.protobuf.Any', 'google.protobuf.Empty', 'google.protobuf.Timestamp'],
  },
  { name: 'types', files: ['containerd_types.proto'] },
  {
    name: 'task',
    files: ['task.proto', 'task_v3.proto', 'runc.proto'],
    services: { 'containerd.task.v2.Task': 'TaskV2', 'containerd.task.v3.Task': 'TaskV3' },
  },
  { name: 'events', files: ['events.proto', 'events_forward.proto'] },
  { name: 'sandbox', files: ['sandbox.proto'] },
  { name: 'pod-sandbox', files: ['pod_sandbox.proto'] },
  { name: 'cgroups-v1', files: ['cgroups_v1.proto'] },
  { name: 'cgroups-v2', files: ['cgroups_v2.proto'] },
  { name: 'runtimeoptions', files: ['runtimeoptions.proto'] },
  { name: 'runtimeinfo', files: ['runtime_info.proto'] },
  { name: 'bootstrap', files: ['bootstrap.proto'] },
  { name: 'guest', files: ['guest.proto'] },
  {
    name: 'agent',
    files: ['types.proto', 'oci.proto', 'csi.proto', 'agent.proto', 'health.proto'],
  },
];

/** Parses the given .proto files in proto/ and everything that they import. */
export function loadProtos(files: readonly string[]): protobuf.Root {
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_origin, target) =>
    target.startsWith('google/') ? target : path.join(protoDir, path.basename(target));
  loaded.loadSync([...files], { keepCase: true, alternateCommentMode: true });
  loaded.resolveAll();
  return loaded;
}

/** Parses the .proto files of all modules. */
export function loadAll(): protobuf.Root {
  return loadProtos(modules.flatMap((module) => module.files));
}

function main(check: boolean): void {
  const loaded = loadAll();
  let stale = 0;
  for (const module of modules) {
    const file = path.join(outDir, `${module.name}.ts`);
    const text = emitModule(loaded, module, modules);
    if (!check) {
      writeFileSync(file, text);
    } else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${path.relative(root, file)} is out of date: run node scripts/gen.ts`);
      stale += 1;
    }
  }
  if (stale > 0) process.exitCode = 1;
}

if (import.meta.main) main(process.argv.includes('--check'));
