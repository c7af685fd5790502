import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { applyAnnotations, type Config, ConfigError, loadConfig } from './config.ts';
import { lineOf, parseConfig } from './parse.ts';
import { camelCase, KEYS, keyName } from './schema.ts';

let dir = '';
before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'config-test-'));
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

let count = 0;
function write(text: string): string {
  const file = path.join(dir, `config-${count++}.toml`);
  fs.writeFileSync(file, text);
  return file;
}

async function errorOf(text: string): Promise<ConfigError> {
  try {
    await loadConfig(write(text));
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
  return assert.fail('no error');
}

test('an empty file gives the defaults, frozen, with paths looked up', async () => {
  const config = await loadConfig(write(''));
  assert.equal(config.vm.accelerator, 'auto');
  assert.match(config.vm.path, /^\/.*qemu/);
  assert.match(config.vm.kernel, /\/share\/bulkhead\/vmlinux$/);
  assert.match(config.vm.image, /\/share\/bulkhead\/image$/);
  assert.equal(config.timeouts.bootMs, 60_000);
  assert.throws(() => {
    (config.vm as { kernel: string }).kernel = '/x';
  }, TypeError);
  assert.ok(Object.isFrozen(config.annotations.allow));
});

test('values are used as written', async () => {
  const config = await loadConfig(
    write(`vm.default_vcpus = 4
[shared_fs]
disk_empty_dir = "local"
[annotations]
allow = ["vm.kernel"]
[timeouts]
boot_ms = 1_000
`),
  );
  assert.equal(config.vm.defaultVcpus, 4);
  assert.deepEqual(config.sharedFs, { diskEmptyDir: 'local' });
  assert.deepEqual(config.annotations.allow, ['vm.kernel']);
  assert.equal(config.timeouts.bootMs, 1000);
});

test('errors name file, line, key, problem and a suggestion', async () => {
  const cases: [string, number | undefined, string | undefined, RegExp][] = [
    ['[vm]\n# x\ndefault_vcpu = 1', 3, 'vm.default_vcpu', /is not known; did you mean default_vcpus\?/],
    ['[vm]\nboot_ms = 1', 2, 'vm.boot_ms', /it belongs in \[timeouts\]/],
    ['\n[vms]\nx = 1', 2, 'vms', /did you mean \[vm\]\?/],
    ['level = "info"', 1, 'level', /it belongs in \[log\]/],
    ['[runtime]', 1, 'runtime', /known are vm, shared_fs, rootfs, annotations, log, timeouts/],
    ['[vm]\nzzzzzzzzzzzz = 1', 2, 'vm.zzzzzzzzzzzz', /\[vm\] has hypervisor, path/],
    ['vm = 3', 1, 'vm', /must be a table/],
    ['[vm]\ndefault_vcpus = "2"', 2, 'vm.default_vcpus', /whole number from 1 to 128, not "2"/],
    ['[vm]\ndefault_vcpus = 0', 2, 'vm.default_vcpus', /not 0/],
    ['[vm]\ndefault_vcpus = 1.5', 2, 'vm.default_vcpus', /not 1.5/],
    ['[vm]\nkernel = "vmlinux"', 2, 'vm.kernel', /absolute path, not "vmlinux"/],
    ['[vm]\nkernel = ["/x"]', 2, 'vm.kernel', /absolute path/],
    ['[log]\nlevel = "loud"', 2, 'log.level', /one of "trace", .*not "loud"/],
    ['[annotations]\nallow = "x"', 2, 'annotations.allow', /array of strings/],
    ['[annotations]\nallow = ["vm.path"]', 2, 'annotations.allow', /has "vm.path"; it may have vm.kernel/],
    ['[vm]\nkernel = "/x', 2, undefined, /is not valid TOML/],
    ['[vm]\nkernel = "/x"\nkernel = "/y"', 3, undefined, /is not valid TOML/],
    ['vm = { default_vcpus = 0 }', 1, 'vm.default_vcpus', /not 0/],
    ['vm.default_vcpus = 0', 1, 'vm.default_vcpus', /not 0/],
    ['[vm]\noverhead_vcpus = nan', 2, 'vm.overhead_vcpus', /number from 0/],
  ];
  for (const [text, line, key, message] of cases) {
    const error = await errorOf(text);
    assert.match(error.message, message, text);
    assert.deepEqual([error.line, error.key], [line, key], text);
    assert.ok(
      error.message.startsWith(`${error.file}${line === undefined ? '' : `:${line}`}: `),
      error.message,
    );
  }
});

test('a named file must be there and stands alone', async () => {
  await assert.rejects(loadConfig(path.join(dir, 'none.toml')), /none.toml: cannot be read: ENOENT/);
  process.env.BULKHEAD_CONFIG = write('[log]\nlevel = "warn"');
  try {
    assert.equal((await loadConfig()).log.level, 'warn');
    assert.equal((await loadConfig(write('[log]\nlevel = "error"'))).log.level, 'error');
  } finally {
    delete process.env.BULKHEAD_CONFIG;
  }
});

test('the shipped file documents every key with its default, and no other', async () => {
  const file = path.join(import.meta.dirname, '../../deploy/config.toml');
  const shipped = fs.readFileSync(file, 'utf8');
  assert.equal((await parseConfig(file, shipped)).size, 0);
  const enabled = shipped.replace(/^#(?=[a-z_]+ = )/gm, '');
  const values = await parseConfig(file, enabled);
  assert.deepEqual([...values.keys()], KEYS.map(keyName));
  for (const key of KEYS) assert.deepEqual(values.get(keyName(key)), key.fallback, keyName(key));
  // Each key, or each group of keys that stand together, has a comment above it.
  const lines = shipped.split('\n');
  for (const key of KEYS) {
    let index = lines.findIndex((line) => line.startsWith(`#${key.name} = `));
    while (/^#[a-z_]+ = /.test(lines[index] ?? '')) index--;
    assert.match(lines[index] ?? '', /^# /, keyName(key));
  }
});

test('the documentation has every key', () => {
  const text = fs.readFileSync(path.join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');
  const documented = [...text.matchAll(/^\| `([a-z_]+\.[a-z_]+)` \|/gm)].map((match) => match[1]);
  assert.deepEqual(documented, KEYS.map(keyName));
});

test('the schema has exactly the keys of Config', async () => {
  const config: Config = await loadConfig(write(''));
  const flat = Object.entries(config).flatMap(([table, keys]) =>
    Object.keys(keys).map((key) => `${table}.${key}`),
  );
  assert.deepEqual(
    flat,
    KEYS.map((key) => `${camelCase(key.table)}.${camelCase(key.name)}`),
  );
  assert.equal(typeof config.timeouts.stopMs, 'number');
});

test('annotations override what the allow-list names, and nothing else', async () => {
  const config = await loadConfig(
    write('[annotations]\nallow = ["vm.default_vcpus", "vm.kernel_params", "vm.kernel"]'),
  );
  const applied = applyAnnotations(config, {
    'io.bulkhead.vm.default_vcpus': '3',
    'io.bulkhead.vm.kernel_params': 'quiet',
    'io.bulkhead.vm.default_memory_mib': '4096',
    'io.bulkhead.vm.path': '/bin/sh',
    'io.bulkhead.nonsense': 'x',
    'io.kubernetes.cri.container-type': 'sandbox',
  });
  assert.equal(applied.config.vm.defaultVcpus, 3);
  assert.equal(applied.config.vm.kernelParams, 'quiet');
  assert.equal(applied.config.vm.defaultMemoryMib, config.vm.defaultMemoryMib);
  assert.equal(applied.config.vm.path, config.vm.path);
  assert.deepEqual(applied.ignored, [
    'io.bulkhead.vm.default_memory_mib',
    'io.bulkhead.vm.path',
    'io.bulkhead.nonsense',
  ]);
  assert.equal(config.vm.defaultVcpus, 1);
  assert.ok(Object.isFrozen(applied.config.vm));
  for (const bad of ['0', '-1', '1e3', ' 2', 'two', '']) {
    assert.throws(() => applyAnnotations(config, { 'io.bulkhead.vm.default_vcpus': bad }), ConfigError, bad);
  }
  assert.throws(
    () => applyAnnotations(config, { 'io.bulkhead.vm.kernel': 'relative' }),
    /vm.kernel must be an absolute path/,
  );
});

test('lines are found in the usual ways to write a key', () => {
  const text = '# [vm]\n[vm] # here\n\n  "kernel" = "/x"\n[shared_fs]\ndisk_empty_dir="share"\n';
  assert.equal(lineOf(text, 'vm', 'kernel'), 4);
  assert.equal(lineOf(text, 'shared_fs', 'disk_empty_dir'), 6);
  assert.equal(lineOf(text, 'shared_fs'), 5);
  assert.equal(lineOf(text, 'log', 'level'), undefined);
});
