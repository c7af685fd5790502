// Samples and what is said of them: median, 90th percentile, and the ratio of two with its bootstrap interval.

export interface Summary {
  readonly n: number;
  readonly median: number;
  readonly p90: number;
  readonly min: number;
}

/** Undefined for no samples. */
export function summarize(samples: readonly number[]): Summary | undefined {
  if (samples.length === 0) return undefined;
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    n: sorted.length,
    median: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    min: sorted[0] ?? Number.NaN,
  };
}

export interface Ratio {
  readonly ratio: number;
  /** 95 % of 1,000 bootstrap resamplings of both sides lie in here. */
  readonly low: number;
  readonly high: number;
}

/** Ratio of the medians, ours to the peer's. */
export function ratioOf(ours: readonly number[], peer: readonly number[]): Ratio | undefined {
  const [a, b] = [summarize(ours), summarize(peer)];
  if (a === undefined || b === undefined || b.median === 0) return undefined;
  const random = generator(ours.length * 31 + peer.length);
  const ratios = Array.from(
    { length: 1_000 },
    () => median(resample(ours, random)) / median(resample(peer, random)),
  );
  ratios.sort((x, y) => x - y);
  return { ratio: a.median / b.median, low: quantile(ratios, 0.025), high: quantile(ratios, 0.975) };
}

function median(samples: readonly number[]): number {
  return quantile(
    [...samples].sort((a, b) => a - b),
    0.5,
  );
}

function resample(samples: readonly number[], random: () => number): number[] {
  return samples.map(() => samples[Math.floor(random() * samples.length)] ?? Number.NaN);
}

/** Linear interpolation between the two nearest ranks of a sorted list. */
function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** A small deterministic generator, so that the same samples give the same interval. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
