// What one measurement is, and how its sides are run: in turns, in one run, so that noise meets both.
import type { Ratio, Summary } from './sample.ts';
import { ratioOf, summarize } from './sample.ts';

type Sampler = () => Promise<number | readonly number[]>;

export interface Measure {
  readonly name: string;
  readonly unit: 'ms' | 'MiB' | 'MB/s' | '1/s' | '%';
  /** What the other side is: runc's shim, a bare QEMU. Absent: there is none. */
  readonly peerName?: string;
  /** The aim in words, printed beside the figures and never asserted. */
  readonly aim?: string;
  /** One sample of ours, or several taken at once; rejects when it failed. */
  readonly ours: Sampler;
  readonly peer?: Sampler;
  /** More peers, reported on lines of their own. */
  readonly others?: readonly Other[];
  /** Runs before the first sample, not measured. */
  readonly setup?: () => Promise<void>;
  readonly teardown?: () => Promise<void>;
  readonly rounds: number;
  /** Values that fell out on the way, such as the stages of a boot; medians are reported. */
  readonly stages?: Map<string, number[]>;
}

interface Other {
  readonly name: string;
  readonly sample: Sampler;
  /** Name of another measure of speed: the ratio is told as a multiple of its ratio to the same peer, too. */
  readonly yardstick?: string;
}

/** Measures on the same sandboxes, which the first of them that runs starts. */
export interface MeasureGroup {
  readonly measures: readonly Measure[];
  close(): Promise<void>;
}

export interface Outcome {
  readonly name: string;
  readonly unit: string;
  readonly ours: Summary | undefined;
  readonly peer: Summary | undefined;
  readonly peerName: string | undefined;
  readonly ratio: Ratio | undefined;
  readonly aim: string | undefined;
  readonly others: readonly OtherOutcome[];
  readonly stages: Readonly<Record<string, Summary>>;
  /** Messages of samples that failed. */
  readonly failures: readonly string[];
  readonly samples: {
    readonly ours: readonly number[];
    readonly peer: readonly number[];
    readonly others: readonly (readonly number[])[];
  };
}

export interface OtherOutcome {
  readonly name: string;
  readonly summary: Summary | undefined;
  readonly ratio: Ratio | undefined;
  readonly yardstick: string | undefined;
}

/** Runs all rounds; a failed sample is noted and counts as none. */
export async function runMeasure(measure: Measure): Promise<Outcome> {
  const ours: number[] = [];
  const peer: number[] = [];
  const others = (measure.others ?? []).map((other) => ({ ...other, samples: [] as number[] }));
  const failures: string[] = [];
  const sample = async (side: Sampler, into: number[]): Promise<void> => {
    try {
      into.push(...[await side()].flat());
    } catch (error) {
      failures.push(String(error).slice(0, 300));
    }
  };
  try {
    await measure.setup?.();
    for (let round = 0; round < measure.rounds; round++) {
      const sides = [() => sample(measure.ours, ours)];
      const other = measure.peer;
      if (other !== undefined) sides.push(() => sample(other, peer));
      for (const one of others) sides.push(() => sample(one.sample, one.samples));
      if (round % 2 === 1) sides.reverse();
      for (const side of sides) await side();
    }
  } catch (error) {
    failures.push(`setup: ${String(error).slice(0, 300)}`);
  } finally {
    await measure
      .teardown?.()
      .catch((error: unknown) => failures.push(`teardown: ${String(error).slice(0, 300)}`));
  }
  const stages = [...(measure.stages ?? [])].flatMap(([name, values]) => {
    const summary = summarize(values);
    return summary === undefined ? [] : [[name, summary] as const];
  });
  return {
    name: measure.name,
    unit: measure.unit,
    ours: summarize(ours),
    peer: summarize(peer),
    peerName: measure.peerName,
    ratio: ratioOf(ours, peer),
    aim: measure.aim,
    others: others.map(({ name, samples, yardstick }) => ({
      ...{ name, yardstick, summary: summarize(samples), ratio: ratioOf(ours, samples) },
    })),
    stages: Object.fromEntries(stages),
    failures,
    samples: { ours, peer, others: others.map(({ samples }) => samples) },
  };
}
