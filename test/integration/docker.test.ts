// Docker with VMs: dockerd of Debian 13 as it is, its client, and our runtime as its default.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { imageName } from '../../scripts/stand/image.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { Docker } from '../support/docker.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { Terminal } from '../support/pty.ts';

interface State {
  readonly Status: string;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly OOMKilled: boolean;
  readonly Health?: { readonly Status: string };
}

const started = await Docker.start().catch((error: Error) => error);
const skip = started instanceof Docker ? false : `NO DOCKER TO TEST WITH: ${started.message.slice(0, 600)}`;
const docker = started as Docker;
const OPTIONS = { skip, timeout: 300_000 };
after(async () => {
  if (skip === false) await docker.stop();
});

const ownKernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
let before: Belongings = new Set();
beforeEach(() => {
  if (skip === false) before = belongings(docker.containerd);
});

async function removed(...names: string[]): Promise<void> {
  if (names.length > 0) await docker.must(['rm', '--force', '--volumes', ...names]);
  await assertNothingNew(docker.containerd, before);
}

test('docker run: output of both streams, input, exit code, and nothing left', OPTIONS, async () => {
  const asked = ['--runtime', runtime.name, '--interactive'];
  const script = 'cat; uname -r; echo problem >&2; exit 7';
  const args = ['run', '--rm', ...asked, imageName, 'sh', '-c', script];
  const result = await docker.run(args, { input: 'from outside\n', timeoutMs: 90_000 });
  const [first, kernel] = result.stdout.split('\n');
  assert.deepEqual(
    [result.code, first, result.stderr],
    [7, 'from outside', 'problem\n'],
    JSON.stringify(result),
  );
  assert.equal(kernel !== ownKernel, runtime.isVm);
  await removed();
});

test('runtimes of daemon.json: the default, and one with settings', OPTIONS, async () => {
  const script = 'uname -r; grep MemTotal /proc/meminfo';
  const [usual, sized] = [
    await docker.once([], 'sh', '-c', script),
    await docker.once(['--runtime', 'sized'], 'sh', '-c', script),
  ];
  const [kernel = '', memory] = usual.stdout.split('\n');
  const total = (line = '') => Number(/\d+/.exec(line)?.[0]) >> 10;
  assert.equal(kernel !== ownKernel, runtime.isVm, usual.stderr);
  if (runtime.isVm) {
    assert.ok(total(memory) > 700 && total(memory) <= 1024, usual.stdout);
    assert.ok(total(sized.stdout.split('\n')[1]) > 1200, sized.stdout + sized.stderr);
  }
  await removed();
});

test('docker run --init, --read-only, a user, capabilities, ulimits, a hostname', OPTIONS, async () => {
  const options = [
    '--init',
    '--read-only',
    '--user',
    '1000:2000',
    '--cap-drop',
    'ALL',
    '--hostname',
    'named',
  ];
  const script =
    'cat /proc/1/comm; id -u; id -g; hostname; ulimit -n; grep CapBnd /proc/self/status; touch /x';
  const result = await docker.once([...options, '--ulimit', 'nofile=77:88'], 'sh', '-c', script);
  assert.match(result.stdout, /^docker-init\n1000\n2000\nnamed\n77\nCapBnd:\t0+\n$/);
  assert.match(result.stderr, /Read-only file system/);
  await removed();
});

