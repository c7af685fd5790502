// Pods with a user namespace (hostUsers: false): ids of the containers are other ids outside, and in the VM.
import assert from 'node:assert/strict';
import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { unmountBelow } from '../../scripts/stand/mounts.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import type { Mount } from '../support/cri-types.ts';
import { assertNothingNew } from '../support/leaks.ts';
import type { ContainerOptions, Pod } from '../support/pod.ts';
import { usePodHost } from '../support/stands.ts';
import { atLeast } from '../support/version.ts';
import { AtomicVolume, diskEmptyDir, memoryEmptyDir } from '../support/volumes.ts';

/** What container ids are on the host: another range than that of any user of this machine. */
const BASE = 200_000;
const ids = [{ hostId: BASE, containerId: 0, length: 65_536 }];
const namespaceOptions = { pid: 'CONTAINER', usernsOptions: { mode: 'POD', uids: ids, gids: ids } } as const;

const { host, clean } = await usePodHost();
const { version } = host.daemon.binaries;
/** Owners in volumes are mapped, too: containerd 1.7 leaves them as they are. */
const mapsVolumes = atLeast(version, '2.0.0');
/** Why there is no such pod here. */
const missing = whyNot(version);
let pod: Pod;
if (missing === undefined) pod = await host.pod({ linux: { securityContext: { namespaceOptions } } });

function whyNot(version: string): string | undefined {
  if (!runtime.isVm) return 'the reference: runc 1.1 of Debian 12 cannot map the owners of mounts';
  if (!atLeast(version, '1.7.0'))
    return `containerd ${version} knows no user namespaces: run with BULKHEAD_TEST_CONTAINERD=trixie or sid`;
  if (mapsVolumes && !atLeast(release(), '5.19.0'))
    return `Linux ${release()} of this host cannot map the lower folders of an overlay, as containerd ${version} wants it`;
  return undefined;
}

function mappedTest(name: string, run: (t: TestContext) => Promise<void>): void {
  test(name, async (t) => {
    if (missing === undefined) await run(t);
    else t.skip(missing);
  });
}

const runMapped = (options: ContainerOptions = {}) =>
  pod.run({ ...options, security: { namespaceOptions, ...options.security } });

/** As the kubelet gives volumes to such pods; containerd 1.7 refuses mappings of mounts. */
const volume = (containerPath: string, hostPath: string, more: Partial<Mount> = {}): Mount => ({
  ...{ containerPath, hostPath },
  ...(mapsVolumes ? { uidMappings: ids, gidMappings: ids } : {}),
  ...more,
});

mappedTest(
  'root inside is nobody outside, in the guest too; files of the image have their owners',
  async () => {
    const box = await runMapped();
    assert.match(await box.sh('cat /proc/self/uid_map /proc/self/gid_map'), /^(\s+0\s+200000\s+65536\n){2}$/);
    assert.equal(
      await box.sh("id -u; stat -c '%u:%g %a' / /etc/passwd /home/app /tmp"),
      '0\n0:0 755\n0:0 644\n1000:1000 755\n0:0 1777\n',
    );
    assert.equal(
      await box.sh('echo new > /root/new; chown 33:44 /root/new; stat -c %u:%g /root/new'),
      '33:44\n',
    );
    // A setting of the guest as a whole, which its root may change.
    assert.notEqual((await box.exec(['sh', '-c', 'echo 1 > /proc/sys/vm/drop_caches'])).code, 0);
  },
);

mappedTest('host name, hosts, resolv.conf, devices', async () => {
  const box = await runMapped();
  assert.equal(await box.sh('hostname; cat /etc/hostname'), `${pod.config.hostname}\n`.repeat(2));
  assert.match(await box.sh('cat /etc/hosts'), /localhost/);
  await box.sh(
    'test -r /etc/resolv.conf; echo x > /dev/null; head -c 4 /dev/urandom | wc -c; ls /dev/pts /sys/class/net',
  );
  if (mapsVolumes) await box.sh('echo "1.2.3.4 added" >> /etc/hosts; grep -q added /etc/hosts');
});

mappedTest("/dev/shm and System V memory are the pod's", async () => {
  const [a, b] = [await runMapped(), await runMapped()];
  await a.sh('echo shared > /dev/shm/file; chmod 600 /dev/shm/file');
  assert.equal(
    await b.sh('cat /dev/shm/file; stat -c %u:%a /dev/shm/file /dev/shm'),
    'shared\n0:600\n65534:1777\n',
  );
  const namespaces = (box: typeof a) => box.sh('for n in user ipc uts; do readlink /proc/self/ns/$n; done');
  assert.equal(await namespaces(a), await namespaces(b));
});

