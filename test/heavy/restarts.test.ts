// 200 restarts of one id through containerd, and 20 of Docker's: none fails, and nothing is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Docker } from '../support/docker.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { restartContainer, restartTask } from '../support/restarts.ts';

const timeout = 3_000_000;

test('150 containers of one id, one after the other', { timeout }, () => restartContainer(150));
test('50 tasks of one container', { timeout }, () => restartTask(50));

test('docker restart, 20 times', { timeout }, async (t) => {
  const docker = await Docker.start().catch((error: Error) => error);
  if (docker instanceof Error) return t.skip(`NO DOCKER TO TEST WITH: ${docker.message.slice(0, 300)}`);
  try {
    const clean = belongings(docker.containerd);
    await docker.detached('again', []);
    for (let round = 1; round <= 20; round++) {
      await docker.must(['restart', '--time', '0', 'again'], { timeoutMs: 90_000 });
      assert.equal(await docker.sh('again', 'echo lives'), 'lives', `round ${round}`);
    }
    await docker.must(['rm', '--force', 'again']);
    await assertNothingNew(docker.containerd, clean);
  } finally {
    await docker.stop();
  }
});
