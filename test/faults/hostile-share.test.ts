// The guest's root against the folder that the host shares with it: what it plants there the host neither follows nor keeps.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { attackProgram, HostilePod, hostileHost, shareInGuest } from '../support/hostile/attack.ts';
import { Canary, secret } from '../support/hostile/canary.ts';
import { assertNothingNew } from '../support/leaks.ts';
import type { Mount } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 120_000 };

const { fake, clean } = await useFakeContainerd(hostileHost);
const volumes = join(fake.dir, 'volumes');
mkdirSync(volumes);

/** A folder of the host, mounted into every container of a pod. */
function newVolume(): { readonly dir: string; readonly mount: Mount } {
  const dir = mkdtempSync(join(volumes, 'v-'));
  return { dir, mount: { destination: '/vol', type: 'bind', source: dir, options: ['rbind', 'rw'] } };
}

/** What an attack works with. */
interface Scene {
  readonly pod: HostilePod;
  /** The folder of the host that the attacker has at /vol. */
  readonly volume: string;
  readonly canary: Canary;
}

/** Boots an attacker with a volume, lets it act, removes it whatever happens; the host must be as before. */
async function attacked(id: string, attack: (scene: Scene) => Promise<void>): Promise<void> {
  const { dir: volume, mount } = newVolume();
  const canary = new Canary();
  try {
    const pod = await HostilePod.start(fake, id, { mounts: [mount] });
    await attack({ pod, volume, canary }).finally(() => pod.shim.remove());
    canary.assertUntouched();
  } finally {
    await canary.remove();
  }
  await assertNothingNew(fake, clean, [id], 15_000);
}

/** Names below the sandbox's folder on the host's own file system: not what is mounted there. */
async function ownNames(pod: HostilePod): Promise<string[]> {
  const dir = join(fake.bulkheadState, fake.namespace, pod.id);
  const { stdout } = await mustRun('find', [dir, '-xdev', '-printf', '%y %m %s %P\n']);
  return stdout.split('\n').filter((line) => line !== '');
}

test('above volumes and roots every write is refused, and the host has nothing of it', options, () =>
  attacked('top', async ({ pod }) => {
    const before = await ownNames(pod);
    for (const folder of ['.', 'volumes', pod.id]) {
      const said = await pod.sh(`cd ${shareInGuest}/${folder} && /attack plant`);
      const outcomes = said.trim().split('\n');
      assert.equal(outcomes.length, 13);
      for (const line of outcomes)
        assert.match(line, /^(\w+ EROFS|(xattr|trusted) (EOPNOTSUPP|EPERM))$/, `in ${folder}: ${said}`);
    }
    assert.match(await pod.sh(`/attack fill ${shareInGuest}/junk 32`), /^0 EROFS$/m);
    assert.deepEqual(await ownNames(pod), before);
  }),
);

test('volumes and roots stay writable', options, () =>
  attacked('writable', async ({ pod, volume }) => {
    await pod.sh('echo root > /file && echo volume > /vol/file && cat /file /vol/file');
    assert.deepEqual(readdirSync(volume), ['file']);
    assert.match(await pod.sh('/attack fill /vol/junk 8; rm /vol/junk'), /^8 limit$/m);
  }),
);

test('links in the place of folders lead neither mounts nor removal to the host', options, () =>
  attacked('links', async ({ pod, canary }) => {
    // With a volume of its own, which goes when it goes.
    const first = await pod.join(undefined, [newVolume().mount]);
    assert.equal(first.error, undefined);
    const [next] = pod.nextIds(1);
    await pod.sh(
      `cd ${shareInGuest}; mv volumes old; ln -s ${canary.dir} volumes; mv ${first.id} was; ln -s ${canary.dir} ${first.id}; ` +
        `ln -s ${canary.dir} ${next}; true`,
    );
    const second = await pod.join();
    canary.assertUntouched();
    await pod.leave(first.id);
    canary.assertUntouched();
    if (second.error === undefined) await pod.leave(second.id);
  }),
);

test('extended attributes of the guest mean nothing to the host', options, () =>
  attacked('marks', async ({ pod, volume }) => {
    const file = join(volume, 'marked');
    writeFileSync(file, '');
    const said = await pod.sh('/attack mark /vol/marked; /attack mark /vol');
    assert.match(said, /^user\.hostile done$/m, 'those of users are kept');
    for (const path of [file, volume]) {
      const { stdout } = await mustRun(await attackProgram(), ['marks', path]);
      assert.doesNotMatch(stdout, /^(trusted|security)\.(hostile|overlay)/m, said);
    }
  }),
);

test('a link in a volume leads a container of the pod to files of the guest only', options, () =>
  attacked('inside', async ({ pod, canary }) => {
    await pod.sh(`ln -sfn ${canary.dir} /vol/link; ln -sfn ../../../../../../../..${canary.dir} /vol/up`);
    const said = await pod.sh('cat /vol/link/secret /vol/up/secret 2>&1; true');
    assert.ok(!said.includes(secret), said);
  }),
);