mappedTest('network: its address, a low port, another pod, a name for each container', async () => {
  const server = await runMapped({ command: ['sh', '-c', 'while :; do echo answer | nc -l -p 80; done'] });
  const { network } = await pod.status();
  assert.match(await server.sh('ip -4 addr show eth0'), new RegExp(`inet ${network!.ip}/16`));
  const ask = `i=0; until nc -w 5 ${network!.ip} 80 < /dev/null; do i=$((i+1)); [ $i -lt 20 ] || exit 1; sleep 0.2; done`;
  const other = await host.pod();
  const client = await other.run();
  assert.equal(await client.sh(ask), 'answer\n');
  await other.remove();
  const neighbour = await runMapped();
  assert.equal(await neighbour.sh(ask.replace(network!.ip, '127.0.0.1')), 'answer\n');
});

mappedTest('memory-backed emptyDir: the group, both containers, other users', async () => {
  const path = await memoryEmptyDir(pod, 'memory', '8m', { gid: 2000 });
  const mounts = [volume('/memory', path)];
  const app = { runAsUser: { value: 1000 }, supplementalGroups: [2000] };
  const [a, b] = [
    await runMapped({ mounts }),
    await runMapped({ mounts, security: { namespaceOptions, ...app } }),
  ];
  if (mapsVolumes) {
    assert.equal(await a.sh('stat -c %u:%g:%a /memory'), '0:2000:2777\n');
    await b.sh('echo from b > /memory/b');
    assert.equal(await a.sh('cat /memory/b; stat -c %u:%g /memory/b'), 'from b\n1000:2000\n');
  }
  await a.sh('echo from a > /memory/a');
  assert.equal(await b.sh('cat /memory/a'), 'from a\n');
});

mappedTest('volumes of the host: owners seen and left behind', async () => {
  const path = diskEmptyDir(pod, 'disk');
  const folder = join(host.daemon.dir, 'data');
  mkdirSync(folder);
  writeFileSync(join(folder, 'file'), 'of 1000\n', { mode: 0o640 });
  for (const one of [folder, join(folder, 'file')]) chownSync(one, 1000, 1000);
  const mounts = [
    volume('/disk', path),
    volume('/data', folder),
    volume('/fixed', folder, { readonly: true }),
  ];
  const box = await runMapped({
    mounts,
    security: { namespaceOptions, runAsUser: { value: 1000 }, runAsGroup: { value: 1000 } },
  });
  await box.sh('echo x > /disk/new');
  const outside = mapsVolumes ? 1000 : BASE + 1000;
  assert.equal(statSync(join(path, 'new')).uid, outside);
  if (!mapsVolumes) return;
  assert.equal(
    await box.sh('cat /data/file; stat -c %u:%g /data /data/file /fixed'),
    'of 1000\n1000:1000\n1000:1000\n1000:1000\n',
  );
  await box.sh('echo more >> /data/file; mkdir /data/made');
  assert.deepEqual([statSync(join(folder, 'made')).uid, statSync(join(folder, 'made')).gid], [1000, 1000]);
  assert.match((await box.exec(['sh', '-c', 'echo x > /fixed/file'])).stderr, /Read-only file system/);
});

mappedTest('config map: owners and an update', async () => {
  const settings = new AtomicVolume(pod, 'configmap', 'settings');
  settings.write({ key: 'one' }, 0o644);
  const box = await runMapped({ mounts: [volume('/settings', settings.path, { readonly: true })] });
  assert.equal(await box.sh('cat /settings/key'), 'one');
  if (mapsVolumes) assert.equal(await box.sh('stat -L -c %u:%g /settings/key'), '0:0\n');
  settings.write({ key: 'two' }, 0o644);
  await box.sh(
    'i=0; until [ "$(cat /settings/key)" = two ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done',
  );
});

mappedTest('a terminal, a shared pid namespace, a restart', async () => {
  const options = { ...namespaceOptions, pid: 'POD' } as const;
  const talker = await pod.run({
    tty: true,
    command: ['sh', '-c', 'tty; stat -c %u /dev/pts/0; echo end'],
    security: { namespaceOptions: options },
  });
  assert.equal((await talker.exited()).exitCode, 0);
  assert.match(talker.output(), /\/dev\/(pts\/0|console)/);
  await talker.remove();
  const again = await pod.run({ security: { namespaceOptions: options } });
  assert.match(await again.sh('ps -o pid,args'), /^\s+1 .*sh -c trap/m);
  await again.stop();
  await again.remove();
});

test('nothing stays', async () => {
  await pod?.remove();
  await unmountBelow(join(host.daemon.dir, 'kubelet'));
  await assertNothingNew(host.daemon, clean, pod === undefined ? [] : [pod.id]);
});
