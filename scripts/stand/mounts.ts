// The machine's mount table, for leak checks and for cleaning up after a test.
import { readFileSync } from 'node:fs';
import { run } from './command.ts';

/** Mount points at or below a folder, as the kernel lists them (parents first, one entry per mount). */
export function mountsBelow(dir: string): string[] {
  const table = readFileSync('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .map((point) =>
      point.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    )
    .filter((point) => point === dir || point.startsWith(`${dir}/`));
}

/** Unmounts everything at or below a folder, deepest first, lazily. */
export async function unmountBelow(dir: string): Promise<void> {
  for (const point of mountsBelow(dir).reverse()) await run('umount', ['-l', point], { timeoutMs: 10_000 });
}
