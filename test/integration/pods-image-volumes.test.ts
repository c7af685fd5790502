// Image volumes: containerd 2.1 and later mount an image's files on the host and bind them into the container.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { imageName } from '../../scripts/stand/image.ts';
import { mountsBelow } from '../../scripts/stand/mounts.ts';
import type { Mount } from '../support/cri-types.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { usePodHost } from '../support/stands.ts';
import { atLeast } from '../support/version.ts';

const { host, clean } = await usePodHost();
const pod = await host.pod();

const image = (containerPath: string, more: Partial<Mount> = {}): Mount => ({
  containerPath,
  hostPath: '',
  readonly: true,
  image: { image: imageName },
  ...more,
});

/** Why this containerd cannot do it; undefined: it can. Known only when it runs. */
function missing(version: string): string | undefined {
  const running = host.daemon.binaries.version;
  return atLeast(running, version)
    ? undefined
    : `containerd ${running} is older than ${version}: run with BULKHEAD_TEST_CONTAINERD=sid`;
}

test('the files of the image, with owners, modes and links; programs of it run', async (t) => {
  const why = missing('2.1.0');
  if (why !== undefined) return t.skip(why);
  const box = await pod.run({ mounts: [image('/image')] });
  assert.equal(await box.sh("stat -c '%u:%g %a' /image/home/app /image/tmp"), '1000:1000 755\n0:0 1777\n');
  assert.equal(await box.sh('readlink /image/bin/ls; /image/bin/ls /image/home'), 'busybox\napp\n');
  assert.equal(await box.sh('cmp /image/bin/busybox /bin/busybox && echo same'), 'same\n');
  for (const script of ['echo x > /image/new', 'rm /image/etc/passwd', 'chmod 777 /image/etc']) {
    const { code, stderr } = await box.exec(['sh', '-c', script]);
    assert.notEqual(code, 0, script);
    assert.match(stderr, /Read-only file system/);
  }
});

test('two containers and two places share one image volume, which outlives each of them', async (t) => {
  const why = missing('2.1.0');
  if (why !== undefined) return t.skip(why);
  const mounts = [image('/image'), image('/again')];
  const [a, b] = [await pod.run({ mounts }), await pod.run({ mounts })];
  for (const box of [a, b])
    assert.equal(await box.sh('cmp /image/etc/passwd /again/etc/passwd && echo same'), 'same\n');
  const spec = readFileSync(join(host.daemon.bundle(a.id), 'config.json'), 'utf8');
  const { mounts: listed } = JSON.parse(spec) as { mounts: { destination: string; source: string }[] };
  const sources = listed
    .filter(({ destination }) => /^\/(image|again)$/.test(destination))
    .map(({ source }) => source);
  assert.equal(new Set(sources).size, 1, 'one mount of containerd');
  await a.stop();
  await a.remove();
  assert.match(await b.sh('cat /image/etc/passwd'), /^root:/);
  const next = await pod.run({ mounts });
  assert.match(await next.sh('cat /again/etc/passwd'), /^root:/);
});

test('a folder of an image (subPath)', async (t) => {
  const why = missing('2.2.0');
  if (why !== undefined)
    return t.skip(`${why} (older ones pass over image_sub_path and mount the whole image)`);
  const box = await pod.run({ mounts: [image('/users', { imageSubPath: 'home' })] });
  assert.equal(await box.sh('ls /users'), 'app\n');
});

test('nothing stays', async () => {
  await pod.remove();
  assert.deepEqual(
    mountsBelow(host.daemon.dir).filter((path) => path.includes('image-volumes')),
    [],
  );
  await assertNothingNew(host.daemon, clean, [pod.id]);
});
