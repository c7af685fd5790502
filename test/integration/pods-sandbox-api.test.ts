// Pods through the sandbox API of containerd 2 (`sandboxer = "shim"`): no pause image, the shim makes the pod.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { sandboxApiHandler } from '../support/cri-config.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { PodHost } from '../support/pod.ts';

const skip = !runtime.isVm && 'runc has no sandbox API';
let host: PodHost;
let clean: Belongings;
before(async () => {
  if (skip) return;
  host = await PodHost.start({ flavour: 'sid' });
  clean = belongings(host.daemon);
});
after(() => host?.stop());

test('a pod: ready, its files, shared memory and namespaces, statistics, end', {
  skip,
  timeout: 120_000,
}, async () => {
  const pod = await host.pod({
    handler: sandboxApiHandler,
    hostname: 'apipod',
    dnsConfig: { servers: ['10.1.2.3'], searches: ['a.example', 'b.example'], options: ['ndots:5'] },
    linux: { sysctls: { 'net.ipv4.ip_forward': '1' } },
  });
  const status = await pod.status();
  assert.equal(status.state, 'SANDBOX_READY');
  assert.match(status.network?.ip ?? '', /^10\.88\./);
  const [a, b] = await Promise.all([pod.run(), pod.run()]);
  assert.equal(await a.sh('hostname; cat /proc/sys/net/ipv4/ip_forward'), 'apipod\n1\n');
  assert.equal(
    await a.sh('cat /etc/resolv.conf'),
    'search a.example b.example\nnameserver 10.1.2.3\noptions ndots:5\n',
  );
  assert.match(await a.sh('cat /etc/hosts'), /localhost/);
  await a.sh('echo shared > /dev/shm/file');
  assert.equal(
    await b.sh('cat /dev/shm/file; df -k /dev/shm | tail -n 1 | awk "{ print \\$2 }"'),
    'shared\n65536\n',
  );
  const { stats } = await host.cri.call('ContainerStats', { containerId: a.id });
  assert.ok(Number(stats.memory?.workingSetBytes.value) > 0);
  await pod.remove();
  await assertNothingNew(host.daemon, clean);
});

test('one pid namespace, with the stand-in as 1, that collects orphans', {
  skip,
  timeout: 120_000,
}, async () => {
  const pod = await host.pod({
    handler: sandboxApiHandler,
    linux: { securityContext: { namespaceOptions: { pid: 'POD' } } },
  });
  const box = await pod.run({ security: { namespaceOptions: { pid: 'POD' } } });
  assert.match(await box.sh('cat /proc/1/cmdline'), /pause/);
  await box.sh('(sh -c "sleep 0.2" &) ; true');
  await waitFor(
    'end of the orphan',
    async () => !/\bZ\b|sleep 0/.test(await box.sh('ps -o stat,args')),
    10_000,
    200,
  );
  await pod.remove();
  await assertNothingNew(host.daemon, clean);
});

test('a user namespace', { skip, timeout: 120_000 }, async () => {
  const ids = [{ hostId: 200_000, containerId: 0, length: 65_536 }];
  const namespaceOptions = {
    pid: 'CONTAINER',
    usernsOptions: { mode: 'POD', uids: ids, gids: ids },
  } as const;
  const pod = await host.pod({
    handler: sandboxApiHandler,
    linux: { securityContext: { namespaceOptions } },
  });
  const box = await pod.run({ security: { namespaceOptions } });
  assert.match(await box.sh('id -u; cat /proc/self/uid_map'), /^0\n\s+0\s+200000\s+65536\n$/);
  assert.match(await box.sh('touch /root/x; stat -c %u /root/x /etc/hosts; echo a > /dev/shm/a'), /^0\n/);
  await pod.remove();
  await assertNothingNew(host.daemon, clean);
});

test('containerd restarts: the pod is found again; its VM dies: it is not ready', {
  skip,
  timeout: 120_000,
}, async () => {
  const pod = await host.pod({ handler: sandboxApiHandler });
  const box = await pod.run();
  await host.daemon.kill('SIGKILL');
  await host.daemon.launch();
  await host.waitReady();
  assert.equal((await pod.status()).state, 'SANDBOX_READY');
  assert.equal(await box.sh('echo still here'), 'still here\n');
  const vmm = host.daemon.processes().find(({ command }) => /^\S*qemu-system/.test(command));
  process.kill(vmm!.pid, 'SIGKILL');
  assert.equal((await box.exited()).exitCode, 137);
  await waitFor('pod not ready', async () => (await pod.status()).state === 'SANDBOX_NOTREADY', 10_000, 100);
  await pod.remove();
  await assertNothingNew(host.daemon, clean);
});

test('a pod that cannot be made is an error with words, and leaves nothing', {
  skip,
  timeout: 60_000,
}, async () => {
  const making = host.pod({ handler: sandboxApiHandler, linux: { sysctls: { 'kernel.nonsense': '1' } } });
  await assert.rejects(making, /kernel.nonsense/);
  await assertNothingNew(host.daemon, clean);
});
