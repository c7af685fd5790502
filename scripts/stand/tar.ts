// Deterministic ustar archives: the same entries give the same bytes, whatever the machine's clock and users.

export interface TarEntry {
  readonly path: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'link';
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Contents of a file. */
  readonly data?: Uint8Array;
  /** Target of a symlink, or the path of the entry before that a link is another name of. */
  readonly target?: string;
}

const BLOCK = 512;
const typeFlag = { file: '0', dir: '5', symlink: '2', link: '1' } as const;

/** Packs the entries in the given order; every time stamp is the epoch. Throws RangeError on names over 100 bytes. */
export function packTar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const data = Buffer.from(entry.data ?? new Uint8Array());
    parts.push(header(entry, data.length), data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const text = (value: string, offset: number, length: number): void => {
    if (Buffer.byteLength(value) > length) throw new RangeError(`tar field too long: ${value}`);
    block.write(value, offset, length, 'utf8');
  };
  const octal = (value: number, offset: number, length: number): void =>
    text(value.toString(8).padStart(length - 1, '0'), offset, length);
  text(entry.type === 'dir' ? `${entry.path}/` : entry.path, 0, 100);
  octal(entry.mode, 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  text(' '.repeat(8), 148, 8);
  text(typeFlag[entry.type], 156, 1);
  text(entry.target ?? '', 157, 100);
  text('ustar\0' + '00', 257, 8);
  let sum = 0;
  for (const byte of block) sum += byte;
  text(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return block;
}
