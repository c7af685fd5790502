/** A hash for spreading and naming; not cryptographic. */

/** 32-bit FNV-1a of the text's UTF-8 bytes. */
export function fnv1a(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
