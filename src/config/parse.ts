// Parses one TOML file into checked values; errors have the line.

import { KEYS, type Key, keyName, problemOf, type Value } from './schema.ts';
import { nearest } from './suggest.ts';

/** A mistake in the configuration. The message has file, line, key, problem and, if there is one, a suggestion. */
export class ConfigError extends Error {
  readonly file: string;
  /** 1-based; undefined when there is no line (an unreadable file, an annotation). */
  readonly line: number | undefined;
  readonly key: string | undefined;

  constructor(
    where: { file: string; line?: number | undefined; key?: string | undefined },
    problem: string,
    cause?: unknown,
  ) {
    const line = where.line === undefined ? '' : `:${where.line}`;
    const key = where.key === undefined ? '' : `${where.key} `;
    super(`${where.file}${line}: ${key}${problem}`, { cause });
    this.name = 'ConfigError';
    this.file = where.file;
    this.line = where.line;
    this.key = where.key;
  }
}

/** Values by `table.key`. */
export type Values = ReadonlyMap<string, Value>;

const unquote = (name: string): string => name.trim().replace(/^(["'])(.*)\1$/, '$2');

/**
 * The line that sets a key (or, without `name`, a table). smol-toml gives lines only for syntax errors, so this
 * searches the text: tables by their header, keys by what is left of the equals sign, dotted keys included.
 */
export function lineOf(text: string, table: string, name?: string): number | undefined {
  let current = '';
  const wanted = name === undefined ? table : `${table}.${name}`;
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?\s*([^\]]+?)\s*\]/.exec(line);
    if (header) {
      current = unquote(header[1] ?? '');
      if (name === undefined && (current === table || current.startsWith(`${table}.`))) return index + 1;
      continue;
    }
    const assignment = /^\s*([^=#]+?)\s*=/.exec(line);
    if (!assignment) continue;
    const dotted = (assignment[1] ?? '').split('.').map(unquote).join('.');
    const full = current === '' ? dotted : `${current}.${dotted}`;
    if (full === wanted || (name === undefined && full.startsWith(`${table}.`))) return index + 1;
    // An inline table holds its keys on the same line.
    if (name !== undefined && full === table && line.includes(name)) return index + 1;
  }
  return undefined;
}

function unknownTable(file: string, text: string, table: string): ConfigError {
  const tables = [...new Set(KEYS.map((key) => key.table))];
  const place = KEYS.find((key) => key.name === table);
  const guess = nearest(table, tables);
  const hint =
    place !== undefined
      ? `; it belongs in [${place.table}]`
      : guess !== undefined
        ? `; did you mean [${guess}]?`
        : `; known are ${tables.join(', ')}`;
  return new ConfigError({ file, line: lineOf(text, table), key: table }, `is not known${hint}`);
}

function unknownKey(file: string, text: string, table: string, name: string): ConfigError {
  const here = KEYS.filter((key) => key.table === table).map((key) => key.name);
  const elsewhere = KEYS.find((key) => key.name === name);
  const guess = nearest(name, here);
  const hint =
    elsewhere !== undefined
      ? `; it belongs in [${elsewhere.table}]`
      : guess !== undefined
        ? `; did you mean ${guess}?`
        : `; [${table}] has ${here.join(', ')}`;
  return new ConfigError(
    { file, line: lineOf(text, table, name), key: `${table}.${name}` },
    `is not known${hint}`,
  );
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function readTable(
  file: string,
  text: string,
  table: string,
  content: unknown,
  values: Map<string, Value>,
): void {
  const keys = KEYS.filter((key) => key.table === table);
  if (keys.length === 0) throw unknownTable(file, text, table);
  if (!isTable(content)) {
    throw new ConfigError(
      { file, line: lineOf(text, table), key: table },
      `must be a table: write [${table}] and its keys below`,
    );
  }
  for (const [name, value] of Object.entries(content)) {
    const key = keys.find((one) => one.name === name);
    if (key === undefined) throw unknownKey(file, text, table, name);
    const problem = problemOf(key.kind, value);
    if (problem !== undefined) {
      throw new ConfigError({ file, line: lineOf(text, table, name), key: keyName(key) }, problem);
    }
    values.set(keyName(key), value as Value);
  }
}

/**
 * Parses and checks one file. Only the keys that it sets are in the result.
 * @throws ConfigError
 */
export async function parseConfig(file: string, text: string): Promise<Values> {
  // Loaded here: most shims run with the defaults and never read a file.
  const { parse, TomlError } = await import('smol-toml');
  let content: Record<string, unknown>;
  try {
    content = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0]?.replace('Invalid TOML document: ', '') ?? '';
    throw new ConfigError({ file, line: error.line }, `is not valid TOML: ${what}`, error);
  }
  const values = new Map<string, Value>();
  for (const [table, inner] of Object.entries(content)) readTable(file, text, table, inner, values);
  return values;
}

/** Reads a value that an annotation gives as text. @throws ConfigError */
export function parseAnnotation(annotation: string, key: Key, text: string): Value {
  const isNumeric = key.kind.t === 'integer' || key.kind.t === 'number';
  const value = isNumeric && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  const problem = problemOf(key.kind, value);
  if (problem !== undefined) throw new ConfigError({ file: 'annotation', key: annotation }, problem);
  return value;
}
