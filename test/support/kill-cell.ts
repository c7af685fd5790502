// One cell of the kill -9 matrix: a sandbox is brought to a step, a part of it is killed there, and then everything that containerd
// can see is looked at, and what is left on the host.
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, programsOf } from '../../scripts/stand/processes.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { DeleteResponse, Status } from '../../src/gen/task.ts';
import { FakeContainerd, type Shim } from './fake-containerd.ts';
import { Gate } from './gate.ts';
import { type Held, qemuOf, type Step, specOf, type World } from './kill-steps.ts';
import { assertNothingNew, type Belongings, belongings } from './leaks.ts';

export const victims = ['shim', 'QEMU', 'files', 'containerd', 'helper'] as const;
export type Victim = (typeof victims)[number];

export interface Cell {
  /** What containerd sees; `-` where there is no such process at that step. */
  readonly seen: string;
  /** The message of the call that was under way, when it failed. */
  readonly error?: string;
  /** What must not be; empty in a good cell. */
  readonly problems: readonly string[];
}

/** How long the call that is under way may take to end. */
const CALL_MS = 30_000;
/** How long State may take: containerd's own limit. */
const STATE_MS = 2_000;
/** How long what follows from a death may take: the exit of a container, the end of everything. */
const SETTLE_MS = 15_000;
/** How long a shim may stay to which containerd says nothing more: it ends itself after 20 s without a task. */
const UNUSED_MS = 30_000;
/** How long it takes the shim to see that a connection is closed: nothing tells of it. */
const CLOSE_MS = 300;

/** A played containerd with a shim whose helpers can be stopped. */
export class Matrix {
  readonly fake: FakeContainerd;
  readonly gate: Gate;
  readonly #clean: Belongings;

  private constructor(fake: FakeContainerd, gate: Gate) {
    this.fake = fake;
    this.gate = gate;
    this.#clean = belongings(fake);
  }

  static async start(): Promise<Matrix> {
    const fake = await FakeContainerd.start();
    const gate = await Gate.make(`${fake.dir}/gated`);
    fake.binary = gate.shim;
    return new Matrix(fake, gate);
  }

  stop(): Promise<void> {
    return this.fake.stop();
  }

  /** Rejects only when the step cannot be reached. */
  async cell(step: Step, victim: Victim): Promise<Cell> {
    const { fake, gate } = this;
    const id = `${step.id}-${victim.toLowerCase()}`;
    const shim = await fake.shim(id, specOf({ fake, gate }, step, id));
    const world: World = { fake, gate, shim };
    const problems: string[] = [];
    let seen = '-';
    let error: string | undefined;
    try {
      const held = await step.reach(world);
      const stood = await this.#strike(victim, world, held);
      await this.gate.disarm();
      held.release?.();
      if (stood) ({ seen, error } = await this.#look(victim, world, held, problems));
      else if (held.call !== undefined) await settle(held.call.end);
    } finally {
      await gate.disarm();
      const removed = within('teardown', 60_000, this.#remove(world));
      await removed.catch((cause: Error) => problems.push(cause.message));
    }
    await assertNothingNew(fake, this.#clean, [id], UNUSED_MS).catch((cause: Error) =>
      problems.push(`${cause.message.split('\n---')[0]}\n${shim.log().slice(-1500)}`),
    );
    return { seen, problems, ...(error === undefined ? {} : { error }) };
  }

  /** @returns false when there is nothing to kill. */
  async #strike(victim: Victim, world: World, held: Held): Promise<boolean> {
    if (victim === 'containerd') {
      world.shim.release();
      this.fake.events.close();
      await sleep(CLOSE_MS);
      return true;
    }
    const pids = this.#pidsOf(victim, world, held);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await waitFor(`end of ${victim}`, () => pids.every((pid) => !isRunning(pid)), 5_000, 2);
    return pids.length > 0;
  }

  #pidsOf(victim: Exclude<Victim, 'containerd'>, { fake, shim }: World, { helper }: Held): number[] {
    const all = fake.processes();
    const programs = (pattern: RegExp, id = shim.id) => programsOf(all, pattern, id).map(({ pid }) => pid);
    switch (victim) {
      case 'shim':
        return programs(/server\.cjs/, `-id ${shim.id} `);
      case 'QEMU':
        return programs(/^\S*qemu-system/);
      case 'files':
        return programs(/^\S*bulkhead-files/);
      case 'helper': {
        if (helper !== undefined) return [helper.pid];
        const qemu = qemuOf({ fake, shim });
        return all.filter((one) => one.pid === qemu).map(({ ppid }) => ppid);
      }
    }
  }

