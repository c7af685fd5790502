// Turns a group of parsed .proto files into the text of a TypeScript module.
import path from 'node:path';
import protobuf from 'protobufjs';
import { emitMessage } from './message.ts';

/** What goes into one generated module. */
export interface ModulePlan {
  /** File name without its extension. */
  readonly name: string;
  /** Files in proto/ whose messages, enums and services it contains. */
  readonly files: readonly string[];
  /** Full names of google.protobuf messages that it contains. */
  readonly messages?: readonly string[];
  /** Full name of a service -> name of its export; `<Name>` or `<Name>Service` without an entry. */
  readonly services?: Readonly<Record<string, string>>;
}

type Definition = protobuf.Type | protobuf.Enum;

/** A module's names for messages and enums, its own and those of other modules. */
export class Names {
  readonly imports = new Map<string, Set<string>>();
  private readonly module: ModulePlan;
  private readonly owners: ReadonlyMap<string, ModulePlan>;

  constructor(module: ModulePlan, owners: ReadonlyMap<string, ModulePlan>) {
    this.module = module;
    this.owners = owners;
  }

  /** The TypeScript name of a message or enum; records the import that it needs. */
  of(definition: protobuf.ReflectionObject): string {
    const full = fullName(definition);
    const owner = this.owners.get(full);
    if (owner === undefined) throw new Error(`${full} belongs to no generated module`);
    const name = exportName(definition);
    if (owner !== this.module) {
      const names = this.imports.get(owner.name) ?? new Set();
      this.imports.set(owner.name, names.add(name));
    }
    return name;
  }
}

function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, '');
}

/** The name under which a generated module exports a message or enum. */
export function exportName(definition: protobuf.ReflectionObject): string {
  const outer: string[] = [];
  let parent = definition.parent;
  while (parent instanceof protobuf.Type) {
    outer.unshift(parent.name);
    parent = parent.parent;
  }
  return outer.join('') + definition.name;
}

/** `CloseIO` -> `closeIO`, `OCI` -> `oci`, `UIDMappings` -> `uidMappings`, `exec_id` -> `execId`. */
export function lowerCamel(name: string): string {
  const joined = name.replace(/_+([A-Za-z0-9])/g, (_all, first: string) => first.toUpperCase());
  return joined.replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (start) => start.toLowerCase());
}

/** Renders a .proto comment as JSDoc, or nothing. */
export function jsDoc(comment: string | null | undefined, indent = ''): string {
  if (comment === null || comment === undefined || comment === '') return '';
  const lines = comment.split('\n');
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`;
}

function walk(from: protobuf.NamespaceBase, visit: (object: protobuf.ReflectionObject) => void): void {
  for (const child of from.nestedArray) {
    visit(child);
    if (child instanceof protobuf.Namespace) walk(child, visit);
  }
}

function isDefinition(object: protobuf.ReflectionObject): object is Definition {
  if (object instanceof protobuf.Enum) return true;
  return object instanceof protobuf.Type;
}

function belongs(object: protobuf.ReflectionObject, plan: ModulePlan): boolean {
  if (plan.messages?.includes(fullName(object)) === true) return true;
  const file = object.filename === null ? undefined : path.basename(object.filename);
  return file !== undefined && plan.files.includes(file);
}

function emitEnum(definition: protobuf.Enum, name: string): string {
  const values = Object.entries(definition.values).map(([key, value]) => `  ${key}: ${value},\n`);
  return (
    `${jsDoc(definition.comment)}export const ${name} = {\n${values.join('')}} as const;\n` +
    `export type ${name} = (typeof ${name})[keyof typeof ${name}];\n`
  );
}

function methodMaker(method: protobuf.Method): 'unary' | 'bidi' {
  const requestStream = method.requestStream === true;
  if (requestStream !== (method.responseStream === true)) {
    throw new Error(`${method.fullName}: a stream in one direction only is not supported`);
  }
  return requestStream ? 'bidi' : 'unary';
}

function emitService(service: protobuf.Service, name: string, names: Names, makers: Set<string>): string {
  const lines = service.methodsArray.map((method) => {
    const maker = methodMaker(method);
    makers.add(maker);
    if (method.resolvedRequestType === null || method.resolvedResponseType === null) {
      throw new Error(`${service.fullName}.${method.name} is not resolved`);
    }
    const types = `${names.of(method.resolvedRequestType)}, ${names.of(method.resolvedResponseType)}`;
    return `    ${lowerCamel(method.name)}: ${maker}('${method.name}', ${types}),\n`;
  });
  return (
    `${jsDoc(service.comment)}export const ${name} = {\n  name: '${fullName(service)}',\n` +
    `  methods: {\n${lines.join('')}  },\n} as const satisfies ServiceSpec;\n`
  );
}

function serviceName(service: protobuf.Service, plan: ModulePlan): string {
  const given = plan.services?.[fullName(service)];
  if (given !== undefined) return given;
  return service.name.endsWith('Service') ? service.name : `${service.name}Service`;
}

/** Text of the module that `plan` describes. */
export function emitModule(root: protobuf.Root, plan: ModulePlan, all: readonly ModulePlan[]): string {
  const owners = new Map<string, ModulePlan>();
  const own: protobuf.ReflectionObject[] = [];
  walk(root, (object) => {
    const owner = all.find((candidate) => belongs(object, candidate));
    if (owner === undefined) return;
    if (isDefinition(object)) owners.set(fullName(object), owner);
    if (owner === plan) own.push(object);
  });
  const names = new Names(plan, owners);
  const makers = new Set<string>();
  const parts: string[] = [];
  for (const object of own) {
    if (object instanceof protobuf.Enum) parts.push(emitEnum(object, names.of(object)));
    if (object instanceof protobuf.Type) parts.push(emitMessage(object, names));
  }
  // Services come last: they name the codecs when the module is loaded.
  for (const object of own) {
    if (object instanceof protobuf.Service) {
      parts.push(emitService(object, serviceName(object, plan), names, makers));
    }
  }
  return header(plan, names, makers) + parts.join('\n');
}

function header(plan: ModulePlan, names: Names, makers: ReadonlySet<string>): string {
  const from = plan.files.length > 0 ? plan.files.map((file) => `proto/${file}`) : (plan.messages ?? []);
  const lines = [`// Generated from ${from.join(', ')} by scripts/gen.ts; do not edit.\n`];
  if (makers.size > 0) lines.push(`import type { ServiceSpec } from 'ttrpc-ts';\n`);
  for (const [module, imported] of [...names.imports].sort(([a], [b]) => a.localeCompare(b))) {
    lines.push(`import { ${[...imported].sort().join(', ')} } from './${module}.ts';\n`);
  }
  lines.push(`import { ${[...makers, 'message'].sort().join(', ')}, type Message } from './wire.ts';\n\n`);
  return lines.join('');
}
