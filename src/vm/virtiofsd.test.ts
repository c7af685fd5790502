import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VmError } from './hypervisor.ts';
import { flavourOfVersion, virtiofsdArgv, virtiofsdFlavour } from './virtiofsd.ts';

const C_VERSION = `virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)
Copyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers
using FUSE kernel interface version 7.36
`;

test('the two daemons are told apart by their version line', () => {
  assert.equal(flavourOfVersion(C_VERSION), 'qemu');
  assert.equal(flavourOfVersion('virtiofsd 1.13.2\n'), 'rust');
  assert.equal(flavourOfVersion('virtiofsd backend 1.8.0\n'), 'rust');
  assert.equal(flavourOfVersion('bash: no'), undefined);
});

test('a program elsewhere is asked, and anything else is an error that names the key', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bulkhead-vfsd-'));
  const program = (name: string, text: string) => {
    const path = join(dir, name);
    writeFileSync(path, `#!/bin/sh\ncat <<'END'\n${text}\nEND\n`, { mode: 0o755 });
    return path;
  };
  try {
    assert.equal(await virtiofsdFlavour(program('c', C_VERSION)), 'qemu');
    assert.equal(await virtiofsdFlavour(program('rust', 'virtiofsd 1.13.2')), 'rust');
    await assert.rejects(virtiofsdFlavour(program('other', 'hello')), (error: unknown) => {
      assert.ok(error instanceof VmError);
      assert.equal(error.stage, 'virtiofsd');
      assert.match(error.message, /does not look like virtiofsd; set shared_fs.daemon/);
      return true;
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the arguments fit the flavour, ours before the configured ones; both have the map of attributes', () => {
  const shared = { dir: '/run/a,b', daemonPath: '/d', cache: 'never', extraArgs: ['--extra'] } as const;
  const rust = virtiofsdArgv(shared, 'rust');
  assert.equal(rust[0], '/d');
  const own = ['--fd=0', '--shared-dir=/share', '--cache=never', '--announce-submounts', '--sandbox=chroot'];
  for (const arg of own) assert.ok(rust.includes(arg), arg);
  assert.ok(
    rust.some((a) => a.startsWith('--xattrmap=:') && a.includes(':prefix:client:trusted.:user.virtiofs.:')),
  );
  assert.equal(rust.at(-1), '--extra');
  const qemu = virtiofsdArgv(shared, 'qemu');
  assert.ok(qemu.includes('source=/share'));
  assert.ok(qemu.some((a) => a.startsWith('cache=none,sandbox=chroot,announce_submounts')));
  assert.ok(
    qemu.some((a) => a.startsWith('xattrmap=:') && a.includes(':prefix:client:trusted.:user.virtiofs.:')),
  );
  assert.equal(qemu.at(-1), '--extra');
  const auto = virtiofsdArgv({ ...shared, cache: 'auto' }, 'qemu');
  assert.ok(auto.some((a) => a.startsWith('cache=always,timeout=1,sandbox=chroot')));
});
