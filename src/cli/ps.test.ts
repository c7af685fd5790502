import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { processRef } from '../host/process.ts';
import { formatSandboxes, listSandboxes } from './ps.ts';
import { formatAge, formatTable } from './table.ts';

let root = '';
before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'ps-test-'));
});
after(() => fs.rmSync(root, { recursive: true, force: true }));

function write(namespace: string, id: string, content: unknown): void {
  const dir = path.join(root, namespace, id);
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(
    path.join(dir, 'state.json'),
    typeof content === 'string' ? content : JSON.stringify(content),
  );
}

test('sandboxes are listed with those of their processes that are alive', () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    const shim = processRef(process.pid);
    const qemu = processRef(child.pid ?? 0);
    assert.ok(shim !== undefined && qemu !== undefined);
    const common = {
      version: 1,
      createdAt: new Date(Date.now() - 95_000).toISOString(),
      bundle: '/b',
      socket: '/s',
    };
    const dead = { name: 'files', pid: qemu.pid, startTime: '1' };
    write('k8s.io', 'b', {
      ...common,
      namespace: 'k8s.io',
      id: 'b',
      shim,
      processes: [{ name: 'qemu', ...qemu }],
      vcpus: 2,
      memoryMib: 512,
    });
    write('k8s.io', 'a', { ...common, namespace: 'k8s.io', id: 'a', shim, processes: [dead] });
    write('default', 'new', { ...common, namespace: 'default', id: 'new', shim, processes: [] });
    write('default', 'torn', '{"version":1');
    const views = listSandboxes(root);
    assert.deepEqual(
      views.map((one) => [one.namespace, one.id, one.status]),
      [
        ['default', 'new', 'starting'],
        ['default', 'torn', 'broken'],
        ['k8s.io', 'a', 'broken'],
        ['k8s.io', 'b', 'running'],
      ],
    );
    assert.match(views[2]?.problem ?? '', /gone: files \(\d+\)/);
    assert.ok((views[3]?.processes[0]?.pssKib ?? 0) > 0);
    const text = formatSandboxes(views).join('\n');
    assert.match(text, /^k8s\.io +b +running +1m35s +2 +512M +shim \d+ [\d.]+M, qemu \d+ [\d.]+M$/m);
    assert.match(text, /files \d+ GONE/);
    assert.match(text, /state\.json is missing or unreadable/);
  } finally {
    child.kill();
  }
});

test('no state folder means no sandboxes', () => {
  assert.deepEqual(listSandboxes(path.join(root, 'none')), []);
});

test('tables are aligned and free of control characters; ages are short', () => {
  assert.deepEqual(
    formatTable(
      ['A', 'B'],
      [
        ['\u001b[2Jx', 'y'],
        ['1', ''],
      ],
    ),
    ['A      B', '?[2Jx  y', '1'],
  );
  assert.deepEqual([0, 59, 61, 3600, 90_061].map(formatAge), ['0s', '59s', '1m1s', '1h', '1d1h']);
});

test('the command: usage errors are status 2, output that nobody reads is not an error', () => {
  const main = path.join(import.meta.dirname, 'main.ts');
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [main, ...args], {
      encoding: 'utf8',
      env: { ...process.env, BULKHEAD_STATE: root },
      timeout: 30_000,
    });
  assert.equal(run('version').stdout.trim(), 'bulkhead 0.0.0-dev');
  assert.match(run().stdout, /bulkhead check/);
  assert.match(run('--help').stdout, /bulkhead ps/);
  for (const args of [['nonsense'], ['ps', 'more'], ['--nonsense'], ['ps', '--config', 'x']]) {
    const result = run(...args);
    assert.equal(result.status, 2, args.join(' '));
    assert.match(result.stderr, /^bulkhead: .*\ntry: bulkhead help\n$/s);
  }
  assert.equal(JSON.parse(run('ps', '--json').stdout).length, 4);
  const piped = spawnSync('sh', ['-c', '"$1" "$2" ps | true', 'sh', process.execPath, main], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(piped.stderr, '');
});
