// The state root and the removal of what a killed shim left, with real binds; each process resolves the root at its start.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { isWithin, readMountinfo } from '../host/mountinfo.ts';

let dir: string;
let data: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bulkhead-state-'));
  data = join(dir, 'data');
  for (const name of ['data', 'real', 'other']) mkdirSync(join(dir, name));
  writeFileSync(join(data, 'precious'), 'kept');
  symlinkSync(join(dir, 'real'), join(dir, 'link'));
});
afterEach(() => {
  for (const point of mounts().reverse()) spawnSync('umount', ['-l', point]);
  assert.equal(readFileSync(join(data, 'precious'), 'utf8'), 'kept');
  rmSync(dir, { recursive: true });
});

const mounts = () =>
  readMountinfo().flatMap(({ mountPoint }) => (isWithin(dir, mountPoint) ? [mountPoint] : []));

/** Runs lines of a module that knows the state, in a process of its own; gives what they print. */
function inProcess(state: string, lines: string): string {
  const modules = `
    const { SandboxState, stateRoot, sandboxDir, removeSandboxDir } = await import('${import.meta.dirname}/state.ts');
    const { reapSandbox } = await import('${import.meta.dirname}/reap.ts');
    const { Share } = await import('${import.meta.dirname}/volumes/share.ts');
    const record = { version: 1, namespace: 'n', id: 's', createdAt: '', bundle: '', socket: '${dir}/socket', shim: { pid: 1, startTime: '0' }, processes: [] };
    const data = '${data}';`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', modules + lines], {
    env: { ...process.env, BULKHEAD_STATE: state },
    encoding: 'utf8',
  });
}

/** A sandbox with a bind of the data, whose shim is killed. */
const abandoned = `
  const state = SandboxState.create(record);
  const share = await Share.create(state.dir, 's');
  const volume = (source, readOnly) => ({ source, readOnly, recursive: true, identity: '' });
  const rootfs = [{ type: 'bind', source: data, target: '', options: ['rbind'] }];
  share.reserve('s', new Map([[0, volume(data, 'no')], [1, volume(data + '/precious', 'top')]]));
  await share.addContainer('s', rootfs);
  console.log(state.dir);`;

test('a state root behind a link is where it leads to; what is not there yet is called as it is', () => {
  const at = (state: string) => inProcess(state, 'console.log(stateRoot());').trim();
  assert.equal(at(join(dir, 'link')), join(dir, 'real'));
  assert.equal(at(join(dir, 'link/new/one')), join(dir, 'real/new/one'));
  assert.equal(at('/proc/no-such'), '/proc/no-such');
  assert.equal(at(''), '/run/bulkhead');
});

test('a link that is changed while the process runs leads it nowhere else', () => {
  const change = `
    const fs = await import('node:fs');
    const dir = SandboxState.create(record).dir;
    fs.unlinkSync('${dir}/link'); fs.symlinkSync('${dir}/other', '${dir}/link');
    console.log(dir === sandboxDir('n', 's'), dir);
    await removeSandboxDir(sandboxDir('n', 's'));`;
  assert.equal(inProcess(join(dir, 'link'), change).trim(), `true ${join(dir, 'real/n/s')}`);
  assert.equal(existsSync(join(dir, 'real/n')), false);
});

for (const way of ['link', 'real']) {
  test(`what a killed shim left goes, its binds first (root by ${way}), twice and by many`, () => {
    const made = inProcess(join(dir, way), abandoned).trim();
    assert.equal(made, join(dir, 'real/n/s'));
    assert.equal(mounts().length, 4);
    const reap =
      "await Promise.all([1, 2, 3].map(() => reapSandbox('n', 's'))); await reapSandbox('n', 's');";
    inProcess(join(dir, way), reap);
    assert.deepEqual(mounts(), []);
    assert.equal(existsSync(join(dir, 'real/n')), false);
  });
}

test("a sandbox's folder that is a link is not followed", () => {
  mkdirSync(join(dir, 'real/n'));
  symlinkSync(data, join(dir, 'real/n/s'));
  assert.throws(() => inProcess(join(dir, 'real'), "await reapSandbox('n', 's');"), /cannot remove/);
  unlinkSync(join(dir, 'real/n/s'));
});
