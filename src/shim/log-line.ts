// Formats a log record as one line of logrus' text format, as in containerd's own log: key=value pairs.

/** PIPE_BUF: a line of at most this size reaches the log FIFO whole or not at all, and is never interleaved with another. */
const MAX_LINE_BYTES = 4096;

/** Values of these characters need no quotes, as in logrus. */
const BARE = /^[A-Za-z0-9\-._/@^+]+$/;
/** Control characters that JSON.stringify leaves as they are. */
const CONTROL = /[\u007f-\u009f\u2028\u2029]/g;

/** The text of a field's value, which may be anything. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.message;
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '[unprintable]'; // a cycle, or a bigint inside
  }
}

function quote(text: string): string {
  if (BARE.test(text)) return text;
  return JSON.stringify(text).replace(
    CONTROL,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Cuts between characters, so that the line stays valid UTF-8. */
function cut(line: string): string {
  const bytes = Buffer.from(line);
  if (bytes.length < MAX_LINE_BYTES) return line;
  let end = MAX_LINE_BYTES - 8;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}...`;
}

/**
 * `time=... level=... msg=... key=value ...`, without the newline. Values are quoted where needed and control
 * characters escaped, so that nothing a guest says can forge a line. Cut at 4 KiB.
 */
export function formatLine(
  time: string,
  level: string,
  message: string,
  fields: Readonly<Record<string, unknown>>,
): string {
  const pairs = [
    `time=${JSON.stringify(time)}`,
    `level=${level === 'warn' ? 'warning' : level}`,
    `msg=${quote(message)}`,
  ];
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) pairs.push(`${key.replace(/[^\w.-]/g, '_')}=${quote(textOf(value))}`);
  }
  return cut(pairs.join(' '));
}
