// Devices of a VM: disks that come and go, and the limit of ports.
import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { VmError } from '../../src/vm/hypervisor.ts';
import { used } from '../support/stands.ts';
import { awaitAgent, createStand } from '../support/vm-fixture.ts';

const stand = await used(createStand(), (it) => it.close());

function disk(serial: string) {
  const path = join(stand.dir, `${serial}.img`);
  writeFileSync(path, '');
  truncateSync(path, 1024 * 1024);
  return { serial, path, readOnly: false };
}

test('disks are added to a running guest, and the guest lets go of them', { timeout: 180_000 }, async () => {
  const vm = await stand.start();
  await awaitAgent(vm);
  const one = disk('one');
  await vm.devices.addDisk(one);
  await assert.rejects(vm.devices.addDisk(one), /there already/);
  await vm.devices.addDisk({ ...disk('two'), readOnly: true });
  await vm.devices.removeDisk('one');
  await vm.devices.removeDisk('one');
  await vm.devices.removeDisk('never-there');
  await vm.devices.addDisk(one);
  await assert.rejects(vm.devices.addDisk({ ...one, serial: 'x'.repeat(21) }), /bad disk serial/);
  await assert.rejects(
    vm.devices.addDisk({ ...one, serial: 'gone', path: '/no/disk' }),
    /\/no\/disk does not exist/,
  );
  await assert.rejects(
    vm.devices.addNic({ id: 'a', tap: 'no-such-tap-name', mac: 'xx' }),
    (error: VmError) => {
      assert.equal(error.stage, 'hot-plug');
      return true;
    },
  );
  const fill = async () => {
    for (let i = 0; i < 40; i++) await vm.devices.addDisk(disk(`more-${i}`));
  };
  await assert.rejects(fill(), /cannot add disk-more-\d\d: [\s\S]*no slot/);
  await vm.kill();
  await assert.rejects(vm.devices.addDisk(disk('late')), { name: 'VmError' });
  await stand.assertEmpty(vm.processes);
});
