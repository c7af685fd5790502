/** The guest's resolver configuration, from the file that the container manager wrote for the container. */
import { readSmallFile } from '../host/small-file.ts';

/** A mount of an OCI spec. */
export interface SpecMount {
  readonly destination: string;
  readonly source?: string;
}

/** More than any resolver reads; a Docker container may write to the file. */
const MAX_BYTES = 64 * 1024;
const MAX_LINES = 64;
const MAX_LINE_LENGTH = 1024;

/** The lines of the file that the spec binds on /etc/resolv.conf; none without such a mount or file. */
export async function dnsOf(mounts: readonly SpecMount[]): Promise<string[]> {
  const source = mounts.find(({ destination }) => destination === '/etc/resolv.conf')?.source;
  if (source === undefined) return [];
  return dnsLines(await readSmallFile(source, MAX_BYTES));
}

/** Whether the lines have this server. */
export function asksServer(lines: readonly string[], address: string): boolean {
  return lines.some((line) => {
    const [keyword, server] = line.split(/\s+/);
    return keyword === 'nameserver' && server === address;
  });
}

/** The lines that a resolver uses, without comments and blank lines; bounded. */
export function dnsLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^[#;]/.test(line) && line.length <= MAX_LINE_LENGTH)
    .slice(0, MAX_LINES);
}