  async #look(
    victim: Victim,
    world: World,
    { call, helper }: Held,
    problems: string[],
  ): Promise<{ seen: string; error: string | undefined }> {
    const said: string[] = [];
    let error: string | undefined;
    if (call !== undefined) {
      const end = await settle(call.end);
      if (end === 'hangs') problems.push(`${call.name} does not end`);
      if (end instanceof Error) error = end.message;
      const isLost = victim === 'shim' || victim === 'containerd';
      if (!isLost) said.push(`${call.name} ${wordOf(end)}`);
      if (error === '') problems.push(`${call.name} fails without a word`);
    }
    if (victim === 'shim') return { seen: await afterShim(world, problems), error: undefined };
    if (victim === 'containerd') {
      await this.fake.events.listen();
      error = undefined;
    }
    const isEnd = victim === 'QEMU' || victim === 'files' || (victim === 'helper' && helper === undefined);
    said.push(await this.#state(victim, world, isEnd, problems));
    return { seen: said.join('; '), error };
  }

  /** The task as containerd sees it afterwards. @param isEnd whether the VM must be gone. */
  async #state(victim: Victim, { shim, fake }: World, isEnd: boolean, problems: string[]): Promise<string> {
    const { id } = shim;
    if (victim === 'containerd') {
      const found = await shim.connect().then(
        () => true,
        () => false,
      );
      if (!found) return 'shim has ended';
    }
    const state = () => shim.task.state({ id }, { timeoutMs: STATE_MS });
    const now = await waitFor(
      'settled state',
      async () => {
        const one = await state().catch((cause: Error) => cause);
        return (!isEnd || one instanceof Error || one.status === Status.STOPPED) && one;
      },
      SETTLE_MS,
    ).catch((cause: Error) => cause);
    if (now instanceof Error) {
      if (/not found/.test(now.message)) return 'no task';
      if (/closed|ECONN/.test(now.message)) return 'shim has ended';
      problems.push(`State: ${now.message}`);
      return 'STATE FAILS';
    }
    const [name = 'UNKNOWN'] = Object.entries(Status).find(([, value]) => value === now.status) ?? [];
    if (now.status === Status.STOPPED) {
      if (now.exitStatus === 0) problems.push('exit status 0');
      if (fake.events.topics(id).includes('/tasks/start')) await this.#told(shim, problems);
      return `STOPPED, ${now.exitStatus}`;
    }
    if (now.status === Status.RUNNING) await this.#endRunning(shim, problems);
    return name;
  }

  /** What goes on running can be ended as ever. */
  async #endRunning(shim: Shim, problems: string[]): Promise<void> {
    const { id } = shim;
    try {
      await shim.task.kill({ id, signal: 9, all: true }, { timeoutMs: 5_000 });
      const { exitStatus } = await within('exit after SIGKILL', 20_000, shim.task.wait({ id }));
      if (exitStatus !== 137) problems.push(`exit status ${exitStatus} after SIGKILL`);
    } catch (error) {
      problems.push(`what runs on cannot be ended: ${(error as Error).message}`);
    }
    await this.#told(shim, problems);
  }

  async #told({ id }: Shim, problems: string[]): Promise<void> {
    await this.fake.events
      .expect(id, '/tasks/exit')
      .catch((error: Error) => problems.push(`the exit was not told: ${error.message}`));
  }

  /** What containerd does in the end, for each container. */
  async #remove({ fake, shim }: World): Promise<void> {
    const second = `${shim.id}-2`;
    const limit = { timeoutMs: 20_000 };
    await shim.task.kill({ id: second, signal: 9, all: true }, limit).catch(() => undefined);
    await shim.task.wait({ id: second }, limit).catch(() => undefined);
    await shim.task.delete({ id: second }, limit).catch(() => undefined);
    await shim.remove();
    const bundle = `${fake.dir}/s/${second}`;
    await fake.invoke(second, 'delete', ['-bundle', bundle], { cwd: fake.dir });
  }
}

/** containerd has only the `delete` of the shim's binary then. */
async function afterShim({ shim }: World, problems: string[]): Promise<string> {
  const deleted = await shim.deleteBinary();
  if (deleted.code !== 0) problems.push(`delete: exit ${deleted.code}: ${deleted.stderr}`);
  const { exitStatus } = DeleteResponse.decode(deleted.stdoutBytes);
  return `\`delete\` says ${exitStatus}`;
}

async function settle(end: Promise<unknown>): Promise<'hangs' | 'ends' | { exitStatus: number } | Error> {
  try {
    const value = await within('call', CALL_MS, end);
    const exit = value as { exitStatus?: number } | undefined;
    return exit?.exitStatus === undefined ? 'ends' : { exitStatus: exit.exitStatus };
  } catch (error) {
    return /^call: nothing within/.test((error as Error).message) ? 'hangs' : (error as Error);
  }
}

function wordOf(end: Awaited<ReturnType<typeof settle>>): string {
  if (end === 'hangs') return 'HANGS';
  if (end === 'ends') return 'succeeds';
  return end instanceof Error ? 'fails' : `says ${end.exitStatus}`;
}
