import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { checkHost } from './check.ts';
import { checkCgroups, checkKernel } from './check-host.ts';
import { isSupportedContainerd } from './check-manager.ts';
import { parseVersion } from './check-vm.ts';
import { formatFindings } from './finding.ts';

let dir = '';
before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'check-test-'));
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

async function check(toml: string) {
  const file = path.join(dir, 'config.toml');
  fs.writeFileSync(file, toml);
  const findings = await checkHost(file);
  return new Map(findings.map((one) => [one.name, one]));
}

test('every question is answered, and whatever is not ok has a fix', async () => {
  const found = await check('');
  assert.deepEqual(
    [...found.keys()].filter((name) => name !== 'CRI-O'),
    [
      'configuration',
      'host kernel',
      'accelerator',
      'hypervisor',
      'file system daemon',
      'guest kernel',
      'guest image',
      'mkfs.ext4',
      'memory',
      'host tools',
      'network device',
      'vsock',
      'cgroups',
      'state folder',
      'node',
      'containerd',
      'shim',
    ],
  );
  for (const one of found.values()) assert.ok(one.status === 'ok' || one.fix, one.name);
});

test('missing and broken parts are found, each with path and fix', async () => {
  const junk = path.join(dir, 'junk');
  fs.writeFileSync(junk, 'x'.repeat(4096));
  const empty = path.join(dir, 'empty');
  fs.writeFileSync(empty, '');
  const found = await check(
    `[vm]\npath = "${dir}/none"\nkernel = "${junk}"\nimage = "${empty}"\ndefault_memory_mib = 1048576`,
  );
  const expected: [string, RegExp][] = [
    ['hypervisor', /none does not exist/],
    ['guest kernel', /neither an ELF file nor a bzImage/],
    ['guest image', /is empty/],
    ['memory', /1048576 MiB/],
  ];
  for (const [name, text] of expected) {
    const one = found.get(name);
    assert.equal(one?.status, 'fail', name);
    assert.match(one?.text ?? '', text);
    assert.ok(one?.fix, name);
  }
  const wrongProgram = await check('[vm]\npath = "/bin/false"');
  assert.match(wrongProgram.get('hypervisor')?.text ?? '', /--version says: false \(GNU/);
});

test('a bad configuration fails, and the rest is still checked', async () => {
  const found = await check('[vm]\nkernell = "/x"');
  assert.equal(found.get('configuration')?.status, 'fail');
  assert.match(
    found.get('configuration')?.text ?? '',
    /config\.toml:2: vm\.kernell is not known; did you mean kernel\?/,
  );
  assert.ok(found.has('guest kernel'));
});

test('findings are printed with their fix and a summary', () => {
  const lines = formatFindings([
    { name: 'a', status: 'ok', text: 'good' },
    { name: 'long', status: 'fail', text: 'bad\u001b[0m', fix: 'do it' },
  ]);
  assert.deepEqual(lines, [
    'ok    a     good',
    'fail  long  bad?[0m',
    '            -> do it',
    '',
    'this host cannot run bulkhead: 1 failed, 0 to look at',
  ]);
  assert.deepEqual(
    formatFindings([{ name: 'a', status: 'ok', text: 'x' }]).at(-1),
    'this host can run bulkhead',
  );
});

test('versions', () => {
  assert.deepEqual(parseVersion('QEMU emulator version 7.2.22 (Debian 1:7.2)'), { text: '7.2.22', major: 7 });
  assert.equal(parseVersion('nothing'), undefined);
  assert.deepEqual(['1.5.9', '1.6.20', '2.1.0', '1.10.0'].map(isSupportedContainerd), [
    false,
    true,
    true,
    true,
  ]);
});

test('a kernel that is too old fails', () => {
  for (const release of ['5.12.0', '5.15.1-x', '6.1.0', '10.0'])
    assert.equal(checkKernel(release).status, 'ok', release);
  for (const release of ['5.11.22', '4.19.0-8-amd64'])
    assert.match(checkKernel(release).text, /older than 5\.12/);
});

test('cgroups: what no controller limits is named', () => {
  const v1 = (controllers: string) => ({ mountPoint: '/nonexistent', version: 1, controllers }) as const;
  assert.equal(checkCgroups([]).status, 'fail');
  assert.equal(checkCgroups([v1('memory'), v1('cpu,cpuacct'), v1('pids'), v1('devices')]).status, 'ok');
  const { status, text, fix } = checkCgroups([v1('memory'), v1('cpu,cpuacct'), v1('name=systemd')]);
  assert.deepEqual([status, fix !== undefined], ['warn', true]);
  assert.match(text, /^version 1 without pids, devices: VMs are not limited/);
  fs.writeFileSync(path.join(dir, 'cgroup.controllers'), 'cpuset cpu io memory pids\n');
  const v2 = { mountPoint: dir, version: 2, controllers: '' } as const;
  assert.deepEqual(checkCgroups([v2]), {
    name: 'cgroups',
    status: 'ok',
    text: 'version 2, with memory, cpu, pids, devices',
  });
});
