// Finds where a text stops being JSON: the engine's own error gives the position only sometimes.

export interface SyntaxProblem {
  readonly offset: number;
  /** What should be there. */
  readonly expected: string;
}

const blank = /[ \t\n\r]*/y;
// JSON forbids only the control characters below the space.
const string = String.raw`"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"`;
const number = String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const key = new RegExp(string, 'uy');
const scalar = new RegExp(`${string}|${number}|true|false|null`, 'uy');

type Expected = 'a value' | 'a value or ]' | 'a key' | 'a key or }' | ':' | ', or }' | ', or ]' | 'the end';

/** The first place at which `text` is not JSON; undefined when it is. */
export function findSyntaxProblem(text: string): SyntaxProblem | undefined {
  const open: ('}' | ']')[] = [];
  let expected: Expected = 'a value';
  let offset = skip(blank, text, 0);
  for (; offset < text.length; offset = skip(blank, text, offset)) {
    const char = text[offset];
    const end: number =
      expected === 'a key' || expected === 'a key or }'
        ? skip(key, text, offset)
        : skip(scalar, text, offset);
    if (char === open.at(-1) && !/^(a value|a key|:)$/.test(expected)) {
      open.pop();
      expected = afterValue(open);
      offset += 1;
    } else if (expected.startsWith('a value') && (char === '{' || char === '[')) {
      open.push(char === '{' ? '}' : ']');
      expected = char === '{' ? 'a key or }' : 'a value or ]';
      offset += 1;
    } else if (expected.startsWith('a ') && end > offset) {
      expected = expected.startsWith('a key') ? ':' : afterValue(open);
      offset = end;
    } else if (expected === ':' && char === ':') {
      expected = 'a value';
      offset += 1;
    } else if (expected.startsWith(',') && char === ',') {
      expected = expected === ', or }' ? 'a key' : 'a value';
      offset += 1;
    } else {
      return { offset, expected };
    }
  }
  return expected === 'the end' ? undefined : { offset, expected };
}

function afterValue(open: readonly ('}' | ']')[]): Expected {
  const close = open.at(-1);
  return close === undefined ? 'the end' : `, or ${close}`;
}

/** The offset after what the expression matches at `offset`; `offset` itself when it does not match. */
function skip(expression: RegExp, text: string, offset: number): number {
  expression.lastIndex = offset;
  return expression.test(text) ? expression.lastIndex : offset;
}
