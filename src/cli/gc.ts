// `bulkhead gc`: finds and removes what dead shims have left on this host.

import { messageOf } from '../base/errors.ts';
import { findLeftovers, type Leftover } from '../sandbox/leftovers.ts';
import { formatTable } from './table.ts';

/** What was done about a leftover. */
export interface Collected extends Pick<Leftover, 'kind' | 'name' | 'what'> {
  readonly result: 'would be removed' | 'removed' | 'left alone' | 'stands';
  readonly reason: string | undefined;
}

/**
 * @param isDry only report, remove nothing.
 * @throws when the state root cannot be read
 */
export async function collectGarbage(isDry: boolean): Promise<Collected[]> {
  const collected: Collected[] = [];
  // Sequentially, because each may start programs.
  for (const one of await findLeftovers()) collected.push(await collect(one, isDry));
  return collected;
}

async function collect(leftover: Leftover, isDry: boolean): Promise<Collected> {
  const { kind, name, what, keep } = leftover;
  const common = { kind, name, what, reason: keep };
  if (keep !== undefined) return { ...common, result: 'left alone' };
  if (isDry) return { ...common, result: 'would be removed' };
  try {
    await leftover.remove();
    return { ...common, result: 'removed' };
  } catch (error) {
    return { ...common, result: 'stands', reason: messageOf(error) };
  }
}

/** The table that `bulkhead gc` prints. */
export function formatCollected(collected: readonly Collected[]): string[] {
  if (collected.length === 0) return ['nothing is left of dead shims'];
  return formatTable(
    ['KIND', 'NAME', 'RESULT', 'WHAT'],
    collected.map(({ kind, name, what, result, reason }) => [
      kind,
      name,
      result,
      reason === undefined ? what : `${what}: ${reason}`,
    ]),
  );
}
