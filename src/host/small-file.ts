/** Reads files that a container may have written, or replaced with something else. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Linux's O_PATH, which Node does not export. The descriptor only refers to the file: no FIFO or device is opened. */
const O_PATH = 0x20_0000;

/**
 * The beginning of a regular file; empty when there is none, or it cannot be read.
 * @param maxBytes of a larger file, only the whole lines that fit are returned.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<string> {
  let found: FileHandle | undefined;
  let file: FileHandle | undefined;
  try {
    found = await open(path, O_PATH);
    if (!(await found.stat()).isFile()) return '';
    // The file that was checked, whatever is at its path by now.
    file = await open(`/proc/self/fd/${found.fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readBeginning(file, maxBytes);
  } catch {
    return '';
  } finally {
    await found?.close();
    await file?.close();
  }
}

async function readBeginning(file: FileHandle, maxBytes: number): Promise<string> {
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) return buffer.toString('utf8', 0, length);
    length += bytesRead;
  }
  return buffer.toString('utf8', 0, buffer.lastIndexOf(10, maxBytes - 1) + 1);
}
