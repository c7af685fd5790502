// Starts that cannot work: each gives an error that says what, where and what to do, and leaves nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { within } from '../../scripts/stand/wait.ts';
import { filesProgram } from '../../src/config/locate.ts';
import { VmError, type VmSpec, type VmStage } from '../../src/vm/hypervisor.ts';
import { used } from '../support/stands.ts';
import { createStand } from '../support/vm-fixture.ts';

const stand = await used(createStand(), (it) => it.close());

/** A program of the body of a C main function: scripts have no interpreter where they would run. */
function program(name: string, body: string): string {
  const path = join(stand.dir, name);
  const source = `#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\nint main(int argc, char **argv) {${body}}`;
  execFileSync('cc', ['-static', '-x', 'c', '-o', path, '-'], { input: source });
  return path;
}

async function fails(change: Partial<VmSpec>, stage: VmStage, pattern: RegExp): Promise<void> {
  await assert.rejects(stand.start(change), (error: unknown) => {
    assert.ok(error instanceof VmError, String(error));
    assert.match(error.message, pattern);
    assert.equal(error.stage, stage);
    return true;
  });
  await stand.assertEmpty();
}

const limit = { timeout: 60_000 };
const shared = (path: string) => ({ dir: stand.sharedDir, program: path, mostFiles: 16_384 });

test('missing parts are found before anything starts', limit, async () => {
  await fails({ hypervisorPath: '/no/qemu' }, 'check', /\/no\/qemu does not exist.*vm\.path/);
  await fails({ shared: shared('/no/files') }, 'check', /\/no\/files does not exist.*make build/);
  await fails({ kernel: '/no/kernel' }, 'check', /\/no\/kernel does not exist.*vm\.kernel/);
  await fails({ image: '/no/image' }, 'check', /\/no\/image does not exist.*vm\.image/);
});

test('a kernel that only looks like one', limit, async () => {
  const kernel = join(stand.dir, 'fake-kernel');
  writeFileSync(kernel, Buffer.concat([Buffer.from([0x7f]), Buffer.from('ELF'), Buffer.alloc(8192, 1)]));
  await fails({ kernel }, 'vmm', /the VMM exited with code 1: [\s\S]*(kernel|elf)/i);
});

test('QEMU that ends at once, or says nothing sensible', limit, async () => {
  const ends = program('ends', 'fputs("no room\\n", stderr); return 3;');
  await fails({ hypervisorPath: ends }, 'vmm', /code 3[\s\S]*no room/);
  const babbles = program('babbles', 'write(3, "hello\\n", 6); sleep(100);');
  await fails({ hypervisorPath: babbles }, 'vmm', /did not come up: [\s\S]*not JSON/);
});

test('a file system daemon that ends at once, or finds no folder', limit, async () => {
  const ends = program('files-ends', 'fputs("no folder\\n", stderr); return 1;');
  await fails({ shared: shared(ends) }, 'files', /bulkhead-files died with code 1: [\s\S]*no folder/);
  const file = join(stand.dir, 'a-file');
  writeFileSync(file, '');
  await fails({ shared: { ...shared(filesProgram()), dir: file } }, 'files', /Not a directory/);
});

test('a program of the wrong format', limit, async () => {
  const path = join(stand.dir, 'wrong-format');
  writeFileSync(path, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 2, 3]), { mode: 0o755 });
  await fails({ hypervisorPath: path }, 'vmm', /wrong-format/);
});

test("the VM's folder is gone", limit, async () => {
  await assert.rejects(stand.start({ dir: join(stand.dir, 'no', 'dir') }), {
    name: 'VmError',
    stage: 'check',
  });
  await stand.assertEmpty();
});

test('a control group without room for the VM', { timeout: 120_000 }, async () => {
  const names = ['memory.limit_in_bytes', 'memory.max'];
  const limits = stand.cgroup.folders.flatMap((folder) => names.map((name) => join(folder, name)));
  const limitFile = limits.find((path) => existsSync(path));
  assert.ok(limitFile, 'some hierarchy has the memory controller');
  writeFileSync(limitFile, String(40 * 1024 * 1024));
  const start = stand.start().then((vm) => vm.exited);
  const reason = await within(
    'end of the VM',
    60_000,
    start.then(
      (exit) => exit.reason,
      (error: Error) => error.message,
    ),
  );
  assert.match(reason, /its control group or the node ran out of memory/);
  await stand.assertEmpty();
});
