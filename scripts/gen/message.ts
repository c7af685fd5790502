// Emits the interface and the codec of one message.
import protobuf from 'protobufjs';
import { jsDoc, lowerCamel, type Names } from './emit.ts';

interface ScalarType {
  readonly ts: string;
  readonly zero: string;
  readonly wire: number;
  /** Expression that appends the value `v` to `out`. */
  readonly write: (v: string) => string;
  readonly read: string;
}

function scalar(
  ts: string,
  zero: string,
  wire: number,
  write: string,
  read: string = `input.${write}()`,
): ScalarType {
  return { ts, zero, wire, write: (v) => `${write}(${v})`, read };
}

/** The types that our .proto files use; any other needs a method in WireWriter and WireReader first. */
const scalars: Readonly<Record<string, ScalarType>> = {
  double: scalar('number', '0', 1, 'double'),
  int32: scalar('number', '0', 0, 'int32'),
  uint32: scalar('number', '0', 0, 'uint32'),
  int64: scalar('bigint', '0n', 0, 'u64', 'input.i64()'),
  uint64: scalar('bigint', '0n', 0, 'u64'),
  bool: scalar('boolean', 'false', 0, 'bool'),
  string: scalar('string', "''", 2, 'string'),
  bytes: scalar('Uint8Array', 'new Uint8Array(0)', 2, 'bytes'),
};

/** One field, with everything that the four places that emit it need. */
interface FieldPlan {
  readonly key: string;
  readonly id: number;
  readonly comment: string | null;
  readonly kind: 'single' | 'optional' | 'message' | 'list' | 'messages' | 'map';
  /** Scalar form; enums are int32 with their own type. */
  readonly scalar: ScalarType | undefined;
  readonly ts: string;
  readonly mapKey: ScalarType | undefined;
}

function enumScalar(name: string): ScalarType {
  return {
    ts: name,
    zero: `(0 as ${name})`,
    wire: 0,
    write: (v) => `int32(${v})`,
    read: `input.int32() as ${name}`,
  };
}

function planField(field: protobuf.Field, names: Names): FieldPlan {
  field.resolve();
  const definition = field.resolvedType;
  const type = definition instanceof protobuf.Enum ? enumScalar(names.of(definition)) : scalars[field.type];
  if (definition === null && type === undefined)
    throw new Error(`${field.fullName}: type ${field.type} is not supported`);
  const base = { key: lowerCamel(field.name), id: field.id, comment: field.comment, scalar: type };
  const ts = type?.ts ?? (definition === null ? '' : names.of(definition));
  if (field instanceof protobuf.MapField) {
    const mapKey = scalars[field.keyType];
    if (mapKey === undefined)
      throw new Error(`${field.fullName}: key type ${field.keyType} is not supported`);
    return { ...base, kind: 'map', ts, mapKey };
  }
  const single = type === undefined ? 'message' : isOptional(field) ? 'optional' : 'single';
  const many = type === undefined ? 'messages' : 'list';
  return { ...base, kind: field.repeated ? many : single, ts, mapKey: undefined };
}

function isOptional(field: protobuf.Field): boolean {
  if (field.partOf === null) return false;
  if (field.partOf.fieldsArray.length > 1)
    throw new Error(`${field.fullName}: a oneof of several fields is not supported`);
  return true;
}

function fieldType(field: FieldPlan): string {
  switch (field.kind) {
    case 'single':
      return `${field.key}: ${field.ts}`;
    case 'optional':
    case 'message':
      return `${field.key}?: ${field.ts} | undefined`;
    case 'list':
    case 'messages':
      return `${field.key}: ${field.ts}[]`;
    case 'map':
      return `${field.key}: Map<${field.mapKey?.ts}, ${field.ts}>`;
  }
}

function createField(field: FieldPlan): string {
  const given = `init.${field.key}`;
  switch (field.kind) {
    case 'single':
      return `${field.key}: ${given} ?? ${field.scalar?.zero}`;
    case 'optional':
      return `${field.key}: ${given}`;
    case 'message':
      return `${field.key}: ${given} && ${field.ts}.create(${given})`;
    case 'list':
      return `${field.key}: [...(${given} ?? [])]`;
    case 'messages':
      return `${field.key}: (${given} ?? []).map(${field.ts}.create)`;
    case 'map':
      return `${field.key}: new Map(${given})`;
  }
}

function tag(id: number, wire: number): number {
  return id * 8 + wire;
}

function isPackable(type: ScalarType): boolean {
  return type.wire !== 2;
}

function isGiven(field: FieldPlan, value: string): string {
  if (field.ts === 'Uint8Array') return `${value}?.length`;
  // NaN is falsy and minus zero equals zero, but neither is the default.
  if (field.scalar?.write('') === 'double()') {
    return `${value} !== undefined && !Object.is(${value}, 0)`;
  }
  return value;
}

