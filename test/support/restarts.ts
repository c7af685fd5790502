// The same id again and again, as `docker restart` and `nerdctl restart` make it: delete and create follow each other at once.
import assert from 'node:assert/strict';
import { describe } from '../../scripts/stand/command.ts';
import { Containerd, runArgs } from '../../scripts/stand/containerd.ts';
import { assertNothingNew, belongings } from './leaks.ts';

/** Runs, kills and removes a container of one id that many times. Every third ends by itself. */
export async function restartContainer(rounds: number): Promise<void> {
  await using daemon = await Containerd.start();
  const clean = belongings(daemon);
  const id = 'again';
  for (let round = 1; round <= rounds; round++) {
    const at = `round ${round}`;
    const endsItself = round % 3 === 0;
    const command = endsItself ? ['true'] : ['sleep', '1000'];
    const run = await daemon.ctr([...runArgs('--detach', '--null-io'), id, ...command], {
      timeoutMs: 90_000,
    });
    assert.equal(run.code, 0, `${at}: ${describe(run)}\n${daemon.log().slice(-2000)}`);
    // Kills, waits and deletes, as a restart does.
    const removed = await daemon.ctr(['task', 'delete', '--force', id], { timeoutMs: 60_000 });
    assert.ok(!/not found|unavailable|deadline/i.test(removed.stderr), `${at}: ${describe(removed)}`);
    const gone = await daemon.ctr(['container', 'delete', id]);
    assert.equal(gone.code, 0, `${at}: ${describe(gone)}\n${describe(removed)}`);
  }
  await assertNothingNew(daemon, clean, [id]);
}

/** A task of one container that is started anew, on the same snapshot. */
export async function restartTask(rounds: number): Promise<void> {
  await using daemon = await Containerd.start();
  const id = 'task';
  const made = await daemon.ctr(['container', 'create', ...runArgs().slice(1), id, 'sleep', '1000']);
  assert.equal(made.code, 0, describe(made));
  const clean = belongings(daemon);
  for (let round = 1; round <= rounds; round++) {
    const start = await daemon.ctr(['task', 'start', '--detach', '--null-io', id], { timeoutMs: 90_000 });
    assert.equal(start.code, 0, `round ${round}: ${describe(start)}\n${daemon.log().slice(-2000)}`);
    const end = await daemon.ctr(['task', 'delete', '--force', id], { timeoutMs: 60_000 });
    assert.ok(!/not found|unavailable|deadline/i.test(end.stderr), `round ${round}: ${describe(end)}`);
  }
  await assertNothingNew(daemon, clean, [id]);
}
