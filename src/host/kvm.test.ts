import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseAccelerator, hasVirtualizationFlag, kvmFacts } from './kvm.ts';

const cpuinfo = (flags: string) => `processor\t: 0\nmodel name\t: x\nflags\t\t: ${flags}\n\nprocessor\t: 1\n`;

test('auto takes KVM only when the device opens and the CPU can', () => {
  const able = { deviceError: undefined, cpuFlag: true };
  assert.equal(chooseAccelerator('auto', able).accelerator, 'kvm');
  const noFlag = chooseAccelerator('auto', { ...able, cpuFlag: false });
  assert.deepEqual(noFlag, { accelerator: 'tcg', reason: 'no KVM: the CPU shows neither vmx nor svm' });
  const noDevice = chooseAccelerator('auto', { deviceError: 'ENOENT: /dev/kvm', cpuFlag: true });
  assert.equal(noDevice.accelerator, 'tcg');
  assert.match(noDevice.reason, /ENOENT/);
});

test('kvm and tcg force it', () => {
  assert.equal(chooseAccelerator('tcg', { deviceError: undefined, cpuFlag: true }).accelerator, 'tcg');
  assert.equal(chooseAccelerator('kvm', { deviceError: 'no', cpuFlag: false }).accelerator, 'kvm');
});

test('the CPU flag is read from x86 only, and as a whole word', () => {
  assert.equal(hasVirtualizationFlag(cpuinfo('fpu vmx sse'), 'x64'), true);
  assert.equal(hasVirtualizationFlag(cpuinfo('fpu svm'), 'x64'), true);
  assert.equal(hasVirtualizationFlag(cpuinfo('fpu svm_lock vmx_x'), 'x64'), false);
  assert.equal(hasVirtualizationFlag('', 'x64'), false);
  assert.equal(hasVirtualizationFlag('', 'arm64'), true);
});

test('the facts of this host are one of both', () => {
  const { cpuFlag, deviceError } = kvmFacts();
  assert.equal(typeof cpuFlag, 'boolean');
  assert.ok(deviceError === undefined || deviceError.length > 0);
});
