/** Reads files that a container may have written, or put something else in the place of. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Of Linux; Node does not name it. The descriptor is only a name for the file: nothing is opened, no FIFO or device. */
const O_PATH = 0x20_0000;

/**
 * The beginning of a regular file; empty when there is none, or something else.
 * @param maxBytes of a larger file, the lines that fit are given.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<string> {
  let found: FileHandle | undefined;
  let file: FileHandle | undefined;
  try {
    found = await open(path, O_PATH);
    if (!(await found.stat()).isFile()) return '';
    // The file that was looked at, whatever has its path by now.
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
