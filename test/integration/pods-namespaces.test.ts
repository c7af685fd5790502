// What the containers of a pod share and what they do not: network, ipc, uts and pid namespaces, host names, sysctls.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import type { NamespaceMode } from '../support/cri-types.ts';
import { assertNothingNew } from '../support/leaks.ts';
import type { PodContainer } from '../support/pod.ts';
import { usePodHost } from '../support/stands.ts';

const listen = 'echo from-$HOSTNAME | nc -l -p 4711';

const { host, clean } = await usePodHost();
const pod = await host.pod({
  hostname: 'tidepool',
  dnsConfig: { servers: ['10.9.9.9'], searches: ['pods.test'] },
  linux: {
    sysctls: {
      'kernel.shm_rmid_forced': '1',
      'net.ipv4.ip_unprivileged_port_start': '80',
      'net.core.somaxconn': '1234',
    },
  },
});
const one = await pod.run({ command: ['sh', '-c', 'sleep 71000 & exec sleep 71001'] });
const two = await pod.run({ command: ['sleep', '72000'] });

async function namespaces(box: PodContainer): Promise<Record<string, string>> {
  const lines = await box.sh(
    'cd /proc/self/ns; for n in net ipc uts pid mnt; do echo $n $(readlink $n); done',
  );
  return Object.fromEntries(
    lines
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
  );
}

test('network, ipc and uts are shared; pid and mount are not', async () => {
  const [a, b] = [await namespaces(one), await namespaces(two)];
  for (const shared of ['net', 'ipc', 'uts']) assert.equal(a[shared], b[shared], shared);
  for (const own of ['pid', 'mnt']) assert.notEqual(a[own], b[own], own);
  const processes = await one.sh('ps -o args');
  assert.match(processes, /sleep 71001/);
  assert.doesNotMatch(processes, /72000|bulkhead-agent|pause/);
});

test('containers reach each other on the loopback', async () => {
  const server = one.sh(`HOSTNAME=one; ${listen}`);
  const client = await two.sh(
    'i=0; while [ $i -lt 50 ]; do nc 127.0.0.1 4711 </dev/null && exit; i=$((i+1)); sleep 0.1; done; exit 1',
  );
  assert.equal(client, 'from-one\n');
  await server;
});

test('shared memory segments and message queues of the pod', async () => {
  const ids = 'cat /proc/sysvipc/shm | wc -l';
  assert.equal(await one.sh(ids), await two.sh(ids));
  await one.sh('echo seen > /dev/shm/word');
  assert.equal(await two.sh('cat /dev/shm/word'), 'seen\n');
});

test('host name, hosts and resolver of the pod', async () => {
  for (const box of [one, two]) {
    assert.equal(await box.sh('hostname; cat /etc/hostname'), 'tidepool\ntidepool\n');
    assert.match(await box.sh('cat /etc/resolv.conf'), /search pods\.test\nnameserver 10\.9\.9\.9/);
    assert.match(await box.sh('cat /etc/hosts'), /127\.0\.0\.1\s+localhost/);
  }
});

test('sysctls of the pod hold for its containers', async () => {
  const names = ['kernel/shm_rmid_forced', 'net/ipv4/ip_unprivileged_port_start', 'net/core/somaxconn'];
  for (const box of [one, two]) {
    assert.equal(await box.sh(`cd /proc/sys; cat ${names.join(' ')}`), '1\n80\n1234\n');
  }
});

test('a sysctl that the kernel does not have fails the pod, with its name', async () => {
  await assert.rejects(host.pod({ linux: { sysctls: { 'net.ipv4.no_such_thing': '1' } } }), /no_such_thing/);
});

test('TARGET: a container sees the processes of the one it is aimed at, and of no other', async () => {
  const aimed = async (target: PodContainer): Promise<string> => {
    const namespaceOptions = { pid: 'TARGET' as NamespaceMode, targetId: target.id };
    const debug = await pod.run({ command: ['sleep', '73000'], security: { namespaceOptions } });
    const processes = await debug.sh('ps -o args');
    assert.match(processes, /sleep 73000/);
    assert.equal((await namespaces(debug)).pid, (await namespaces(target)).pid);
    await debug.stop();
    await debug.remove();
    return processes;
  };
  const ofOne = await aimed(one);
  assert.match(ofOne, /sleep 71001/);
  assert.doesNotMatch(ofOne, /72000/);
  const ofTwo = await aimed(two);
  assert.match(ofTwo, /sleep 72000/);
  assert.doesNotMatch(ofTwo, /71001/);
  assert.equal((await one.status()).state, 'CONTAINER_RUNNING');
});

test('shared pid namespace: all see all, the pause process is 1 and collects orphans', async () => {
  const namespaceOptions = { pid: 'POD' as NamespaceMode };
  const shared = await host.pod({ linux: { securityContext: { namespaceOptions } } });
  const security = { namespaceOptions };
  const a = await shared.run({ command: ['sleep', '81000'], security });
  const b = await shared.run({ command: ['sleep', '82000'], security });
  for (const box of [a, b]) {
    const processes = await box.sh('ps -o pid,args');
    assert.match(processes, /^ +1 .*trap/m);
    assert.match(processes, /sleep 81000/);
    assert.match(processes, /sleep 82000/);
  }
  // An orphan of one container ends and is not left as a zombie.
  await a.sh('(sleep 0.5 & ) ; exit 0');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.doesNotMatch(await b.sh('ps -o stat,args'), /^Z/m);
  // A process of one container can be ended from the other; its container ends with it.
  await b.sh("kill -9 $(ps -o pid,args | grep '[s]leep 81000' | sed 's/^ *//' | cut -d' ' -f1)");
  assert.equal((await a.exited()).exitCode, 137);
  assert.equal(await b.sh('echo alive'), 'alive\n');
  await shared.remove();
});

test('the host: its network is refused with words, its pid and ipc namespaces mean those of the pod', {
  skip: !runtime.isVm && 'it is about the VM',
}, async () => {
  const withHost = (options: object) =>
    host.pod({ hostname: '', linux: { securityContext: { namespaceOptions: options } } });
  await assert.rejects(withHost({ network: 'NODE' }), /host's network/);
  const all = { pid: 'NODE' as NamespaceMode, ipc: 'NODE' as NamespaceMode };
  const open = await withHost(all);
  const security = { namespaceOptions: all };
  const a = await open.run({ command: ['sleep', '91000'], security });
  const b = await open.run({ command: ['sleep', '92000'], security });
  const processes = await a.sh('ps -o args');
  assert.match(processes, /sleep 91000/);
  assert.match(processes, /sleep 92000/);
  assert.doesNotMatch(processes, /bulkhead-agent|containerd/, 'neither the guest nor the host is seen');
  await a.sh('echo shared > /dev/shm/host-ipc');
  assert.equal(await b.sh('cat /dev/shm/host-ipc'), 'shared\n');
  await open.remove();
});

test('nothing stays', async () => {
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id, one.id, two.id]);
});
