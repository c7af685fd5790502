// What the OCI spec asks for is what the process finds: identity, limits, seccomp, sysctls, masked paths, cgroups, devices.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imagePath } from '../../scripts/stand/image.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, defaultCapabilities, type Spec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const { fake, clean } = await useFakeContainerd();

/** Runs a script of `=name` sections in one container of the spec; gives each section's output. */
async function facts(
  id: string,
  spec: Spec,
  questions: Record<string, string>,
): Promise<Record<string, string>> {
  const script = Object.entries(questions).map(([name, command]) => `echo "=${name}"; { ${command}; } 2>&1`);
  spec.process.args = ['sh', '-c', `${script.join('\n')}\necho "=end"`];
  const shim: Shim = await fake.shim(id, spec);
  const io = await shim.run();
  await within('exit', 60_000, shim.task.wait({ id }));
  await io.ended();
  await shim.remove();
  assert.match(io.output, /=end\n$/, `the script did not reach its end:\n${io.output}\n${io.errors}`);
  const parts = io.output.split(/^=(\w+)\n/m).slice(1);
  return Object.fromEntries(
    parts.flatMap((part, i) => (i % 2 === 0 ? [[part, (parts[i + 1] ?? '').trimEnd()]] : [])),
  );
}

test('identity, limits, environment, hostname, paths, sysctls, mounts', { timeout: 120_000 }, async () => {
  const id = 'facts';
  const spec = containerSpec([], `/${fake.namespace}/${id}`, {
    user: { uid: 1000, gid: 1000, additionalGids: [2000, 3000], umask: 0o027 },
    cwd: '/home/app',
    env: [imagePath, 'HOME=/home/app', 'MULTI=two\nlines'],
    rlimits: [
      { type: 'RLIMIT_NOFILE', soft: 222, hard: 333 },
      { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
    ],
    oomScoreAdj: 321,
  });
  spec.hostname = 'own-name';
  spec.linux.sysctl = { 'net.ipv4.ip_forward': '1', 'kernel.shmmax': '4242424' };
  spec.mounts.push({
    destination: '/scratch',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['size=2m', 'mode=1777', 'nosuid'],
  });
  const found = await facts(id, spec, {
    id: 'id -u; id -g; id -G',
    umask: 'umask',
    cwd: 'pwd',
    env: 'echo "$HOME"; echo "$MULTI"',
    files: 'ulimit -Sn; ulimit -Hn; ulimit -c',
    oom: 'cat /proc/self/oom_score_adj',
    hostname: 'hostname',
    sysctl: 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax',
    masked: 'cat /proc/keys | wc -c; ls /sys/firmware | wc -l',
    readonly: 'echo b > /proc/sysrq-trigger; echo 1 > /proc/sys/vm/drop_caches',
    pids: 'ls -d /proc/[0-9]* | wc -l',
    scratch: 'echo x > /scratch/x && cat /scratch/x; df -k /scratch | tail -1',
    tmp: 'touch /tmp/mine && stat -c "%u:%g %a" /tmp/mine',
    net: 'ls /sys/class/net',
    shm: 'df -k /dev/shm | tail -1',
    proc: 'grep " /proc " /proc/self/mountinfo | cut -d " " -f 6',
    init: 'cat /proc/1/comm',
  });
  const groups = (found.id ?? '').split('\n')[2]?.split(' ') ?? [];
  assert.deepEqual((found.id ?? '').split('\n').slice(0, 2), ['1000', '1000']);
  for (const group of ['1000', '2000', '3000']) assert.ok(groups.includes(group), found.id);
  assert.equal(found.umask, '0027');
  assert.equal(found.cwd, '/home/app');
  assert.equal(found.env, '/home/app\ntwo\nlines');
  assert.equal(found.files, '222\n333\n0');
  assert.equal(found.oom, '321');
  assert.equal(found.hostname, 'own-name');
  assert.equal(found.sysctl, '1\n4242424');
  assert.equal(found.masked, '0\n0');
  // A host kernel may lack sysrq.
  const refused =
    found.readonly?.match(/Read-only file system|Permission denied|nonexistent directory/g) ?? [];
  assert.equal(refused.length, 2, found.readonly);
  assert.ok(Number(found.pids) < 10, `own pid namespace: ${found.pids} processes`);
  assert.match(found.scratch ?? '', /^x\n.*\b2048\b/);
  assert.equal(found.tmp, '1000:1000 640');
  assert.ok((found.net ?? '').split(/\s+/).includes('lo'));
  assert.match(found.shm ?? '', /\b65536\b/);
  assert.match(found.proc ?? '', /nosuid,nodev,noexec/);
  assert.equal(found.init, 'sh');
  await assertNothingNew(fake, clean, [id]);
});

test('capabilities, no_new_privs, seccomp, devices, read-only root', { timeout: 120_000 }, async () => {
  const id = 'caps';
  const some = ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];
  const capabilities = {
    bounding: some,
    effective: some,
    permitted: some,
    inheritable: [],
    ambient: ['CAP_KILL'],
  };
  const spec = containerSpec([], `/${fake.namespace}/${id}`, { capabilities });
  capabilities.ambient.length = 0;
  spec.root.readonly = true;
  spec.linux.devices = [
    { path: '/dev/own-null', type: 'c', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
  ];
  spec.linux.resources = {
    devices: [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
    ],
  };
  spec.linux.seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [
      { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 },
      { names: ['sethostname'], action: 'SCMP_ACT_ERRNO' },
    ],
  };
  const found = await facts(id, spec, {
    status: 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status',
    mkdir: 'mkdir /run/x; echo $?',
    root: 'touch /file; echo $?',
    device: 'echo lost > /dev/own-null; echo $?; stat -c %t:%T /dev/own-null',
    nodes: 'ls /dev',
    fds: 'ls -l /dev/fd /dev/stdin | grep -c proc',
  });
  // CHOWN 0, KILL 5, NET_BIND_SERVICE 10.
  assert.match(found.status ?? '', /CapEff:\t0000000000000421/);
  assert.match(found.status ?? '', /CapBnd:\t0000000000000421/);
  assert.match(found.status ?? '', /CapInh:\t0000000000000000/);
  assert.match(found.status ?? '', /NoNewPrivs:\t1/);
  assert.match(found.status ?? '', /Seccomp:\t2/);
  assert.match(found.mkdir ?? '', /not supported\n1$/i);
  assert.match(found.root ?? '', /Read-only file system\n1$/);
  assert.equal(found.device, '0\n1:3');
  for (const node of ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'pts', 'shm']) {
    assert.ok(found.nodes?.split(/\s+/).includes(node), `/dev/${node} in: ${found.nodes}`);
  }
  assert.equal(found.fds, '2');
  await assertNothingNew(fake, clean, [id]);
});

