// Bad input, each with a clear error through containerd and nothing left behind.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { describe } from '../../scripts/stand/command.ts';
import { Containerd, runArgs } from '../../scripts/stand/containerd.ts';
import { kvmWorks, runtime } from '../../scripts/stand/runtime.ts';
import { CtrContainer } from '../support/ctr.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';

const vmOnly = !runtime.isVm && 'a fault of the VM or of our configuration: nothing to test with runc';
let daemon: Containerd;
let clean: Belongings;
let dir: string;
let config: string;
before(async () => {
  dir = await mkdtemp('/tmp/bh-f-');
  config = join(dir, 'config.toml');
  await writeFile(config, '');
  await writeFile(join(dir, 'garbage'), Buffer.alloc(1 << 20, 'not a kernel, not an image '));
  daemon = await Containerd.start({ env: { BULKHEAD_CONFIG: config } });
  clean = belongings(daemon);
});
after(async () => {
  await daemon.stop();
  await rm(dir, { recursive: true, force: true });
});

let count = 0;
/** Runs a container that must fail with every pattern in the error text, within `limitMs`, leaving nothing. */
async function mustFail(
  patterns: readonly RegExp[],
  options: readonly string[] = [],
  command = ['true'],
  limitMs = 30_000,
): Promise<void> {
  const id = `bad${++count}`;
  const result = await daemon.ctr([...runArgs('--rm', ...options), id, ...command], { timeoutMs: limitMs });
  assert.notEqual(result.code, 0, describe(result));
  assert.ok(!result.timedOut, `no answer within ${limitMs} ms: ${describe(result)}`);
  for (const pattern of patterns) assert.match(result.stderr, pattern);
  await daemon.ctr(['container', 'delete', id]);
  await assertNothingNew(daemon, clean, [id]);
}

const configured = async (toml: string, patterns: readonly RegExp[], limitMs?: number): Promise<void> => {
  await writeFile(config, toml);
  try {
    await mustFail(patterns, [], ['true'], limitMs);
  } finally {
    await writeFile(config, '');
  }
};

const configFaults: Readonly<Record<string, { toml: string; patterns: RegExp[]; limitMs?: number }>> = {
  'QEMU missing': { toml: '[vm]\npath = "/no/such/qemu"', patterns: [/\/no\/such\/qemu/] },
  'kernel missing': { toml: '[vm]\nkernel = "/no/such/kernel"', patterns: [/\/no\/such\/kernel/] },
  'image missing': { toml: '[vm]\nimage = "/no/such/image"', patterns: [/\/no\/such\/image/] },
  'unknown key': { toml: '[vm]\nmemory = 5', patterns: [/config\.toml/, /memory/, /2/] },
  'unknown table': { toml: '[machine]\nx = 1', patterns: [/config\.toml/, /machine/] },
  'wrong type': {
    toml: '\n\n[vm]\ndefault_vcpus = "many"',
    patterns: [/config\.toml/, /default_vcpus/, /4/],
  },
  'broken TOML': { toml: '[vm\n', patterns: [/config\.toml/] },
  'out of memory for the VM': {
    toml: '[vm]\ndefault_memory_mib = 8000000',
    patterns: [/memory|default_memory_mib/i],
  },
  'boot timeout': {
    // A guest that waits for a disk, so that no machine is too fast for the limit.
    toml: '[vm]\nkernel_params = "root=/dev/none rootwait"\n[timeouts]\nboot_ms = 700',
    patterns: [/700 ?ms|boot/i, /console|guest/i],
  },
  'guest that finds no agent': {
    toml: '[vm]\nkernel_params = "init=/no/such/init rdinit=/no/such/init"\n[timeouts]\nboot_ms = 25000',
    patterns: [/panic|init|agent/i],
    limitMs: 60_000,
  },
};
for (const [name, { toml, patterns, limitMs }] of Object.entries(configFaults)) {
  test(name, { skip: vmOnly, timeout: 90_000 }, () => configured(toml, patterns, limitMs));
}

