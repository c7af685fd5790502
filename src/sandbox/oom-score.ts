/**
 * How ready the node's kernel is to kill a VM when memory ends: as ready as for the container in it that is protected
 * most. A pod's own container does not count: the -998 of a pause process is meant for a process that holds nothing.
 */
import type { Spec } from '../oci/spec.ts';

/** The value of a VM before anybody else has joined it. */
export function firstOomScore(spec: Spec, isPod: boolean): number {
  return isPod ? 0 : scoreOf(spec);
}

export class OomScore {
  readonly #first: number;
  readonly #apply: (score: number) => void;
  readonly #containers = new Map<string, number>();

  /** @param apply sets it for all processes of the VM; called at once, and whenever the value changes. */
  constructor(first: number, apply: (score: number) => void) {
    this.#first = first;
    this.#apply = apply;
    apply(first);
  }

  get score(): number {
    return this.#containers.size === 0 ? this.#first : Math.min(...this.#containers.values());
  }

  /** A container joins the pod. */
  add(id: string, spec: Spec): void {
    this.#change(() => this.#containers.set(id, scoreOf(spec)));
  }

  /** Unknown ids are fine. */
  remove(id: string): void {
    this.#change(() => this.#containers.delete(id));
  }

  #change(change: () => void): void {
    const before = this.score;
    change();
    if (this.score !== before) this.#apply(this.score);
  }
}

function scoreOf(spec: Spec): number {
  return spec.process?.oomScoreAdj ?? 0;
}
