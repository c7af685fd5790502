import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classify } from './annotations.ts';

const type = 'io.kubernetes.cri.container-type';
const id = 'io.kubernetes.cri.sandbox-id';
const crioType = 'io.kubernetes.cri-o.ContainerType';
const crioId = 'io.kubernetes.cri-o.SandboxID';

const cases: readonly [name: string, annotations: Record<string, string>, expected: string][] = [
  ['none', {}, 'single'],
  ['foreign ones only', { 'io.kubernetes.pod.name': 'x' }, 'single'],
  ['containerd sandbox', { [type]: 'sandbox', [id]: 's1' }, 'sandbox s1'],
  ['containerd container', { [type]: 'container', [id]: 's1' }, 'container s1'],
  ['CRI-O sandbox', { [crioType]: 'sandbox', [crioId]: 's1' }, 'sandbox s1'],
  ['CRI-O container', { [crioType]: 'container', [crioId]: 's1' }, 'container s1'],
  ['dockershim sandbox', { 'io.kubernetes.docker.type': 'podsandbox' }, 'sandbox undefined'],
  [
    'dockershim container',
    { 'io.kubernetes.docker.type': 'container', 'io.kubernetes.sandbox.id': 's1' },
    'container s1',
  ],
  ['oldest CRI-O sandbox', { 'ocid/container_type': 'sandbox', 'ocid/container_id': 's1' }, 'sandbox s1'],
  [
    'oldest CRI-O sandbox with a name',
    { 'ocid/container_type': 'sandbox', 'ocid/container_id': 's1', 'ocid/sandbox_name': 'podsandbox1' },
    'sandbox s1',
  ],
  [
    'oldest CRI-O container',
    { 'ocid/container_type': 'container', 'ocid/container_id': 'c1', 'ocid/sandbox_name': 's1' },
    'container s1',
  ],
  [
    'two managers that agree',
    { [type]: 'container', [id]: 's1', [crioType]: 'container', [crioId]: 's1' },
    'container s1',
  ],
  [
    'two managers, one without the id',
    { [type]: 'sandbox', [crioType]: 'sandbox', [crioId]: 's1' },
    'sandbox s1',
  ],
  [
    'two managers, different types',
    { [type]: 'sandbox', [id]: 's1', [crioType]: 'container', [crioId]: 's1' },
    'reject',
  ],
  [
    'two managers, different sandboxes',
    { [type]: 'container', [id]: 's1', [crioType]: 'container', [crioId]: 's2' },
    'reject',
  ],
  ['unknown type', { [type]: 'pod', [id]: 's1' }, 'reject'],
  ['empty type', { [type]: '', [id]: 's1' }, 'reject'],
  ['type in the terms of another manager', { [type]: 'podsandbox', [id]: 's1' }, 'reject'],
  ['dockershim type in the terms of CRI', { 'io.kubernetes.docker.type': 'sandbox' }, 'reject'],
  ['container without a sandbox', { [type]: 'container' }, 'reject'],
  ['container with an empty sandbox id', { [type]: 'container', [id]: '' }, 'reject'],
  ['sandbox id without a type', { [id]: 's1' }, 'reject'],
  ['sandbox id that leads elsewhere', { [type]: 'container', [id]: '../../etc' }, 'reject'],
  ['sandbox id that is too long', { [type]: 'container', [id]: 'a'.repeat(129) }, 'reject'],
  ['sandbox id of 64 hex digits', { [type]: 'sandbox', [id]: 'ab'.repeat(32) }, `sandbox ${'ab'.repeat(32)}`],
];

for (const [name, annotations, expected] of cases) {
  test(`classify: ${name}`, () => {
    const found = classify(annotations);
    const shown =
      found.kind === 'sandbox' || found.kind === 'container'
        ? `${found.kind} ${found.sandboxId}`
        : found.kind;
    assert.equal(shown, expected);
    assert.ok(found.reasons.length > 0 && found.reasons.every((reason) => reason !== ''));
  });
}

test('classify: the reasons name the key and the value', () => {
  assert.match(
    classify({ [type]: 'pod' }).reasons.join(),
    /io\.kubernetes\.cri\.container-type is "pod".*unknown/,
  );
  assert.match(
    classify({ [type]: 'container' }).reasons.join(),
    /io\.kubernetes\.cri\.sandbox-id does not name/,
  );
});

test('classify: no annotations', () => {
  assert.equal(classify(undefined).kind, 'single');
});
