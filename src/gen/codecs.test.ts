// Holds the generated codecs against protobufjs's own reflection: what one writes the other must read, both ways.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { exportName, lowerCamel } from '../../scripts/gen/emit.ts';
import { loadAll, modules } from '../../scripts/gen.ts';

type Model = { [key: string]: unknown };
/** The codecs seen without their types. */
interface AnyMessage {
  encode(model: Model): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

const root = loadAll();
const Long = protobuf.util.Long as unknown as { fromString(text: string, unsigned: boolean): unknown };
const bigTypes = new Set(['int64', 'uint64', 'fixed64', 'sfixed64']);
const unsignedTypes = new Set(['uint64', 'fixed64']);

interface Subject {
  readonly type: protobuf.Type;
  readonly codec: AnyMessage;
}

async function loadSubjects(): Promise<Subject[]> {
  const subjects: Subject[] = [];
  const exported = new Map<string, Record<string, unknown>>();
  for (const plan of modules) exported.set(plan.name, await import(`./${plan.name}.ts`));
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const child of namespace.nestedArray) {
      if (child instanceof protobuf.Type) {
        const file = child.filename?.split('/').at(-1) ?? '';
        const full = child.fullName.slice(1);
        const plan = modules.find(
          (candidate) => candidate.files.includes(file) || candidate.messages?.includes(full),
        );
        const codec = plan && exported.get(plan.name)?.[exportName(child)];
        if (codec !== undefined) subjects.push({ type: child, codec: codec as AnyMessage });
      }
      if (child instanceof protobuf.Namespace) visit(child);
    }
  };
  visit(root);
  return subjects;
}

const subjects = await loadSubjects();

function scalarArbitrary(field: protobuf.Field): fc.Arbitrary<unknown> {
  if (field.resolvedType instanceof protobuf.Enum)
    return fc.constantFrom(...Object.values(field.resolvedType.values));
  switch (field.type) {
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 60 });
    case 'bytes':
      return fc.uint8Array({ maxLength: 200 });
    case 'bool':
      return fc.boolean();
    case 'double':
      return fc.double();
    case 'int32':
      return fc.integer();
    case 'uint32':
      return fc.nat(0xffffffff);
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'uint64':
      return fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 200n }));
    default:
      throw new Error(`no arbitrary for ${field.type}: add one`);
  }
}

function valueArbitrary(field: protobuf.Field): fc.Arbitrary<unknown> {
  return field.resolvedType instanceof protobuf.Type
    ? modelArbitrary(field.resolvedType)
    : scalarArbitrary(field);
}

function fieldArbitrary(field: protobuf.Field): fc.Arbitrary<unknown> {
  field.resolve();
  if (field instanceof protobuf.MapField) {
    return fc
      .array(fc.tuple(fc.string({ maxLength: 10 }), valueArbitrary(field)), { maxLength: 4 })
      .map((e) => new Map(e));
  }
  if (field.repeated) return fc.array(valueArbitrary(field), { maxLength: 4 });
  const isOptional = field.partOf !== null || field.resolvedType instanceof protobuf.Type;
  return isOptional ? fc.option(valueArbitrary(field), { nil: undefined }) : valueArbitrary(field);
}

/** Values in the form of our interfaces, every key present. */
function modelArbitrary(type: protobuf.Type): fc.Arbitrary<Model> {
  return fc.record(
    Object.fromEntries(type.fieldsArray.map((field) => [lowerCamel(field.name), fieldArbitrary(field)])),
  );
}

function toOracle(type: protobuf.Type, model: Model): protobuf.Message {
  const one = (field: protobuf.Field, value: unknown): unknown => {
    if (field.resolvedType instanceof protobuf.Type) return toOracle(field.resolvedType, value as Model);
    if (!bigTypes.has(field.type)) return value;
    return Long.fromString(String(value), unsignedTypes.has(field.type));
  };
  const message = type.create({}) as protobuf.Message & Record<string, unknown>;
  for (const field of type.fieldsArray) {
    const value = model[lowerCamel(field.name)];
    if (value === undefined) continue;
    if (field instanceof protobuf.MapField) {
      message[field.name] = Object.fromEntries(
        [...(value as Map<string, unknown>)].map(([k, v]) => [k, one(field, v)]),
      );
    } else {
      message[field.name] = field.repeated
        ? (value as unknown[]).map((item) => one(field, item))
        : one(field, value);
    }
  }
  return message;
}

