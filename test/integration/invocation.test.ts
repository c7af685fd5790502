// How containerd calls the shim binary: start, delete, -v, -info; what goes to which descriptor, and what stays behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { connect, createClient } from 'ttrpc-ts';
import { describe, run } from '../../scripts/stand/command.ts';
import { isRunning, openFiles } from '../../scripts/stand/processes.ts';
import { runtime, shimPath } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { RuntimeInfo } from '../../src/gen/runtimeinfo.ts';
import { DeleteResponse, TaskV2 } from '../../src/gen/task.ts';
import { assertNothingNew, conventionalSocket } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const { fake, clean } = await useFakeContainerd();

const spec = (id: string): ReturnType<typeof containerSpec> =>
  containerSpec(['true'], `/${fake.namespace}/${id}`);

test('start prints the bare address and nothing else; the socket listens; `address` is written', async () => {
  const id = 'bare';
  const bundle = await fake.bundle(id, spec(id));
  const result = await fake.invoke(id, 'start', [], { cwd: bundle });
  assert.equal(result.code, 0, describe(result));
  assert.match(result.stdout, /^unix:\/\/\/[^\s]+\n?$/);
  if (runtime.isVm) assert.equal(result.stderr, '', 'stderr is part of the address in containerd');
  const address = result.stdout.trim();
  const path = address.slice('unix://'.length);
  assert.equal(await readFile(join(bundle, 'address'), 'utf8'), address);
  assert.equal(path, conventionalSocket(fake.address, fake.namespace, id));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const connection = await connect({ path });
  const { shimPid } = await createClient(TaskV2, connection).connect({ id });
  connection.close();
  for (const [fd, target] of openFiles(shimPid)) {
    if (fd === 1) assert.doesNotMatch(target, /^pipe:/, `descriptor ${fd} of the shim is a pipe: ${target}`);
  }
  await remove(id, bundle, path, shimPid);
});

test('start returns although its caller keeps reading until EOF: nobody else holds the pipe', async () => {
  const id = 'eof';
  const bundle = await fake.bundle(id, spec(id));
  // stdout and stderr are one pipe, as containerd has it.
  const script = 'exec "$@" 2>&1';
  const argv = [
    '-namespace',
    fake.namespace,
    '-address',
    fake.address,
    '-publish-binary',
    '/usr/bin/containerd',
    '-id',
    id,
  ];
  const words = ['-c', script, 'sh', shimPath(), ...argv, 'start'];
  const result = await run('sh', words, {
    cwd: bundle,
    timeoutMs: 15_000,
    env: { ...process.env, TTRPC_ADDRESS: '' },
  });
  assert.equal(result.code, 0, describe(result));
  assert.match(result.stdout, /^unix:\/\/[^\n]+\n?$/);
  const path = result.stdout.trim().slice('unix://'.length);
  const connection = await connect({ path });
  const { shimPid } = await createClient(TaskV2, connection).connect({ id });
  connection.close();
  await remove(id, bundle, path, shimPid);
});

test('start twice for one id gives the same shim, or an error; never a second server', async () => {
  const id = 'twice';
  const bundle = await fake.bundle(id, spec(id));
  const first = await fake.invoke(id, 'start', [], { cwd: bundle });
  const second = await fake.invoke(id, 'start', [], { cwd: bundle });
  assert.equal(first.code, 0, describe(first));
  const path = first.stdout.trim().slice('unix://'.length);
  if (second.code === 0) assert.equal(second.stdout.trim(), first.stdout.trim());
  const connection = await connect({ path });
  const { shimPid } = await createClient(TaskV2, connection).connect({ id });
  connection.close();
  const servers = fake.processes().filter(({ command }) => command.includes(`-id ${id}`));
  assert.equal(servers.length, 1, servers.map(({ command }) => command).join('\n'));
  await remove(id, bundle, path, shimPid);
});

test('delete prints only the protobuf, exits 0 within 5 s, and again, and for an id that never was', {
  skip: !runtime.isVm && 'runc wants a file `runtime` in the bundle, written by its own Create',
}, async () => {
  const id = 'gone';
  const bundle = await fake.bundle(id, spec(id));
  for (const round of [1, 2]) {
    const result = await fake.invoke(id, 'delete', ['-bundle', bundle], { cwd: bundle, timeoutMs: 5_000 });
    assert.equal(result.code, 0, `round ${round}: ${describe(result)}`);
    const answer = DeleteResponse.decode(result.stdoutBytes);
    assert.equal(answer.exitStatus, 137);
    assert.ok(Math.abs(Number(answer.exitedAt?.seconds) - Date.now() / 1000) < 60);
  }
  await rm(bundle, { recursive: true });
});

