// Who a container's processes are and what they may do: users, groups, capabilities, seccomp, read-only and masked paths.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { usePodHost } from '../support/stands.ts';

const { host, clean } = await usePodHost();
const pod = await host.pod();

/** A field of /proc/self/status. */
const field = (name: string): string => `grep '^${name}:' /proc/self/status | cut -f2`;

test('the default: root with the default capabilities, no seccomp', async () => {
  const box = await pod.run();
  assert.equal(await box.sh('id -u; id -g'), '0\n0\n');
  assert.equal(await box.sh(field('CapEff')), '00000000a80425fb\n');
  assert.equal(await box.sh(field('CapBnd')), '00000000a80425fb\n');
  assert.equal(await box.sh(field('NoNewPrivs')), '0\n');
  assert.equal(await box.sh('cat /proc/1/oom_score_adj /proc/self/oom_score_adj'), '1000\n1000\n');
  await box.stop();
  await box.remove();
});

test('user, group and supplemental groups, for the container and its execs', async () => {
  const security = {
    runAsUser: { value: 1000 },
    runAsGroup: { value: 3000 },
    supplementalGroups: [4000, 5000],
  };
  const box = await pod.run({ command: ['sh', '-c', 'id; exec sleep 1000'], security });
  const groups = await box.sh('id -u; id -g; id -G | tr " " "\\n" | sort -n | tr "\\n" " "');
  assert.match(groups, /^1000\n3000\n/);
  for (const group of ['3000', '4000', '5000']) assert.match(groups, new RegExp(`\\b${group}\\b`));
  await waitFor('output', () => /uid=1000\(app\) gid=3000/.test(box.output()));
  const denied = await box.exec(['sh', '-c', 'echo x > /root/x']);
  assert.notEqual(denied.code, 0);
  await box.stop();
  await box.remove();
});

test('HOME of a user that the image does not know is /, and of one that it knows the one there', async () => {
  const home = async (uid: number, envs?: { key: string; value: string }[]) => {
    const box = await pod.run({
      command: ['sh', '-c', 'echo "HOME=$HOME"; exec sleep 1000'],
      security: { runAsUser: { value: uid } },
      ...(envs === undefined ? {} : { envs }),
    });
    await waitFor('output', () => box.output() !== '');
    const both = [box.output(), await box.sh('echo "HOME=$HOME"')];
    await box.stop();
    await box.remove();
    return both;
  };
  assert.deepEqual(await home(54321), ['HOME=/\n', 'HOME=/\n']);
  assert.deepEqual(await home(54321, [{ key: 'HOME', value: '/x' }]), ['HOME=/x\n', 'HOME=/x\n']);
  const [first, ofExec] = await home(1000);
  assert.match(first!, /^HOME=\/.+\n$/);
  assert.equal(ofExec, first);
});

test("processes of a user are not limited by the guest's memory", {
  skip: !runtime.isVm && 'of runc it is the limit of its containerd',
}, async () => {
  const box = await pod.run({ security: { runAsUser: { value: 1000 } } });
  assert.match(await box.sh("grep '^Max processes' /proc/self/limits"), /unlimited +unlimited/);
  await box.stop();
  await box.remove();
});

test('a user by name, with the groups of the image', async () => {
  const box = await pod.run({ security: { runAsUsername: 'app' } });
  assert.equal(await box.sh('id -un; id -u; id -g'), 'app\n1000\n1000\n');
  assert.match(await box.sh('id -G'), /\b2000\b/);
  await box.stop();
  await box.remove();
  await assert.rejects(pod.run({ security: { runAsUsername: 'nobody-here' } }), /nobody-here|no users found/);
});

test('capabilities are added and dropped', async () => {
  const drop = await pod.run({ security: { capabilities: { dropCapabilities: ['ALL'] } } });
  assert.equal(
    await drop.sh(`${field('CapEff')}; ${field('CapBnd')}`),
    '0000000000000000\n0000000000000000\n',
  );
  assert.notEqual((await drop.exec(['chown', '1:1', '/tmp'])).code, 0);
  const add = await pod.run({
    security: { capabilities: { addCapabilities: ['NET_ADMIN', 'SYS_TIME'], dropCapabilities: ['CHOWN'] } },
  });
  const caps = BigInt(`0x${(await add.sh(field('CapEff'))).trim()}`);
  assert.equal((caps >> 12n) & 1n, 1n, 'NET_ADMIN');
  assert.equal((caps >> 25n) & 1n, 1n, 'SYS_TIME');
  assert.equal(caps & 1n, 0n, 'CHOWN');
  assert.equal(
    (await add.exec(['sh', '-c', 'ip link add br9 type bridge || ip link set lo mtu 65000'])).code,
    0,
  );
});