function writeField(field: FieldPlan): string {
  const { scalar: type, key, id } = field;
  const given = `from.${key}`;
  const tagged = type === undefined ? '' : `out.tag(${tag(id, type.wire)})`;
  switch (field.kind) {
    case 'single':
      return `if (${isGiven(field, given)}) ${tagged}.${type?.write(given)};`;
    case 'optional':
      return `if (${given} !== undefined) ${tagged}.${type?.write(given)};`;
    case 'message':
      return `if (${given}) out.message(${tag(id, 2)}, ${field.ts}, ${given});`;
    case 'messages':
      return `for (const value of ${given} ?? []) out.message(${tag(id, 2)}, ${field.ts}, value);`;
    case 'list':
      if (type === undefined || !isPackable(type)) {
        return `for (const value of ${given} ?? []) ${tagged}.${type?.write('value')};`;
      }
      return (
        `if (${given}?.length) {\n      const start = out.tag(${tag(id, 2)}).begin();\n` +
        `      for (const value of ${given}) out.${type.write('value')};\n      out.end(start);\n    }`
      );
    case 'map':
      return writeMap(field, given);
  }
}

function writeMap(field: FieldPlan, given: string): string {
  const { mapKey, scalar: type } = field;
  if (mapKey === undefined) throw new Error(`${field.key} has no key type`);
  const value =
    type === undefined
      ? `out.message(18, ${field.ts}, value)`
      : `out.tag(${tag(2, type.wire)}).${type.write('value')}`;
  return (
    `for (const [key, value] of ${given} ?? []) {\n` +
    `      const start = out.tag(${tag(field.id, 2)}).begin();\n      out.tag(${tag(1, mapKey.wire)}).${mapKey.write('key')};\n` +
    `      ${value};\n      out.end(start);\n    }`
  );
}

function readCase(tagNumber: number, ...statements: readonly string[]): string {
  const body = [...statements, 'return true;'].map((line) => `        ${line}\n`).join('');
  return `      case ${tagNumber}:\n${body}`;
}

function readField(field: FieldPlan): string {
  const { scalar: type, key, id } = field;
  const into = `into.${key}`;
  switch (field.kind) {
    case 'single':
    case 'optional':
      return readCase(tag(id, type?.wire ?? 0), `${into} = ${type?.read};`);
    case 'message':
      return readCase(tag(id, 2), `${into} = input.message(${field.ts}, ${into});`);
    case 'messages':
      return readCase(tag(id, 2), 'input.count();', `${into}.push(input.message(${field.ts}));`);
    case 'list': {
      const one = readCase(tag(id, type?.wire ?? 0), 'input.count();', `${into}.push(${type?.read});`);
      if (type === undefined || !isPackable(type)) return one;
      return one + readCase(tag(id, 2), `input.packed(${into}, () => ${type.read});`);
    }
    case 'map':
      return readMap(field, into);
  }
}

function readMap(field: FieldPlan, into: string): string {
  const { mapKey, scalar: type, ts } = field;
  if (mapKey === undefined) throw new Error(`${field.key} has no key type`);
  const valueTag = tag(2, type?.wire ?? 2);
  const value = type?.read ?? `input.message(${ts}, value)`;
  const body =
    `let key: ${mapKey.ts} = ${mapKey.zero};\nlet value: ${ts} = ${type?.zero ?? `${ts}.create()`};\n` +
    `input.entry((inner) => {\n  if (inner === ${tag(1, mapKey.wire)}) key = ${mapKey.read};\n` +
    `  else if (inner === ${valueTag}) value = ${value};\n  else return false;\n  return true;\n});\n` +
    `${into}.set(key, value);\nreturn true;`;
  const indented = body.replace(/^/gm, '        ');
  return `      case ${tag(field.id, 2)}: {\n${indented}\n      }\n`;
}

function refuseRecursion(type: protobuf.Type, path: readonly protobuf.Type[] = []): void {
  if (path.includes(type)) throw new Error(`${type.fullName} contains itself: decoding would not be bounded`);
  for (const field of type.fieldsArray) {
    field.resolve();
    if (field.resolvedType instanceof protobuf.Type) refuseRecursion(field.resolvedType, [...path, type]);
  }
}

/** Text of the interface and the codec of `type`. */
export function emitMessage(type: protobuf.Type, names: Names): string {
  refuseRecursion(type);
  const name = names.of(type);
  const fields = type.fieldsArray.map((field) => planField(field, names));
  const doc = jsDoc(type.comment);
  if (fields.length === 0) {
    return (
      `${doc}export type ${name} = Record<never, never>;\n` +
      `export const ${name}: Message<${name}> = message<${name}>(() => ({}), () => {}, () => false);\n`
    );
  }
  const members = fields.map((field) => `${jsDoc(field.comment, '  ')}  ${fieldType(field)};\n`);
  return (
    `${doc}export interface ${name} {\n${members.join('')}}\n` +
    `export const ${name}: Message<${name}> = message<${name}>(\n` +
    `  (init) => ({\n${fields.map((field) => `    ${createField(field)},\n`).join('')}  }),\n` +
    `  (out, from) => {\n${fields.map((field) => `    ${writeField(field)}\n`).join('')}  },\n` +
    `  (input, into, tag) => {\n    switch (tag) {\n${fields.map(readField).join('')}` +
    `      default:\n        return false;\n    }\n  },\n);\n`
  );
}
