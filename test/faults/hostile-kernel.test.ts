// The guest's kernel is the boundary between the containers of a pod: what makes it harder to attack, as it runs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import type { FakeContainerd } from '../support/fake-containerd.ts';
import { HostilePod, hostileHost } from '../support/hostile/attack.ts';

const options = { skip: !runtime.isVm && 'it is about the guest', timeout: 60_000 };

let fake: FakeContainerd;
let pod: HostilePod;
before(async () => {
  if (!runtime.isVm) return;
  fake = await hostileHost();
  pod = await HostilePod.start(fake, 'kernel');
});
after(async () => {
  if (!runtime.isVm) return;
  await pod.shim.remove();
  await fake.stop();
});

test('settings that keep processes from each other and from the kernel', options, async () => {
  const settings = {
    '/proc/sys/kernel/yama/ptrace_scope': '1',
    '/proc/sys/kernel/dmesg_restrict': '1',
    '/proc/sys/kernel/perf_event_paranoid': '3',
    '/proc/sys/kernel/unprivileged_bpf_disabled': '2',
    '/proc/sys/vm/unprivileged_userfaultfd': '0',
    '/sys/module/page_alloc/parameters/shuffle': 'Y',
  };
  const names = Object.keys(settings);
  const said = await pod.sh(`cat ${names.join(' ')}`);
  assert.deepEqual(
    Object.fromEntries(
      said
        .trim()
        .split('\n')
        .map((value, i) => [names[i], value]),
    ),
    settings,
  );
});

test('a process traces its descendants only', options, async () => {
  const said = await pod.sh(
    'sleep 100 & victim=$!; su app -s /bin/sh -c "sleep 100 & echo \\$!" > /tmp/other; other=$(cat /tmp/other);' +
      'su app -s /bin/sh -c "/attack trace $other"; /attack trace $victim; kill $victim $other',
  );
  assert.equal(said, 'EPERM\ndone\n', 'a user’s own process that is no descendant; then root, which may');
});

test('root has no way into the kernel’s memory', options, async () => {
  const said = await pod.sh(
    'for n in "mem c 1 1" "port c 1 4"; do mknod /dev/x-$n; done;' +
      'cat /dev/x-mem /dev/x-port 2>&1; ls /proc/kcore /dev/cpu/0/msr 2>&1; ls /proc/modules 2>&1; true',
  );
  assert.match(said, /x-mem': No such device or address/);
  assert.match(said, /x-port': No such device or address/);
  for (const name of ['/proc/kcore', '/dev/cpu/0/msr', '/proc/modules'])
    assert.match(said, new RegExp(`${name}: No such file`));
});

test('it is built with what hardens memory', options, async () => {
  const config = await pod.sh('zcat /proc/config.gz');
  const wanted =
    'SLAB_FREELIST_RANDOM SLAB_FREELIST_HARDENED SLAB_BUCKETS SHUFFLE_PAGE_ALLOCATOR HARDENED_USERCOPY FORTIFY_SOURCE ' +
    'STRICT_KERNEL_RWX VMAP_STACK STACKPROTECTOR_STRONG RANDOMIZE_KSTACK_OFFSET_DEFAULT INIT_STACK_ALL_ZERO LIST_HARDENED';
  const missing = wanted.split(' ').filter((name) => !config.includes(`\nCONFIG_${name}=y\n`));
  assert.deepEqual(missing, []);
});
