import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type ClassifiedMount,
  classifyMounts,
  type FileKind,
  type HostView,
  isReadOnly,
  type MountTableEntry,
} from './mounts.ts';
import type { Mount } from './spec.ts';

const volumes = '/var/lib/kubelet/pods/0f3a/volumes';
const emptyDir = `${volumes}/kubernetes.io~empty-dir`;

function entry(mountPoint: string, fileSystem: string, more: Partial<MountTableEntry> = {}): MountTableEntry {
  const [type = '', options = ''] = fileSystem.split(' ');
  const device = `0:${mountPoint.length}`;
  return {
    ...{ mountPoint, type, superOptions: options.split(','), device, root: '/', options: ['rw', 'relatime'] },
    ...more,
  };
}

interface Given {
  readonly file?: FileKind | undefined;
  readonly table?: readonly MountTableEntry[];
  readonly diskEmptyDir?: HostView['diskEmptyDir'];
  readonly content?: ReturnType<HostView['volumeContent']>;
}

function view({ file = 'dir', table = [], diskEmptyDir = 'share', content = 'empty' }: Given): HostView {
  return {
    diskEmptyDir,
    volumeContent: () => content,
    fileKind: () => file,
    mountTable: [entry('/', 'ext4 rw'), ...table],
  };
}

function classify(mount: Partial<Mount>, given: Given = {}): ClassifiedMount {
  const [found] = classifyMounts([{ destination: '/x', ...mount }], view(given));
  assert.ok(found && found.reason !== '');
  return found;
}

function bind(source: string, destination = '/x', options: readonly string[] = ['rbind']): Mount {
  return { destination, source, type: 'bind', options };
}

/** The rows of the table in docs/mounts.md, cells without their quotes. */
function documented(): string[][] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/mounts.md'), 'utf8');
  const section = text.split('## Truth table')[1]!.split('\n## ')[0]!;
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').replace(/^ V\//, ` ${volumes}/`).trim()),
  );
}

for (const [
  type = '',
  source = '',
  destination = '',
  options = '',
  file = '',
  on = '',
  expected,
] of documented()) {
  test(`docs/mounts.md: ${type} ${source} on ${destination} ${options}, ${file || 'nothing'}, ${on || 'no mount'}`, () => {
    const given = options.split(',').filter((option) => option !== '');
    const mount = { type, source, destination, options: given.length > 0 ? given : ['rbind'] };
    if (type !== 'bind' && given.length === 0) mount.options = [];
    const table = on === '' ? [] : [entry(source.replace(/\/$/, ''), on)];
    const host: HostView = {
      ...view({ table }),
      fileKind: () => (file === '' ? undefined : (file as FileKind)),
    };
    const [found] = classifyMounts([mount], host);
    const { kind, sizeBytes, pageSizeBytes, readOnly } = found!;
    const actual = [kind, sizeBytes, pageSizeBytes].filter((part) => part !== undefined).join(' ');
    assert.equal(readOnly && kind !== 'guest' ? `${actual} read-only` : actual, expected);
  });
}

test('the documented table has rows', () => assert.ok(documented().length >= 40));

test('the mounts below a read-only folder', () => {
  const table = [
    entry('/data/b/c', 'tmpfs', { options: ['ro'] }),
    entry('/data/b', 'tmpfs'),
    entry('/database', 'tmpfs'),
  ];
  const below = [
    { path: 'b', readOnly: false },
    { path: 'b/c', readOnly: true },
  ];
  assert.deepEqual(classify(bind('/data', '/x', ['rbind', 'ro']), { table }).submounts, below);
  assert.deepEqual(classify(bind('/data', '/x', ['rbind', 'rro']), { table }).submounts, below);
  assert.equal(classify(bind('/data', '/x', ['bind', 'ro']), { table }).submounts, undefined);
  assert.equal(classify(bind('/data', '/x', ['rbind']), { table }).submounts, undefined);
  const many = Array.from({ length: 65 }, (_, n) => entry(`/data/${n}`, 'tmpfs'));
  const root = classify(bind('/data', '/x', ['rbind', 'ro']), { table: many });
  assert.equal(root.submounts, undefined);
  assert.match(root.reason, /65 mounts/);
});

test('a mount that covers another counts', () => {
  const table = [entry(`${emptyDir}/v`, 'ext4 rw'), entry(`${emptyDir}/v`, 'tmpfs size=4k')];
  assert.equal(classify(bind(`${emptyDir}/v`), { table }).kind, 'ephemeral');
});

test('an emptyDir on disk, in the guest by configuration', () => {
  assert.equal(classify(bind(`${emptyDir}/v`), { diskEmptyDir: 'local' }).kind, 'local');
});

test("a subPath of a memory-backed emptyDir is found by the device of the kubelet's bind", () => {
  const path = '/var/lib/kubelet/pods/0f3a/volume-subpaths/v/c/0';
  const device = '0:77';
  const table = [
    entry(`${emptyDir}/v`, 'tmpfs size=4k', { device }),
    entry(path, 'tmpfs size=4k', { device, root: '/in/ner' }),
  ];
  const found = classify(bind(path), { table });
  assert.equal(found.kind, 'ephemeral');
  assert.deepEqual(found.volume, { path: `${emptyDir}/v`, subPath: 'in/ner' });
  const direct = classify(bind(`${emptyDir}/v/in`), { table });
  assert.deepEqual([direct.kind, direct.volume?.subPath], ['ephemeral', 'in']);
  const stranger = [entry(path, 'tmpfs size=4k', { device, root: '/in/ner' })];
  assert.equal(classify(bind(path), { table: stranger }).kind, 'dir-bind', 'a tmpfs of someone else');
});

test('the flags of a tmpfs are kept', () => {
  const options = ['rw', 'nosuid', 'nodev', 'noexec', 'relatime'];
  const table = [entry('/run/s/shm', 'tmpfs size=4k', { options })];
  const { kind, flags } = classify(bind('/run/s/shm', '/dev/shm'), { table });
  assert.deepEqual([kind, flags], ['shm', ['nosuid', 'nodev', 'noexec']]);
});

test('order, position and read-only', () => {
  const mounts: Mount[] = [
    bind('/data'),
    bind('/data', '/x', ['rbind', 'ro']),
    { destination: '/p', type: 'proc' },
  ];
  const found = classifyMounts(mounts, view({}));
  assert.deepEqual(
    found.map(({ index, readOnly }) => [index, readOnly]),
    [
      [0, false],
      [1, true],
      [2, false],
    ],
  );
});

test('a refusal names the place and the reason', () => {
  const host: HostView = { ...view({}), fileKind: () => undefined };
  const [found] = classifyMounts([bind('/nowhere', '/data')], host);
  assert.equal(found?.reason, 'mount at /data: its source /nowhere does not exist on the host');
});

test('isReadOnly: the last word counts', () => {
  assert.equal(isReadOnly(['ro', 'rw']), false);
  assert.equal(isReadOnly(['rw', 'rbind', 'rro']), true);
  assert.equal(isReadOnly([]), false);
});
