import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  childEnv,
  isAlive,
  killRef,
  parseProcessStat,
  processRef,
  WRAP_FAILED,
  waitGone,
  wrapArgv,
} from './process.ts';

test('a stat line is parsed even when the command name holds brackets and spaces', () => {
  const fields = ['S', '7', ...Array.from({ length: 17 }, (_, i) => String(i)), '4711', '0'];
  const stat = parseProcessStat(`12 (a) b (c)) ${fields.join(' ')}`);
  assert.deepEqual(stat, { state: 'S', ppid: 7, startTime: '4711' });
  assert.equal(parseProcessStat(''), undefined);
  assert.equal(parseProcessStat('1 (x) S 1'), undefined);
});

test('a process is known by pid and start time, and gone after its end', async () => {
  const child = spawn('sleep', ['100']);
  const ref = processRef(child.pid ?? 0);
  assert.ok(ref && isAlive(ref));
  assert.equal(isAlive({ pid: ref.pid, startTime: '1' }), false);
  assert.equal(killRef({ pid: ref.pid, startTime: '1' }), false);
  assert.equal(await waitGone(ref, { timeoutMs: 20 }), false);
  assert.equal(killRef(ref), true);
  await once(child, 'exit');
  assert.equal(await waitGone(ref, { timeoutMs: 1000 }), true);
  assert.equal(killRef(ref), false);
  assert.equal(processRef(0), undefined);
  assert.equal(processRef(-1), undefined);
});

function run(argv: readonly string[]) {
  const [file = '', ...args] = argv;
  return spawnSync(file, args, { env: childEnv(), encoding: 'utf8', timeout: 10_000 });
}

test('the wrapper becomes the program, with its arguments as they are', () => {
  const result = run(wrapArgv(['printf', '%s|', 'a b', '$x', "it's", '--', '-n']));
  assert.equal(result.stdout, "a b|$x|it's|--|-n|");
  assert.equal(result.status, 0);
});

test('the wrapper writes itself into every cgroup file first, and fails when it cannot', () => {
  const dir = mkdtempSync(join(tmpdir(), 'bulkhead-wrap-'));
  try {
    const files = [join(dir, 'one'), join(dir, 'two 2')];
    for (const file of files) writeFileSync(file, '');
    assert.equal(run(wrapArgv(['true'], { procsFiles: files })).status, 0);
    for (const file of files) assert.equal(readFileSync(file, 'utf8'), '0\n');
    const failed = run(wrapArgv(['echo', 'ran'], { procsFiles: [join(dir, 'no', 'file')] }));
    assert.equal(failed.status, WRAP_FAILED);
    assert.equal(failed.stdout, '');
    assert.match(failed.stderr, /cannot join the cgroup/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the wrapper does not start the program for another parent', () => {
  const result = run(wrapArgv(['echo', 'ran'], { parentPid: 1 }));
  assert.equal(result.status, WRAP_FAILED);
  assert.equal(result.stdout, '');
});

test('the wrapper enters a network namespace', () => {
  const result = run(wrapArgv(['readlink', '/proc/self/ns/net'], { netnsPath: '/proc/self/ns/net' }));
  assert.match(result.stdout, /^net:\[\d+\]\n$/);
});

test('the wrapper makes a network namespace', () => {
  const show = ['sh', '-c', 'readlink /proc/self/ns/net; cat /proc/self/net/dev'];
  const result = run(wrapArgv(show, { newNetns: true }));
  const [name, ...devices] = result.stdout.split('\n');
  assert.match(name ?? '', /^net:\[\d+\]$/);
  assert.notEqual(name, readlinkSync('/proc/self/ns/net'));
  // Nothing of ours is in it: loopback, and whatever the kernel puts into every namespace.
  assert.ok(devices.some((line) => line.includes('lo:')));
  assert.ok(!devices.some((line) => line.includes('eth')));
});

test('the program dies with a parent that is killed', async () => {
  const script = `
    const { spawn } = require('node:child_process');
    const [file, ...args] = JSON.parse(process.argv[1]).map((a) => (a === 'PARENT' ? String(process.pid) : a));
    const child = spawn(file, args, { stdio: 'ignore' });
    setTimeout(() => console.log(child.pid), 300);`;
  const argv = wrapArgv(['sleep', '100']).map((a) => (a === String(process.pid) ? 'PARENT' : a));
  const parent = spawn(process.execPath, ['-e', script, JSON.stringify(argv)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const ref = processRef(Number(line.toString()));
  assert.ok(ref && isAlive(ref));
  assert.match(readFileSync(`/proc/${ref.pid}/cmdline`, 'latin1'), /^sleep/);
  parent.kill('SIGKILL');
  assert.equal(await waitGone(ref, { timeoutMs: 3000 }), true);
});

test('children see nothing of our environment but the path', () => {
  process.env.NODE_OPTIONS_TEST = 'x';
  assert.deepEqual(Object.keys(childEnv()).sort(), ['LC_ALL', 'PATH']);
});
