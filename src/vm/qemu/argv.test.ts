import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmSpec } from '../hypervisor.ts';
import { HOT_PLUG_BUS, kernelCommandLine, qemuArgv } from './argv.ts';

const spec: VmSpec = {
  id: 'pod/1,x',
  dir: '/run/x/vm',
  vcpus: 2,
  memoryMib: 512,
  uid: 2_000_000_001,
  kernel: '/share/vmlinux',
  image: '/share/a,b',
  kernelParams: '',
  accelerator: 'tcg',
  hypervisorPath: '/usr/bin/qemu',
  shared: { dir: '/run/x/shared', program: '/d', mostFiles: 1000 },
};
const tcg = { accelerator: 'tcg', kernel: '/kernel' } as const;
const kvm = { accelerator: 'kvm', kernel: '/kernel' } as const;

/** The values of all options with a name. */
function values(argv: readonly string[], option: string): string[] {
  return argv.flatMap((a, i) => (argv[i - 1] === option ? [a] : []));
}

test('sizes, accelerator and CPU follow the spec', () => {
  const argv = qemuArgv(spec, tcg);
  assert.equal(argv[0], '/usr/bin/qemu');
  assert.deepEqual(values(argv, '-smp'), ['cpus=2,maxcpus=2,sockets=1,cores=2,threads=1']);
  assert.deepEqual(values(argv, '-m'), ['512M']);
  const grows = qemuArgv({ ...spec, maxVcpus: 8, maxMemoryMib: 4096 }, tcg);
  assert.deepEqual(values(grows, '-smp'), ['cpus=2,maxcpus=8,sockets=1,cores=8,threads=1']);
  assert.deepEqual(values(grows, '-m'), ['512M,maxmem=4096M']);
  assert.deepEqual(values(argv, '-cpu'), ['max,-erms,-fsrm']);
  assert.deepEqual(values(argv, '-object'), ['memory-backend-memfd,id=ram,size=512M,share=on']);
  assert.deepEqual(values(argv, '-name'), ['guest=bulkhead-pod_1_x,debug-threads=on']);
  const onKvm = qemuArgv(spec, kvm);
  assert.deepEqual(values(onKvm, '-cpu'), ['host']);
  assert.deepEqual(values(onKvm, '-accel'), ['kvm']);
  assert.deepEqual(values(argv, '-accel'), ['tcg,tb-size=128']);
});

test('the machine has only what guests need', () => {
  const absent = 'usb=off,vmport=off,sata=off,smbus=off,hpet=off,smm=off,i8042=off,dump-guest-core=off';
  for (const facts of [tcg, kvm]) {
    assert.equal(values(qemuArgv(spec, facts), '-machine')[0], `q35,memory-backend=ram,${absent}`);
  }
});

test('the image is the first disk, read-only, without locks, and passed as a descriptor', () => {
  const [node] = values(qemuArgv(spec, tcg), '-blockdev');
  assert.deepEqual(JSON.parse(node ?? ''), {
    driver: 'raw',
    'node-name': 'image',
    'read-only': true,
    'auto-read-only': false,
    file: { driver: 'file', filename: '/dev/fdset/7', 'read-only': true, locking: 'off' },
  });
  assert.deepEqual(values(qemuArgv(spec, tcg), '-add-fd'), ['fd=7,set=7']);
});

test('without a shared folder there is no file system device, and the memory is private', () => {
  const { shared: _, ...rest } = spec;
  const argv = qemuArgv(rest, tcg);
  assert.equal(
    argv.some((a) => a.includes('vhost-user-fs')),
    false,
  );
  assert.match(values(argv, '-object')[0] ?? '', /share=off/);
});

test('boot devices, and the bridge for hot-plugged ones', () => {
  const disks = [{ serial: 'data-1', path: '/dev/x', readOnly: false }];
  const nics = [{ id: 'eth0', tap: 'tap0', mac: '02:00:00:00:00:01' }];
  const argv = qemuArgv({ ...spec, disks, nics }, tcg, () => 'host_device');
  const devices = values(argv, '-device').filter((d) => d.startsWith('{'));
  assert.deepEqual(
    devices.map((d) => (JSON.parse(d) as { id: string }).id),
    ['disk-image', 'disk-data-1', 'nic-eth0'],
  );
  assert.match(values(argv, '-blockdev')[1] ?? '', /"host_device".*"\/dev\/fdset\/8".*"locking":"on"/);
  assert.match(values(argv, '-netdev')[0] ?? '', /"ifname":"tap0"/);
  assert.ok(values(argv, '-device').includes(`pcie-pci-bridge,id=${HOT_PLUG_BUS}`));
});

test('configured kernel parameters come last', () => {
  assert.match(kernelCommandLine(spec, { accelerator: 'kvm' }), /root=\/dev\/vda/);
  assert.match(
    kernelCommandLine({ ...spec, kernelParams: 'debug panic=5' }, { accelerator: 'tcg' }),
    /init_on_alloc=1 debug panic=5$/,
  );
});

test('QEMU is confined, and no user configuration is read', () => {
  const argv = qemuArgv(spec, tcg);
  assert.match(
    values(argv, '-sandbox')[0] ?? '',
    /^on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny$/,
  );
  for (const flag of ['-nodefaults', '-no-user-config', '-no-reboot']) assert.ok(argv.includes(flag));
});
