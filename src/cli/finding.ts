// The answer to one question of `bulkhead check`, and how it is printed.

import { printable } from './table.ts';

export interface Finding {
  readonly name: string;
  /** `warn`: works, but slowly or with less; `fail`: containers will not start. */
  readonly status: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** What to do about it; present for every warn and fail. */
  readonly fix?: string;
}

/** The lines of `bulkhead check`, with a summary at the end. */
export function formatFindings(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map((one) => one.name.length));
  const lines = findings.flatMap((one) => {
    const line = `${one.status.padEnd(4)}  ${one.name.padEnd(width)}  ${printable(one.text)}`;
    return one.fix === undefined ? [line] : [line, `${' '.repeat(width + 8)}-> ${printable(one.fix)}`];
  });
  const count = (status: Finding['status']): number => findings.filter((one) => one.status === status).length;
  const summary =
    count('fail') > 0
      ? `this host cannot run bulkhead: ${count('fail')} failed, ${count('warn')} to look at`
      : count('warn') > 0
        ? `this host can run bulkhead; ${count('warn')} to look at`
        : 'this host can run bulkhead';
  return [...lines, '', summary];
}
