// Versions of programs, compared.

/** Whether a version such as 1.7.24 is another or newer. */
export function atLeast(version: string, wanted: string): boolean {
  const [have, need] = [version, wanted].map((text) => text.split('.').map(Number));
  for (let at = 0; at < need!.length; at++) {
    const difference = (have![at] ?? 0) - need![at]!;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
