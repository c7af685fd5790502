// A tree of the host that no guest may touch: every name, owner, time and byte of it, and every mount that has to do with it.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { unmountBelow } from '../../../scripts/stand/mounts.ts';

/** What a guest would read if the tree were shown to it. */
export const secret = 'secret of the host';

/** Names that paths of a share end with, so that a link to the canary leads the host on into it. */
const names = ['rootfs', 'volumes', 'sub', '1', '2', '3', '4', '5'];

export class Canary {
  readonly dir: string;
  readonly #before: readonly string[];

  /** Lies in /run, as the state of sandboxes does. */
  constructor() {
    this.dir = mkdtempSync('/run/bh-canary-');
    for (const name of ['.', ...names]) fill(join(this.dir, name));
    for (const name of names) for (const below of names) fill(join(this.dir, name, below));
    this.#before = this.snapshot();
  }

  /** One line for each thing in the tree, down to the nanosecond of its times and the digest of its content. */
  snapshot(): string[] {
    const lines: string[] = [];
    const walk = (path: string): void => {
      const stat = lstatSync(path, { bigint: true });
      const content = stat.isSymbolicLink() ? readlinkSync(path) : stat.isFile() ? digest(path) : '';
      const { mode, uid, gid, nlink, size, ino, mtimeNs, ctimeNs } = stat;
      lines.push([path, mode.toString(8), uid, gid, nlink, size, ino, mtimeNs, ctimeNs, content].join(' '));
      if (stat.isDirectory()) for (const name of readdirSync(path).sort()) walk(join(path, name));
    };
    walk(this.dir);
    return lines;
  }

  /** What differs from the beginning: lines gone (-) and come (+). */
  changes(): string[] {
    const now = existsSync(this.dir) ? this.snapshot() : [];
    const [before, after] = [new Set(this.#before), new Set(now)];
    return [
      ...this.#before.filter((line) => !after.has(line)).map((line) => `- ${line}`),
      ...now.filter((line) => !before.has(line)).map((line) => `+ ${line}`),
    ];
  }

  /** Mounts on the tree, or of it: in the host's mount table and in those of the given processes. */
  mounts(pids: readonly number[] = []): string[] {
    const name = this.dir.slice(this.dir.lastIndexOf('/') + 1);
    return ['self', ...pids].flatMap((pid) =>
      readText(`/proc/${pid}/mountinfo`)
        .split('\n')
        .filter((line) => line.includes(name))
        .map((line) => `${pid}: ${line}`),
    );
  }

  /** Fails the test when anything has happened to the tree. */
  assertUntouched(pids: readonly number[] = []): void {
    const touched = [...this.changes(), ...this.mounts(pids)];
    if (touched.length > 0)
      throw new Error(
        `the host was touched, ${touched.length} differences:\n  ${touched.slice(0, 8).join('\n  ')}`,
      );
  }

  async remove(): Promise<void> {
    await unmountBelow(this.dir);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A folder with a secret, a setuid program that others may not read, and a link. */
function fill(dir: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'secret'), secret);
  writeFileSync(join(dir, 'setuid'), '#!/bin/false\n');
  chownSync(join(dir, 'setuid'), 12, 34);
  chmodSync(join(dir, 'setuid'), 0o4711);
  symlinkSync('secret', join(dir, 'link'));
  lutimesSync(join(dir, 'link'), 1_000_000_000, 1_000_000_000);
  for (const name of ['secret', 'setuid']) utimesSync(join(dir, name), 1_000_000_000, 1_000_000_000);
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
