/**
 * Enough of the superblocks of ext4, xfs and erofs to tell a file system from garbage and a whole one from one that was cut
 * off. Numbers only: what a guest wrote is not believed beyond that. Offsets: Documentation/filesystems of Linux, ext4/super.rst,
 * and fs/xfs/libxfs/xfs_format.h, fs/erofs/erofs_fs.h. Pure.
 */

/** How much of a disk's begin is looked at. */
export const SUPERBLOCK_BYTES = 2048;

interface Format {
  readonly magicAt: number;
  readonly magic: Buffer;
  /** Bytes of the whole file system. */
  size(block: Buffer): number;
}

const FORMATS: Readonly<Record<string, Format>> = {
  ext4: {
    magicAt: 1024 + 0x38,
    magic: Buffer.from([0x53, 0xef]),
    size(block) {
      const has64 = (block.readUInt32LE(1024 + 0x60) & 0x80) !== 0;
      const high = has64 ? block.readUInt32LE(1024 + 0x150) : 0;
      const blocks = high * 2 ** 32 + block.readUInt32LE(1024 + 0x4);
      return blocks * 2 ** (10 + block.readUInt32LE(1024 + 0x18));
    },
  },
  xfs: {
    magicAt: 0,
    magic: Buffer.from([0x58, 0x46, 0x53, 0x42]),
    size: (block) => Number(block.readBigUInt64BE(8)) * block.readUInt32BE(4),
  },
  erofs: {
    magicAt: 1024,
    magic: Buffer.from([0xe2, 0xe1, 0xf5, 0xe0]),
    size: (block) => block.readUInt32LE(1024 + 0x24) * 2 ** block.readUInt8(1024 + 0x0c),
  },
};

/**
 * @param block the begin of the disk.
 * @param size of the file; undefined for a block device, which is not measured.
 * @returns what is wrong.
 */
export function imageProblem(
  fstype: string | undefined,
  block: Buffer,
  size: number | undefined,
): string | undefined {
  if (size === 0) return 'it is empty';
  const format = FORMATS[fstype ?? ''];
  if (format === undefined) return undefined;
  const { magicAt, magic } = format;
  if (block.length < SUPERBLOCK_BYTES || !block.subarray(magicAt, magicAt + magic.length).equals(magic)) {
    return `it holds no ${fstype}`;
  }
  const whole = format.size(block);
  if (size === undefined || size >= whole) return undefined;
  return `its ${fstype} has ${whole} bytes, of which ${size} are there`;
}
