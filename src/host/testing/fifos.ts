/** Scratch files, FIFOs and reading them, for tests. Not shipped. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A folder that is removed after the file's tests, and functions for new paths and FIFOs in it. */
export function useFifos(): { dir: string; newPath(kind: string): string; makeFifo(): string } {
  const dir = mkdtempSync(join(tmpdir(), 'bulkhead-fifos-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  let count = 0;
  const newPath = (kind: string) => join(dir, `${kind}-${count++}`);
  const makeFifo = () => {
    const path = newPath('fifo');
    execFileSync('mkfifo', [path]);
    return path;
  };
  return { dir, newPath, makeFifo };
}

export const openFds = (): number => readdirSync('/proc/self/fd').length;

export async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
}