test('privileged: everything of the guest, nothing of the host', async () => {
  const privileged = await host.pod({ linux: { securityContext: { privileged: true } } });
  const box = await privileged.run({ security: { privileged: true } });
  const caps = BigInt(`0x${(await box.sh(field('CapEff'))).trim()}`);
  assert.equal((caps >> 21n) & 1n, 1n, 'SYS_ADMIN');
  await box.sh('mkdir -p /mnt/t && mount -t tmpfs none /mnt/t && umount /mnt/t');
  assert.equal((await box.exec(['sh', '-c', 'echo 1 > /proc/sys/vm/overcommit_memory'])).code, 0);
  if (runtime.isVm) {
    const names = await box.sh('cat /proc/partitions; ls /dev');
    assert.doesNotMatch(names, /kvm/);
    // Devices of the guest, though the handler keeps the host's devices from privileged containers.
    await box.sh('dd if=/dev/kmsg of=/dev/null bs=8k count=1 && : <>/dev/fuse');
    assert.notEqual((await (await privileged.run()).exec(['ls', '/dev/kmsg', '/dev/fuse'])).code, 0);
    assert.doesNotMatch(await box.sh('cat /proc/mounts'), new RegExp(host.daemon.dir), 'no path of the host');
  }
  await privileged.remove();
});

test('seccomp: the default profile, none, and one of the node; no_new_privs', async () => {
  const standard = await pod.run({ security: { seccomp: { profileType: 'RuntimeDefault' } } });
  assert.equal(await standard.sh(field('Seccomp')), '2\n');
  assert.notEqual((await standard.exec(['unshare', '-U', 'true'])).code, 0);
  const free = await pod.run({ security: { seccomp: { profileType: 'Unconfined' } } });
  assert.equal(await free.sh(field('Seccomp')), '0\n');
  const profile = join(host.daemon.dir, 'no-mkdir.json');
  writeFileSync(
    profile,
    JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }],
    }),
  );
  const own = await pod.run({ security: { seccomp: { profileType: 'Localhost', localhostRef: profile } } });
  const result = await own.exec(['sh', '-c', 'touch /tmp/file && mkdir /tmp/dir']);
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /not permitted/);
  const strict = await pod.run({ security: { noNewPrivs: true } });
  assert.equal(await strict.sh(field('NoNewPrivs')), '1\n');
});

test('read-only root; masked and read-only paths as the kubelet lists them', async () => {
  const box = await pod.run({
    security: {
      readonlyRootfs: true,
      maskedPaths: ['/proc/kcore', '/proc/keys', '/sys/firmware', '/proc/scsi'],
      readonlyPaths: ['/proc/sys', '/proc/sysrq-trigger', '/proc/bus'],
    },
  });
  const write = await box.exec(['touch', '/file']);
  assert.match(write.stderr, /Read-only file system/);
  assert.equal(await box.sh('touch /dev/shm/ok && cat /proc/keys | wc -c'), '0\n');
  assert.notEqual((await box.exec(['sh', '-c', 'echo 1 > /proc/sys/kernel/panic'])).code, 0);
  const open = await pod.run({ security: { maskedPaths: [], readonlyPaths: [], privileged: false } });
  assert.notEqual(await open.sh('cat /proc/keys /proc/timer_list 2>/dev/null | wc -c'), '0\n');
});

test('environment, working directory, arguments', async () => {
  const box = await pod.run({
    command: ['sh', '-c'],
    args: ['echo "$GREETING $(pwd)"; exec sleep 1000'],
    workingDir: '/home/app',
    envs: [{ key: 'GREETING', value: 'hello there' }],
  });
  assert.equal(await box.sh('pwd; echo $GREETING'), '/home/app\nhello there\n');
  await waitFor('output', () => box.output() === 'hello there /home/app\n');
  const made = await pod.run({ workingDir: '/made/for/it' });
  assert.equal(await made.sh('pwd'), '/made/for/it\n');
});

test('nothing stays', async () => {
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id]);
});