test('kernel garbage', { skip: vmOnly, timeout: 90_000 }, () =>
  configured(
    `[vm]\nkernel = "${join(dir, 'garbage')}"\n[timeouts]\nboot_ms = 10000`,
    [/garbage|kernel/],
    40_000,
  ),
);

test(
  'image garbage: the error carries the last lines of the console',
  { skip: vmOnly, timeout: 90_000 },
  () =>
    configured(
      `[vm]\nimage = "${join(dir, 'garbage')}"\n[timeouts]\nboot_ms = 20000`,
      [/panic|root|mount|VFS|garbage/i],
      60_000,
    ),
);

test('KVM asked for where there is none', { skip: vmOnly, timeout: 90_000 }, async () => {
  if (!kvmWorks()) await configured('[vm]\naccelerator = "kvm"', [/kvm/i]);
});

test('a mount whose source does not exist', { timeout: 60_000 }, () =>
  mustFail([/\/no\/such\/source/], ['--mount', 'type=bind,src=/no/such/source,dst=/x,options=rbind:ro']),
);

test('a command that is not in the image, by name and by path', { timeout: 90_000 }, async () => {
  await mustFail([/no-such-command/, /not found|no such file/i], [], ['no-such-command']);
  await mustFail([/\/no\/such\/command/, /not found|no such file/i], [], ['/no/such/command']);
});

test('a file that may not be executed', { timeout: 60_000 }, () =>
  mustFail([/permission denied/i], [], ['/etc/passwd']),
);

test('a working directory that is a file', { timeout: 60_000 }, () =>
  mustFail([/passwd|not a directory/i], ['--cwd', '/etc/passwd']),
);

test('an unknown user in an exec', { timeout: 60_000 }, async () => {
  const box = await CtrContainer.start(daemon, 'users', ['sleep', '1000']);
  const result = await box.exec(['true'], { flags: ['--user', 'ghost'] });
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /ghost|user/i);
  assert.equal((await box.exec(['true'])).code, 0);
  await box.remove();
  await assertNothingNew(daemon, clean, ['users']);
});

const environmentFaults: Readonly<Record<string, { env: NodeJS.ProcessEnv; patterns: RegExp[] }>> = {
  'state directory not writable': { env: { BULKHEAD_STATE: '/proc/no-such' }, patterns: [/\/proc\/no-such/] },
  'state directory is a file': { env: { BULKHEAD_STATE: '/etc/passwd/x' }, patterns: [/\/etc\/passwd/] },
  'socket path too long': {
    env: { BULKHEAD_SOCKET_DIR: `/tmp/${'long'.repeat(30)}` },
    patterns: [/socket/i, /long/],
  },
  'configuration file missing': {
    env: { BULKHEAD_CONFIG: '/no/such/config.toml' },
    patterns: [/\/no\/such\/config\.toml/],
  },
};
for (const [name, { env, patterns }] of Object.entries(environmentFaults)) {
  test(name, { skip: vmOnly, timeout: 60_000 }, async () => {
    await using other = await Containerd.start({ env });
    const before_ = belongings(other);
    const result = await other.ctr([...runArgs('--rm'), 'env', 'true'], { timeoutMs: 30_000 });
    assert.notEqual(result.code, 0, describe(result));
    for (const pattern of patterns) assert.match(result.stderr, pattern);
    await other.ctr(['container', 'delete', 'env']);
    await assertNothingNew(other, before_, ['env']);
  });
}

test('after all these a good container still runs', { timeout: 60_000 }, async () => {
  const result = await daemon.mustCtr([...runArgs('--rm'), 'good', 'sh', '-c', 'sleep 0.3; echo good']);
  assert.equal(result.stdout, 'good\n');
  await assertNothingNew(daemon, clean, ['good']);
});