test('delete after kill -9 of the shim removes all of a running container', {
  timeout: 120_000,
}, async () => {
  const id = 'killed';
  const shim = await fake.shim(id, containerSpec(['sleep', '1000'], `/${fake.namespace}/${id}`));
  await shim.run();
  process.kill(await shim.pid(), 'SIGKILL');
  const results = await Promise.all([shim.deleteBinary(), shim.deleteBinary()]);
  if (runtime.isVm) for (const result of results) assert.equal(result.code, 0, describe(result));
  assert.ok(
    results.some(
      ({ code, stdoutBytes }) => code === 0 && DeleteResponse.decode(stdoutBytes).exitStatus === 137,
    ),
    results.map(describe).join('\n'),
  );
  assert.ok(
    results.every(({ ms }) => ms < 5_000),
    `delete took ${results.map(({ ms }) => Math.round(ms))} ms`,
  );
  await shim.remove();
  await rm(conventionalSocket(fake.address, fake.namespace, id), { force: true }).catch(() => undefined);
  await assertNothingNew(fake, clean, [id]);
});

test('-v prints text and exits 0', async () => {
  const result = await run(shimPath(), ['-v'], { timeoutMs: 10_000 });
  assert.equal(result.code, 0, describe(result));
  assert.ok(result.stdout.includes(basename(shimPath())), result.stdout);
});

test("-info gives a RuntimeInfo with the runtime's name and features", {
  skip: !runtime.isVm && 'containerd 1.6 has no -info',
}, async () => {
  const result = await run(shimPath(), ['-info'], { timeoutMs: 10_000, input: '' });
  assert.equal(result.code, 0, describe(result));
  const info = RuntimeInfo.decode(result.stdoutBytes);
  assert.equal(info.name, runtime.name);
  assert.equal(info.features?.typeUrl, 'types.containerd.io/opencontainers/runtime-spec/1/features/Features');
  const { mountOptions } = JSON.parse(Buffer.from(info.features.value).toString()) as {
    mountOptions: string[];
  };
  assert.ok(mountOptions.includes('rro'));
});

test('start with a broken config.json fails with the file in its words, and leaves nothing', async () => {
  for (const [id, text] of [
    ['badspec', '{"ociVersion": '],
    ['array', '[]'],
  ] as const) {
    const bundle = await fake.bundle(id, text);
    const result = await fake.invoke(id, 'start', [], { cwd: bundle, timeoutMs: 15_000 });
    if (runtime.isVm && id !== 'array') {
      assert.notEqual(result.code, 0, describe(result));
      assert.match(result.stdout + result.stderr, /config\.json/);
    }
    await fake.invoke(id, 'delete', ['-bundle', bundle], { cwd: bundle });
    for (const { pid, command } of fake.processes())
      if (command.includes(`-id ${id}`)) process.kill(pid, 'SIGKILL');
    await rm(conventionalSocket(fake.address, fake.namespace, id), { force: true });
    await rm(bundle, { recursive: true });
  }
  await assertNothingNew(fake, clean, ['badspec', 'array']);
});

test('a stale socket of a dead shim does not hinder start', async () => {
  const id = 'stale';
  const path = conventionalSocket(fake.address, fake.namespace, id);
  await run('sh', ['-c', `mkdir -p "$(dirname ${path})"`]);
  await writeFile(path, '');
  await rm(path);
  await new Promise<void>((resolve, reject) => {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawn(process.execPath, ['-e', script])
      .once('close', () => resolve())
      .once('error', reject);
  });
  await assert.rejects(
    new Promise((resolve, reject) => connectSocket(path).once('connect', resolve).once('error', reject)),
    'nobody listens on the stale socket',
  );
  const bundle = await fake.bundle(id, spec(id));
  const result = await fake.invoke(id, 'start', [], { cwd: bundle });
  assert.equal(result.code, 0, describe(result));
  const connection = await connect({ path });
  const { shimPid } = await createClient(TaskV2, connection).connect({ id });
  connection.close();
  await remove(id, bundle, path, shimPid);
});

/** Shutdown and delete of a shim without task; nothing may stay. */
async function remove(id: string, bundle: string, path: string, shimPid: number): Promise<void> {
  const connection = await connect({ path });
  await createClient(TaskV2, connection)
    .shutdown({ id })
    .catch(() => undefined);
  connection.close();
  await waitFor('end of the shim', () => !isRunning(shimPid), 10_000);
  await fake.invoke(id, 'delete', ['-bundle', bundle], { cwd: bundle });
  await rm(bundle, { recursive: true });
  await assertNothingNew(fake, clean, [id]);
}
