// The guest's clock: it goes on while the VM is stopped, and when it does not, or somebody moves it, it is right again soon.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, defaultCapabilities, processSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const id = 'clock';
let samples = 0;

const { fake, clean } = await useFakeContainerd();
const volume = join(fake.dir, 'clock');
mkdirSync(volume);
const spec = containerSpec(['sleep', '100000'], `/${fake.namespace}/${id}`);
spec.mounts.push({ destination: '/v', type: 'bind', source: volume, options: ['rbind'] });
const shim = await fake.shim(id, spec);
await shim.run();

async function runInside(script: string): Promise<void> {
  const all = [...defaultCapabilities, 'CAP_SYS_TIME'];
  const capabilities = { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] };
  const { execId } = await shim.exec(processSpec(['sh', '-c', script], { capabilities }));
  await shim.task.wait({ id, execId });
  await shim.task.delete({ id, execId });
}

/** By how much it is wrong at least, in ms: the host's clock stamps the files, one before the guest's is read and one after. */
async function wrongMs(): Promise<number> {
  const n = ++samples;
  await runInside(`: >/v/before${n}; adjtimex >/v/time${n}; : >/v/after${n}`);
  const text = readFileSync(join(volume, `time${n}`), 'utf8');
  const number = (name: string) => Number(new RegExp(`${name}:\\s*(\\d+)`).exec(text)?.[1]);
  const guestMs = number('time.tv_sec') * 1_000 + number('time.tv_usec') / 1_000;
  const [first, last] = ['before', 'after'].map((name) => statSync(join(volume, `${name}${n}`)).birthtimeMs);
  return Math.max(first! - guestMs, guestMs - last!, 0);
}

test('right after a stop of the VM, and soon after it was moved', {
  skip: !runtime.isVm && 'it is about the VM',
  timeout: 120_000,
}, async () => {
  const { pid: vmm } = await shim.task.state({ id });
  process.kill(vmm, 'SIGSTOP');
  await sleep(5_000);
  process.kill(vmm, 'SIGCONT');
  const afterStop = await wrongMs();
  assert.ok(afterStop < 50, `${afterStop} ms wrong after a stop`);
  await runInside('date -s @$(($(date +%s) - 55))');
  await waitFor('right clock', async () => (await wrongMs()) < 50, 30_000, 500);
  await shim.task.kill({ id, signal: 9 });
  await shim.task.wait({ id });
  await shim.task.delete({ id });
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});
