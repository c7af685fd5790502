// JSON for OCI specs: 64-bit integers survive parsing and writing, and a syntax error has its position.

import { findSyntaxProblem } from './json-error.ts';

/** A JSON text that cannot be read; the message names line and column. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
}

type Reviver = (this: unknown, key: string, value: unknown, context: { source: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** Only integers of 16 or more digits can lose precision, and few specs have one. */
const longInteger = /\d{16}/;

/**
 * Parses JSON; an integer that a number cannot represent exactly becomes a bigint (RLIM_INFINITY is 2^64-1).
 * @throws JsonSyntaxError
 */
export function parseJson(text: string): unknown {
  try {
    return longInteger.test(text) ? parseWithSource(text, reviveInteger) : JSON.parse(text);
  } catch (error) {
    throw new JsonSyntaxError(describeSyntax(text, error));
  }
}

function reviveInteger(_key: string, value: unknown, context: { source: string }): unknown {
  const isLossy = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
  return isLossy && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}

/** Writes JSON; a bigint becomes a plain integer. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? rawJSON(item.toString()) : item,
  );
}

function describeSyntax(text: string, error: unknown): string {
  if (text.trim() === '') return 'it is empty';
  const problem = findSyntaxProblem(text);
  if (problem === undefined) return error instanceof Error ? error.message : String(error);
  const before = text.slice(0, problem.offset).split('\n');
  const where = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
  const found = problem.offset < text.length ? `not ${JSON.stringify(text[problem.offset])}` : 'but it ends';
  return `${problem.expected} must follow at ${where}, ${found}`;
}
