import assert from 'node:assert/strict';
import { test } from 'node:test';
import { place } from './placement.ts';

const cri = (type: string, sandbox?: string) => ({
  'io.kubernetes.cri.container-type': type,
  ...(sandbox === undefined ? {} : { 'io.kubernetes.cri.sandbox-id': sandbox }),
});

test('a container without annotations boots a VM of its own', () => {
  const placement = place('web', {});
  assert.equal(placement.t, 'boot');
  assert.equal(placement.t === 'boot' && placement.sandboxId, 'web');
});

test('a sandbox boots a VM, its containers join it', () => {
  assert.equal(place('pod', cri('sandbox', 'pod')).t, 'boot');
  const joined = place('app', cri('container', 'pod'));
  assert.equal(joined.t === 'join' && joined.sandboxId, 'pod');
});

test('what does not add up is rejected with reasons', () => {
  for (const [id, annotations] of [
    ['app', cri('container')],
    ['app', cri('container', 'app')],
    ['pod', cri('sandbox', 'other')],
    ['app', cri('thing', 'pod')],
  ] as const) {
    const placement = place(id, annotations);
    assert.equal(placement.t, 'reject', JSON.stringify(annotations));
    assert.ok(placement.reasons.length > 0);
  }
});
