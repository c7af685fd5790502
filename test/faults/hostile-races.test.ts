// The guest's root exchanges folders and links while the host mounts and unmounts: every path that it can reach, while
// containers of its pod are created, run to their end and are deleted. Nothing may happen to the host.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { HostilePod, hostileHost, shareInGuest } from '../support/hostile/attack.ts';
import { Canary } from '../support/hostile/canary.ts';
import { assertNothingNew } from '../support/leaks.ts';
import type { Mount } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

/** Rounds of each race; a hundred take about 15 s. */
const rounds = process.env.BULKHEAD_TEST_LONG === '1' ? 1_000 : 100;
const batch = 10;

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 60_000 + rounds * 2_000 };

const { fake, clean } = await useFakeContainerd(hostileHost);

/** A tree of the host, and what happens to it. */
class Effects {
  readonly canary = new Canary();
  readonly seen: string[] = [];

  /** After each step: the mount tables of the host and of what serves the VM. */
  look(step: string): void {
    const pids = fake.processes().map(({ pid }) => pid);
    for (const mount of this.canary.mounts(pids)) this.seen.push(`${step}: ${mount}`);
  }

  assertNone(): void {
    const changes = this.canary.changes();
    const steps = new Set(this.seen.map((line) => line.split(':')[0]));
    const words = `${steps.size} steps with mounts on or of the host's folder, ${changes.length} changes in it`;
    assert.deepEqual([...this.seen.slice(0, 3), ...changes.slice(0, 3)], [], words);
  }
}

/** One container: created, every fourth also run to its end, as in a crash loop, and deleted. */
async function round(pod: HostilePod, number: number, mounts: readonly Mount[], effects: Effects) {
  const { id, error } = await pod.join(['true'], mounts);
  effects.look(`create ${number}`);
  // A refusal is an answer, too.
  if (error !== undefined) return error;
  if (number % 4 === 0) await pod.runToEnd(id);
  await pod.leave(id);
  effects.look(`delete ${number}`);
  return undefined;
}

/** All rounds, in batches for which the attacker prepares itself. @returns why containers could not be created. */
async function race(
  pod: HostilePod,
  mounts: readonly Mount[],
  pairs: (ids: readonly string[]) => string[],
  effects: Effects,
): Promise<{ refusals: string[]; swaps: number }> {
  const refusals: string[] = [];
  let swaps = 0;
  for (let number = 0; number < rounds; ) {
    const swapping = await pod.launch('/attack', 'swap', ...pairs(pod.nextIds(batch)));
    for (let i = 0; i < batch; i++, number++) {
      const refusal = await round(pod, number, mounts, effects);
      if (refusal !== undefined) refusals.push(refusal.message);
    }
    swaps += Number(await pod.stop(swapping));
  }
  return { refusals, swaps };
}

test('folders of the share: of containers, of volumes', options, async () => {
  const source = join(fake.dir, 'plain');
  mkdirSync(source);
  const mounts = [{ destination: '/vol', type: 'bind', source, options: ['rbind', 'rw'] }];
  const pod = await HostilePod.start(fake, 'top', { mounts });
  const effects = new Effects();
  try {
    // Links for all containers that will come, and one for the volumes.
    const names = ['volumes', ...pod.nextIds(rounds)];
    await pod.sh(
      `cd ${shareInGuest}; for n in ${names.join(' ')}; do ln -s ${effects.canary.dir} l-$n 2>/dev/null; done; true`,
    );
    const own = join(fake.dir, 'own');
    mkdirSync(own);
    const joined = [{ destination: '/own', type: 'bind', source: own, options: ['rbind', 'rw'] }];
    const pairs = (ids: readonly string[]) =>
      ['volumes', ...ids].flatMap((name) => [`${shareInGuest}/${name}`, `${shareInGuest}/l-${name}`]);
    const { refusals } = await race(pod, joined, pairs, effects);
    effects.assertNone();
    assert.deepEqual(refusals, [], 'nothing kept the host from its work');
  } finally {
    await pod.shim.remove();
    effects.look('the end');
    await effects.canary.remove();
  }
  assert.deepEqual(effects.seen, []);
  await assertNothingNew(fake, clean, ['top'], 15_000);
});

test('a volume that is read-only with what is mounted in it', options, async () => {
  // The pod has the volume writable, further containers have it read-only with all below: `a/sub` is mounted by itself.
  const source = join(fake.dir, 'nested');
  mkdirSync(join(source, 'a/sub'), { recursive: true });
  const effects = new Effects();
  symlinkSync(effects.canary.dir, join(source, 'b'));
  await mustRun('mount', ['-t', 'tmpfs', 'hostile', join(source, 'a/sub')]);
  const writable = [{ destination: '/vol', type: 'bind', source, options: ['bind', 'rw'] }];
  const mounts = [{ destination: '/vol', type: 'bind', source, options: ['rbind', 'ro', 'rro'] }];
  try {
    const pod = await HostilePod.start(fake, 'nested', { mounts: writable });
    try {
      const { refusals, swaps } = await race(pod, mounts, () => ['/vol/a', '/vol/b'], effects);
      assert.ok(swaps > 10 * rounds, `the attacker was at work: ${swaps} exchanges`);
      assert.ok(refusals.length < rounds, `some containers came up: ${refusals[0]}`);
    } finally {
      await pod.shim.remove();
    }
    effects.assertNone();
  } finally {
    for (const name of ['a', 'b'])
      await mustRun('umount', [join(source, name, 'sub')]).catch(() => undefined);
  }
  await assertNothingNew(fake, clean, ['nested'], 15_000);
});
