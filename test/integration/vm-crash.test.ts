// A shim killed at any moment of a VM's start: no process of the VM outlives it, without anybody's help.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { used } from '../support/stands.ts';
import { createStand } from '../support/vm-fixture.ts';

const stand = await used(createStand(), (it) => it.close());

const source = (path: string) => JSON.stringify(join(repoRoot, 'src', path));

/** A shim that says when it is about to start its VM, and when the VM runs. */
const SHIM = `
  const { startQemu } = await import(${source('vm/qemu/qemu.ts')});
  const { openCgroup } = await import(${source('host/cgroup.ts')});
  const spec = JSON.parse(process.argv[1]);
  console.log('starting');
  await startQemu({ ...spec, cgroup: openCgroup(spec.cgroup.path) }, AbortSignal.timeout(60_000));
  console.log('started');`;

test('no process survives a SIGKILL of the shim, whenever it comes', { timeout: 300_000 }, async () => {
  // The times cover wrapper, daemon, VMM start-up and the running VM; the last waits for the VM.
  for (const delayMs of [0, 3, 6, 10, 15, 20, 30, 45, 70, 100, 150, undefined]) {
    const args = ['--input-type=module', '-e', SHIM, JSON.stringify(stand.spec())];
    const shim = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(shim.stdout, 'data');
    if (delayMs === undefined) await once(shim.stdout, 'data');
    else await sleep(delayMs);
    shim.kill('SIGKILL');
    await once(shim, 'exit');
    const empty = () => stand.cgroup.procs().length === 0;
    await waitFor(`empty cgroup after ${delayMs} ms`, empty, 5000);
    await sleep(50); // whatever was between fork and joining has joined or is gone
    assert.deepEqual(stand.cgroup.procs(), []);
    // The socket's file lies in the sandbox's folder, which goes with it.
    rmSync(join(stand.vmDir, 'fs.sock'), { force: true });
    rmSync(join(stand.vmDir, 'fs.sock.new'), { force: true });
    await stand.assertEmpty();
  }
});