function fromOracle(type: protobuf.Type, message: Record<string, unknown>): Model {
  const one = (field: protobuf.Field, value: unknown): unknown => {
    if (field.resolvedType instanceof protobuf.Type)
      return fromOracle(field.resolvedType, value as Record<string, unknown>);
    if (field.type === 'bytes') return new Uint8Array(value as Uint8Array);
    return bigTypes.has(field.type) ? BigInt(String(value)) : value;
  };
  const entries = type.fieldsArray.map((field): [string, unknown] => {
    const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
    const key = lowerCamel(field.name);
    if (field instanceof protobuf.MapField) {
      return [key, new Map(Object.entries(value ?? {}).map(([k, v]) => [k, one(field, v)]))];
    }
    if (field.repeated)
      return [key, ((value as unknown[] | undefined) ?? []).map((item) => one(field, item))];
    if (value !== undefined) return [key, one(field, value)];
    const isOptional = field.partOf !== null || field.resolvedType instanceof protobuf.Type;
    return [key, isOptional ? undefined : one(field, field.typeDefault)];
  });
  return Object.fromEntries(entries);
}

/** Makes two models comparable: plain byte arrays, and maps without regard to order. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (value instanceof Map)
    return [...value].map(([k, v]) => [k, plain(v)]).sort(([a], [b]) => String(a).localeCompare(String(b)));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

test('the committed code is what the generator makes', () => {
  const script = join(import.meta.dirname, '../../scripts/gen.ts');
  execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' });
});

test('every message of the .proto files has a codec', () => {
  const files = modules.flatMap((plan) => plan.files);
  const texts = files.map((file) => readFileSync(join(import.meta.dirname, '../../proto', file), 'utf8'));
  const ours = texts.reduce((sum, text) => sum + (text.match(/^\s*message /gm)?.length ?? 0), 0);
  const google = modules.flatMap((plan) => plan.messages ?? []).length;
  assert.equal(subjects.length, ours + google);
  for (const name of [
    'StateResponse',
    'TaskExit',
    'CreateContainerRequest',
    'LinuxSyscall',
    'BootstrapParams',
    'Any',
  ]) {
    assert.ok(
      subjects.some(({ type }) => type.name === name),
      name,
    );
  }
});

test('what our codecs write, reflection reads, and the other way round', () => {
  for (const { type, codec } of subjects) {
    const numRuns = type.fieldsArray.length > 12 ? 15 : 25;
    fc.assert(
      fc.property(modelArbitrary(type), (model) => {
        const ours = codec.encode(model);
        const oracleRead = type.decode(ours) as unknown as Record<string, unknown>;
        assert.deepEqual(
          plain(fromOracle(type, oracleRead)),
          plain(model),
          `${type.fullName}: ours -> reflection`,
        );
        const theirs = type.encode(toOracle(type, model)).finish();
        assert.deepEqual(plain(codec.decode(theirs)), plain(model), `${type.fullName}: reflection -> ours`);
        assert.deepEqual(plain(codec.decode(ours)), plain(model), `${type.fullName}: ours -> ours`);
      }),
      { numRuns },
    );
  }
});

test('a message cut short, or followed by anything, throws or reads as its beginning; it never hangs', () => {
  for (const { type, codec } of subjects) {
    const [model] = fc.sample(modelArbitrary(type), { numRuns: 1, seed: 7 });
    assert.ok(model);
    const bytes = codec.encode(model).subarray(0, 600);
    for (let end = 0; end < bytes.length; end += 1) outcome(() => codec.decode(bytes.subarray(0, end)));
  }
});

test('on any bytes our decoder and reflection agree on whether they are a message', () => {
  const known = new Set([
    'StateResponse',
    'CreateTaskRequest',
    'CreateContainerRequest',
    'StatsContainerResponse',
    'Metrics',
  ]);
  for (const { type, codec } of subjects.filter((subject) => known.has(subject.type.name))) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        assert.doesNotThrow(() => outcome(() => codec.decode(bytes)));
      }),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(modelArbitrary(type), fc.nat(), fc.nat(255), (model, at, value) => {
        const bytes = Buffer.from(codec.encode(model));
        if (bytes.length > 0) bytes[at % bytes.length] = value;
        const ours = outcome(() => plain(codec.decode(bytes)));
        const theirs = outcome(() =>
          plain(fromOracle(type, type.decode(bytes) as unknown as Record<string, unknown>)),
        );
        // Where reflection accepts, so do we, with the same result; we are stricter about fields that overlap.
        if (ours.t === 'value' && theirs.t === 'value')
          assert.deepEqual(ours.value, theirs.value, type.fullName);
      }),
      { numRuns: 200 },
    );
  }
});

type Outcome = { t: 'value'; value: unknown } | { t: 'error'; error: Error };

function outcome(run: () => unknown): Outcome {
  try {
    return { t: 'value', value: run() };
  } catch (error) {
    assert.ok(error instanceof Error);
    return { t: 'error', error };
  }
}
