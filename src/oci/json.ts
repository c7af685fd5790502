// JSON as OCI specs need it: 64-bit integers survive the way in and out, and a syntax error tells its position.

/** A JSON text that cannot be read; the message names line and column. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
}

type Reviver = (this: unknown, key: string, value: unknown, context: { source: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** Only integers of 16 digits and more can lose precision, and only a few specs have one. */
const longInteger = /\d{16}/;

/**
 * Parses JSON; an integer that a number cannot hold becomes a bigint (RLIM_INFINITY is 2^64-1).
 * @throws JsonSyntaxError
 */
export function parseJson(text: string): unknown {
  try {
    return longInteger.test(text) ? parseWithSource(text, reviveInteger) : JSON.parse(text);
  } catch (error) {
    throw new JsonSyntaxError(describeSyntax(text, error), { cause: error });
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
  const message = error instanceof Error ? error.message : String(error);
  const position = /at position (\d+)/.exec(message)?.[1];
  // V8 gives no position when the text ends too early; and it quotes the text, which may be long or secret.
  const offset = position === undefined ? text.length : Number(position);
  const before = text.slice(0, offset).split('\n');
  const problem =
    position === undefined ? 'it ends too early' : message.replace(/ in JSON at position.*$/s, '');
  return `${problem} (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
}
