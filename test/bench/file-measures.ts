// Measurements of files in a container, on its root and on each kind of volume, against the same in a bare QEMU with the best device
// for the place, and against runc's container on the same file system of the host. `file-work.ts` has what is done.
//
// But for the rows of fsync and sqlite nothing waits for a disk: with each side's default the data is in the host's page cache, in the guest's or in
// memory when a write is done. What only reads begins in guests with an empty cache of their own.
import { FilePlaces, OVERLAY, PLACES, type Place, type SideAt, type Sides } from './file-places.ts';
import { cpuWorks, type FileSize, fileWorks, timed, type Work } from './file-work.ts';
import type { Measure, MeasureGroup } from './measure.ts';

const RUNC = 'runc on the host';
const CPU = `files, CPU: ${cpuWorks[0].name}`;

type SideName = keyof Sides;

export function fileMeasures(size: FileSize): MeasureGroup {
  let places: Promise<FilePlaces> | undefined;
  const opened = (): Promise<FilePlaces> => {
    places ??= FilePlaces.start(size);
    return places;
  };
  const works = fileWorks(size);
  const rows = PLACES.flatMap((place) => {
    const passes = new Passes(works, size.rounds, async () => (await opened()).sides(place));
    return works.map((work) => row(place, work, passes));
  });
  return {
    measures: [...cpuWorks.map((work) => cpuRow(work, size.rounds, opened)), ...rows],
    close: async () => await (await places?.catch(() => undefined))?.stop(),
  };
}

/** How much slower than runc a guest is that only computes. */
function cpuRow(work: Work, rounds: number, opened: () => Promise<FilePlaces>): Measure {
  const once = async (name: SideName): Promise<number> => {
    return await timed(sideOf((await opened()).sides(PLACES[0]!), name)[0], work, '');
  };
  return {
    name: `files, CPU: ${work.name}`,
    unit: work.unit,
    peerName: 'bare QEMU',
    rounds,
    setup: async () => void (await opened()),
    ours: () => once('ours'),
    peer: () => once('bare'),
    others: [{ name: RUNC, sample: () => once('runc') }],
  };
}

function row({ name, bare, hasOverlay }: Place, work: Work, passes: Passes): Measure {
  const overlay = { name: OVERLAY, sample: async () => passes.of('overlay', work) };
  const runc = { name: RUNC, sample: async () => passes.of('runc', work), yardstick: CPU };
  return {
    name: `files, ${name}: ${work.name}`,
    unit: work.unit,
    peerName: bare,
    aim: '>= 0.9x',
    rounds: 1,
    setup: () => passes.take(),
    ours: async () => passes.of('ours', work),
    peer: async () => passes.of('bare', work),
    others: hasOverlay === true ? [overlay, runc] : [runc],
  };
}

function sideOf(sides: Sides, name: SideName): SideAt {
  const side = sides[name];
  if (side === undefined) throw new Error(`nothing there to be measured as ${name}`);
  return side;
}

/** All work in one place, as many times as there are rounds, the sides in turns. */
class Passes {
  readonly #works: readonly Work[];
  readonly #rounds: number;
  readonly #sides: () => Promise<Sides>;
  readonly #samples = new Map<string, number[]>();
  readonly #errors = new Map<SideName, unknown>();
  #taken: Promise<void> | undefined;

  constructor(works: readonly Work[], rounds: number, sides: () => Promise<Sides>) {
    this.#works = works;
    this.#rounds = rounds;
    this.#sides = sides;
  }

  /** Once, whoever asks first. */
  take(): Promise<void> {
    this.#taken ??= this.#take();
    return this.#taken;
  }

  /** @throws what a pass of that side failed with, if it has not all its samples. */
  of(side: SideName, work: Work): readonly number[] {
    const samples = this.#samples.get(`${side} ${work.name}`) ?? [];
    if (samples.length < this.#rounds) throw this.#errors.get(side);
    return samples;
  }

  async #take(): Promise<void> {
    const sides = await this.#sides();
    const names = Object.keys(sides) as SideName[];
    for (let round = 0; round < this.#rounds; round++) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        await this.#pass(name, sideOf(sides, name)).catch((error: unknown) => this.#errors.set(name, error));
      }
    }
  }

  async #pass(name: SideName, [side, folder]: SideAt): Promise<void> {
    const dir = `${folder}/bench`;
    await side.shell.run(`mkdir ${dir}`);
    try {
      for (const work of this.#works) {
        const key = `${name} ${work.name}`;
        this.#samples.set(key, [...(this.#samples.get(key) ?? []), await timed(side, work, dir)]);
      }
    } finally {
      await side.shell.run(`rm -r ${dir}`);
    }
  }
}