test('cgroup limits hold: memory, pids, cpu quota', { timeout: 120_000 }, async () => {
  const id = 'limits';
  const spec = containerSpec([], `/${fake.namespace}/${id}`);
  spec.linux.namespaces.push({ type: 'cgroup' });
  spec.mounts.push({
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['ro', 'nosuid'],
  });
  spec.linux.resources = {
    memory: { limit: 48 << 20 },
    pids: { limit: 30 },
    cpu: { quota: 150_000, period: 100_000, shares: 2048 },
  };
  const found = await facts(id, spec, {
    memory: 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null',
    pids: 'cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null',
    cpu: 'cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us',
    forks: "sh -c 'i=0; while [ $i -lt 40 ]; do sleep 60 & i=$((i+1)); done'; echo done",
    eater: 'dd if=/dev/zero of=/dev/null bs=90M count=1; echo $?',
    vcpus: 'nproc',
    total: 'grep MemTotal /proc/meminfo',
  });
  assert.equal(found.memory, String(48 << 20));
  assert.equal(found.pids, '30');
  assert.match(found.cpu ?? '', /^150000( 100000)?$/);
  assert.match(found.forks ?? '', /can't fork|Resource temporarily unavailable/);
  assert.match(found.eater ?? '', /(Killed|out of memory|137|1)$/i);
  assert.doesNotMatch(found.eater ?? '', /\n0$/);
  if (runtime.isVm)
    assert.ok(Number(found.vcpus) >= 2, `1.5 CPUs need two vCPUs, the guest has ${found.vcpus}`);
  await assertNothingNew(fake, clean, [id]);
});

test('an OOM kill is 137, is told as an event, and is no end of the VM', { timeout: 120_000 }, async () => {
  const id = 'oom';
  const spec = containerSpec(['sh', '-c', 'sleep 2; tail /dev/zero'], `/${fake.namespace}/${id}`);
  spec.linux.resources = { memory: { limit: 32 << 20, swap: 32 << 20 } };
  // The shell execs its last command, so it is init that dies.
  spec.process.args = ['sh', '-c', 'sleep 1; exec tail /dev/zero'];
  const shim = await fake.shim(id, spec);
  await shim.run();
  const exit = await within('OOM kill', 60_000, shim.task.wait({ id }));
  assert.equal(exit.exitStatus, 137);
  await fake.events.expect(id, '/tasks/oom');
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('privileged: all capabilities, writable /proc/sys and /sys, nothing of the host', {
  timeout: 120_000,
}, async () => {
  const id = 'priv';
  const all = [...defaultCapabilities, 'CAP_SYS_ADMIN', 'CAP_NET_ADMIN', 'CAP_SYS_PTRACE', 'CAP_SYSLOG'];
  const capabilities = { bounding: all, effective: all, permitted: all, inheritable: all, ambient: [] };
  const spec = containerSpec([], `/${fake.namespace}/${id}`, { capabilities, noNewPrivileges: false });
  spec.linux.maskedPaths = [];
  spec.linux.readonlyPaths = [];
  const found = await facts(id, spec, {
    status: 'grep -E "^(CapEff|NoNewPrivs)" /proc/self/status',
    mount: 'mkdir -p /mnt/x && mount -t tmpfs none /mnt/x && echo mounted',
    link: 'ip link add dummy0 type dummy && echo linked || ip link set lo up && echo linked',
    sysctl:
      'cat /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward',
  });
  assert.match(found.status ?? '', /NoNewPrivs:\t0/);
  assert.match(found.mount ?? '', /mounted/);
  assert.match(found.link ?? '', /linked/);
  assert.match(found.sysctl ?? '', /1$/);
  await assertNothingNew(fake, clean, [id]);
});
