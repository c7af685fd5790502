// `bulkhead gc` on its own state root; test/integration/gc.test.ts has real shims.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { hierarchies, makeCgroup, removeCgroups } from '../../scripts/stand/cgroups.ts';
import { processRef } from '../host/process.ts';
import { type Collected, formatCollected } from './gc.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gc-test-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function gc(...args: string[]): ReturnType<typeof spawnSync> {
  const main = join(import.meta.dirname, 'main.ts');
  const env = { ...process.env, BULKHEAD_STATE: root };
  return spawnSync(process.execPath, [main, 'gc', ...args], { encoding: 'utf8', env, timeout: 60_000 });
}

const rows = (stdout: unknown): Collected[] =>
  (JSON.parse(String(stdout)) as Collected[]).filter(({ kind }) => kind === 'sandbox');

/** Makes a folder an hour old. */
function sandbox(id: string, record?: object): string {
  const dir = join(root, 'ns', id);
  mkdirSync(dir, { recursive: true });
  if (record !== undefined) writeFileSync(join(dir, 'state.json'), JSON.stringify(record));
  const old = new Date(Date.now() - 3_600_000);
  utimesSync(dir, old, old);
  return dir;
}

const record = (id: string, shim: unknown) => {
  const common = { version: 1, namespace: 'ns', createdAt: '', bundle: '/b', socket: join(root, 'socket') };
  return { ...common, id, shim, processes: [] };
};

test('what cannot be removed is reported with the reason and exit status 1; the rest is removed', () => {
  const dead = { pid: 4_000_000, startTime: '1' };
  sandbox('lives', record('lives', processRef(process.pid)));
  sandbox('dead', record('dead', dead));
  const full = sandbox('full', record('full', dead));
  mkdirSync(join(full, 'foreign/a/b/c'), { recursive: true });

  const dry = gc('--dry-run', '--json');
  assert.equal(dry.status, 0, String(dry.stderr));
  const names = rows(dry.stdout).map(({ name, result }) => [name, result]);
  assert.deepEqual(names, [
    ['ns/dead', 'would be removed'],
    ['ns/full', 'would be removed'],
  ]);

  const first = gc('--json');
  assert.equal(first.status, 1, String(first.stderr));
  const [removed, stands] = rows(first.stdout);
  assert.equal(removed?.result, 'removed');
  assert.equal(stands?.result, 'stands');
  assert.match(stands?.reason ?? '', /sandbox ns\/full is not gone: .*not empty/);

  rmSync(join(full, 'foreign'), { recursive: true });
  const last = gc('--json');
  assert.equal(last.status, 0, String(last.stdout));
  assert.deepEqual(
    rows(last.stdout).map(({ name }) => name),
    ['ns/full'],
  );
});

test('a parent cgroup that was created for sandboxes is removed when it is empty', () => {
  const parent = `/bh-gc-${process.pid}`;
  const claim = `
    const { claimParents } = await import('${import.meta.dirname}/../sandbox/cgroup-parents.ts');
    claimParents('${parent}/group');`;
  const env = { ...process.env, BULKHEAD_STATE: root };
  assert.equal(spawnSync(process.execPath, ['--input-type=module', '-e', claim], { env }).status, 0);
  makeCgroup(`${parent}/foreign`);
  const parentRow = () => {
    const { status, stdout } = gc('--json');
    const row = (JSON.parse(String(stdout)) as Collected[]).find(({ name }) => name === parent);
    return [status, row?.result];
  };
  try {
    assert.deepEqual(parentRow(), [0, 'left alone']);
    removeCgroups(`${parent}/foreign`);
    assert.deepEqual(parentRow(), [0, 'removed']);
    assert.ok(hierarchies().every((point) => !existsSync(join(point, parent))));
    assert.deepEqual(parentRow(), [0, undefined]);
  } finally {
    removeCgroups(parent);
  }
});

test('--dry-run belongs to gc', () => {
  const main = join(import.meta.dirname, 'main.ts');
  const result = spawnSync(process.execPath, [main, 'ps', '--dry-run'], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(result.status, 2);
  assert.match(result.stderr, /--dry-run belongs to gc/);
});

test('the table', () => {
  assert.deepEqual(formatCollected([]), ['nothing is left of dead shims']);
  const one = { kind: 'user', name: '7', what: 'claimed', result: 'stands', reason: 'EIO' } as const;
  assert.deepEqual(formatCollected([one]), ['KIND  NAME  RESULT  WHAT', 'user  7     stands  claimed: EIO']);
});
