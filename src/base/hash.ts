/** A hash for spreading and naming, not for secrets. */

/** FNV-1a with 32 bits, of the text's UTF-8. */
export function fnv1a(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
