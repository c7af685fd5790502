// Loads the configuration: defaults, /etc/bulkhead/config.toml and its drop-ins; or a single named file.

import fs from 'node:fs';
import path from 'node:path';
import { findQemu, shareDir } from './locate.ts';
import { ConfigError, parseAnnotation, parseConfig, type Values } from './parse.ts';
import { type Config, camelCase, KEYS, keyName, type Value } from './schema.ts';

export { ConfigError } from './parse.ts';
export type { Config } from './schema.ts';

const SYSTEM_FILE = '/etc/bulkhead/config.toml';
const SYSTEM_DROP_INS = '/etc/bulkhead/config.d';
/** Prefix of the annotations that override a key. */
export const ANNOTATION_PREFIX = 'io.bulkhead.';

/** Looked up on this machine when the files leave them empty. */
const FOUND: Readonly<Record<string, () => string>> = {
  'vm.path': findQemu,
  'vm.kernel': () => path.join(shareDir(), 'vmlinux'),
  'vm.image': () => path.join(shareDir(), 'image'),
};

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as Error).message.split(', ')[0] ?? '';
    throw new ConfigError({ file }, `cannot be read: ${reason}`, error);
  }
}

/**
 * The files to read, in order; later ones win key by key. A named file stands alone: it is the whole configuration, so
 * that what this machine has in /etc does not affect a test or a second runtime handler.
 * @param named the runtime option ConfigPath; takes precedence over BULKHEAD_CONFIG.
 */
export function configFiles(named?: string): string[] {
  const single = named || process.env.BULKHEAD_CONFIG;
  if (single) return [single];
  const files = fs.existsSync(SYSTEM_FILE) ? [SYSTEM_FILE] : [];
  if (!fs.existsSync(SYSTEM_DROP_INS)) return files;
  const dropIns = fs
    .readdirSync(SYSTEM_DROP_INS)
    .filter((name) => name.endsWith('.toml') && !name.startsWith('.'));
  return [...files, ...dropIns.sort().map((name) => path.join(SYSTEM_DROP_INS, name))];
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}

/** Builds the frozen object from checked values by `table.key`. */
function build(values: Values): Config {
  const tables: Record<string, Record<string, Value>> = {};
  for (const key of KEYS) {
    const name = keyName(key);
    const set = values.get(name) ?? key.fallback;
    const value = set === '' ? (FOUND[name]?.() ?? set) : set;
    const table = camelCase(key.table);
    tables[table] ??= {};
    tables[table][camelCase(key.name)] = Array.isArray(value) ? [...value] : value;
  }
  // KEYS and Config are kept equal by a test.
  return deepFreeze(tables) as unknown as Config;
}

/**
 * Loads and checks the configuration. Files are optional unless named.
 * @param named path of the one file to read (runtime option ConfigPath); default: BULKHEAD_CONFIG, else /etc/bulkhead.
 * @throws ConfigError naming file, line and key.
 */
export async function loadConfig(named?: string): Promise<Config> {
  const values = new Map<string, Value>();
  for (const file of configFiles(named)) {
    for (const [name, value] of await parseConfig(file, read(file))) values.set(name, value);
  }
  return build(values);
}

/**
 * Applies the annotations `io.bulkhead.<table>.<key>` of a pod that the configuration's allow-list names. Pure.
 * @returns the configuration of that pod; `ignored` are annotations of ours that are unknown or not allowed.
 * @throws ConfigError when an allowed annotation has a value that the key cannot have.
 */
export function applyAnnotations(
  config: Config,
  annotations: Readonly<Record<string, string>>,
): { config: Config; ignored: readonly string[] } {
  const ignored: string[] = [];
  const tables = structuredClone(config) as unknown as Record<string, Record<string, Value>>;
  for (const [annotation, text] of Object.entries(annotations)) {
    if (!annotation.startsWith(ANNOTATION_PREFIX)) continue;
    const name = annotation.slice(ANNOTATION_PREFIX.length);
    const key = KEYS.find((one) => keyName(one) === name);
    if (key?.annotation !== true || !config.annotations.allow.includes(name)) {
      ignored.push(annotation);
      continue;
    }
    const value = parseAnnotation(annotation, key, text);
    // An empty path in an annotation asks for the default, which is what is there already or was set by the admin.
    const table = tables[camelCase(key.table)];
    if (table !== undefined && value !== '') table[camelCase(key.name)] = value;
  }
  return { config: deepFreeze(tables) as unknown as Config, ignored };
}