test('docker run -it: a terminal of the right size, resized; docker exec -it', OPTIONS, async () => {
  const argv = docker.argv(['run', '--name', 'tty', '-it', imageName, 'sh']);
  const terminal = await Terminal.start(argv, docker.env, 31, 97);
  try {
    await terminal.expect(/# /, 60_000);
    terminal.type('stty size; tty\r');
    await terminal.expect(/31 97\r\n\/dev\/pts\/0/);
    await terminal.resize(40, 120);
    await waitFor('new size', async () => (await docker.sh('tty', 'stty size </dev/pts/0')) === '40 120');
    const exec = await Terminal.start(docker.argv(['exec', '-it', 'tty', 'sh']), docker.env, 20, 50);
    await exec.expect(/# /);
    exec.type('stty size; exit 5\r');
    await exec.expect(/20 50/);
    assert.equal(await exec.exited, 5);
    terminal.type('exit 6\r');
    assert.equal(await terminal.exited, 6);
  } finally {
    terminal.kill();
  }
  await removed('tty');
});

test('volumes: bound read-write and read-only, named, tmpfs; docker cp, diff, commit', OPTIONS, async () => {
  const dir = join(docker.containerd.dir, 'bound');
  mkdirSync(dir);
  const binds = ['-v', `${dir}:/rw`, '-v', `${dir}:/ro:ro`, '-v', 'kept:/named', '--tmpfs', '/tmp:size=4m'];
  await docker.detached('vol', binds);
  await docker.sh('vol', 'echo in >/rw/file; echo kept >/named/file; echo changed >/home/file');
  assert.equal(readFileSync(join(dir, 'file'), 'utf8'), 'in\n');
  writeFileSync(join(dir, 'file'), 'out\n');
  const seen = await docker.sh('vol', 'cat /ro/file; touch /ro/no 2>&1; df -m /tmp | tail -1');
  assert.match(seen, /^out\ntouch: .*Read-only file system\ntmpfs +4 /);
  const source = join(dir, 'file');
  await docker.must(['cp', source, 'vol:/home/copied']);
  assert.equal(await docker.sh('vol', 'cat /home/copied'), 'out');
  await docker.must(['cp', 'vol:/home/file', join(dir, 'back')]);
  assert.equal(readFileSync(join(dir, 'back'), 'utf8'), 'changed\n');
  assert.match(await docker.must(['diff', 'vol']), /^A \/home\/copied$/m);
  await docker.must(['commit', 'vol', 'bulkhead.test/committed']);
  await docker.must(['rm', '--force', 'vol']);
  const again = ['--rm', '-v', 'kept:/named', 'bulkhead.test/committed', 'cat', '/named/file', '/home/file'];
  assert.equal(await docker.must(['run', ...again], { timeoutMs: 60_000 }), 'kept\nchanged');
  await docker.must(['volume', 'rm', 'kept']);
  await docker.must(['rmi', 'bulkhead.test/committed']);
  await removed();
});

test('limits: memory and CPU, stats, update; out of memory is told', OPTIONS, async () => {
  await docker.detached('lim', ['--memory', '256m', '--cpus', '0.5', '--pids-limit', '50']);
  const limits = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max';
  assert.equal(await docker.sh('lim', limits), '268435456\n50000 100000\n50');
  const format = ['--format', '{{.MemUsage}} {{.PIDs}}'];
  assert.match(await docker.must(['stats', '--no-stream', ...format, 'lim']), /iB \/ 256MiB [1-9]/);
  await docker.must(['update', '--memory', '128m', '--memory-swap', '128m', '--cpus', '0.25', 'lim']);
  assert.equal(await docker.sh('lim', limits), '134217728\n25000 100000\n50');
  await docker.detached('oom', ['--memory', '64m'], 'tail', '/dev/zero');
  assert.equal(await docker.must(['wait', 'oom'], { timeoutMs: 90_000 }), '137');
  const { OOMKilled, ExitCode } = await docker.inspect<State>('oom', '.State');
  assert.deepEqual({ OOMKilled, ExitCode }, { OOMKilled: true, ExitCode: 137 });
  await removed('lim', 'oom');
});

test('life: logs, exec, pause, stop, start, restart, kill, health, restart policy', OPTIONS, async () => {
  const script = 'trap "echo asked; exit 3" TERM; echo up; while :; do sleep 0.2; done';
  const health = ['--health-cmd', 'test -e /tmp/fine', '--health-interval', '1s', '--health-retries', '1'];
  await docker.detached('life', health, 'sh', '-c', script);
  const state = () => docker.inspect<State>('life', '.State');
  const logged = (text: RegExp) =>
    waitFor(`${text} in the logs`, async () => text.test(await docker.must(['logs', 'life'])), 20_000, 100);
  const healthy = (wanted: string) =>
    waitFor(wanted, async () => (await state()).Health?.Status === wanted, 30_000, 200);
  await logged(/^up$/);
  assert.equal((await docker.run(['exec', 'life', 'sh', '-c', 'exit 9'])).code, 9);
  const as = ['--user', 'app', '--workdir', '/home', '--env', 'A=b'];
  assert.equal(
    await docker.must(['exec', ...as, 'life', 'sh', '-c', 'id -un; pwd; echo $A']),
    'app\n/home\nb',
  );
  await healthy('unhealthy');
  await docker.sh('life', 'touch /tmp/fine');
  await healthy('healthy');
  await docker.must(['pause', 'life']);
  assert.equal((await state()).Status, 'paused');
  await docker.must(['unpause', 'life']);
  await docker.must(['stop', 'life']);
  assert.equal((await state()).ExitCode, 3);
  await logged(/up\nasked$/);
  await docker.must(['start', 'life']);
  const first = (await state()).Pid;
  await logged(/asked\nup$/);
  await docker.must(['restart', 'life']);
  assert.notEqual((await state()).Pid, first);
  await docker.must(['kill', 'life']);
  assert.deepEqual([(await state()).Status, (await state()).ExitCode], ['exited', 137]);
  await docker.must(['update', '--restart', 'always', 'life']);
  await docker.must(['start', 'life']);
  const { Pid } = await state();
  process.kill(Pid, 'SIGKILL'); // the VM
  await waitFor('a new VM', async () => ![0, Pid].includes((await state()).Pid), 30_000, 100);
  await removed('life');
});

test('dockerd is killed and comes back: containers live on, with their output', OPTIONS, async () => {
  const script = 'i=0; while :; do echo line $i; i=$((i+1)); sleep 0.5; done';
  await docker.detached('stays', [], 'sh', '-c', script);
  const lines = async () => (await docker.must(['logs', 'stays'])).split('\n');
  await waitFor('lines', async () => (await lines()).length > 2, 20_000, 100);
  const { Pid } = await docker.inspect<State>('stays', '.State');
  await docker.kill();
  await docker.launch();
  const known = (await lines()).length;
  await waitFor('more lines', async () => (await lines()).length > known + 2, 30_000, 100);
  const all = await lines();
  const told = all.map((line) => Number(line.split(' ')[1]));
  assert.ok(
    told.every((number, index) => index === 0 || number > told[index - 1]!),
    all.join('\n'),
  );
  assert.equal((await docker.inspect<State>('stays', '.State')).Pid, Pid);
  assert.equal(await docker.sh('stays', 'echo still'), 'still');
  await docker.must(['stop', '--time', '0', 'stays']);
  assert.equal(existsSync(`/proc/${Pid}`), false);
  // dockerd itself is a new process.
  for (const line of belongings(docker.containerd)) if (/dockerd/.test(line)) before.add(line);
  await removed('stays');
});
