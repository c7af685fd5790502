import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../config/config.ts';
import type { Spec } from '../oci/spec.ts';
import { explain, findBundle } from './explain.ts';

const config = await loadConfig('/dev/null');
const spec = (annotations: Record<string, string>): Spec => ({
  annotations,
  mounts: [
    { destination: '/proc', type: 'proc' },
    { destination: '/host', type: 'bind', source: '/no/such' },
  ],
  linux: { namespaces: [{ type: 'network' }], resources: { memory: { limit: 256 * 1024 * 1024 } } },
});

test('a plain container boots a VM: size, network and mounts with their reasons', async () => {
  const text = (await explain('web', spec({}), config)).join('\n');
  assert.match(text, /^web boots a VM of its own\n {2}no annotation/);
  assert.match(text, /limit 256 MiB in linux.resources plus overhead/);
  assert.match(text, /MiB of the host: the VM's 384 plus .*\n {2}3 CPUs of the host/);
  assert.match(text, /network: new/);
  assert.match(text, /\/proc +guest: /);
  assert.match(text, /\/host +refused: .*does not exist/);
});

test('a pod with a container without a limit: the default, with the reason', async () => {
  const pod = spec({
    'io.kubernetes.cri.container-type': 'sandbox',
    'io.kubernetes.cri.sandbox-memory': String(50 << 20),
  });
  const text = (await explain('pod', pod, config)).join('\n');
  assert.match(text, /1024 MiB: the default, a container of the pod has no limit: the pod's control group/);
});

test('a container of a pod joins, and nothing is said about a VM', async () => {
  const annotations = {
    'io.kubernetes.cri.container-type': 'container',
    'io.kubernetes.cri.sandbox-id': 'pod',
  };
  const text = (await explain('app', spec(annotations), config)).join('\n');
  assert.match(text, /^app joins the VM of sandbox pod\n/);
  assert.doesNotMatch(text, /network:/);
});

test('what cannot be placed is rejected, with only the reason', async () => {
  const lines = await explain('x', spec({ 'io.kubernetes.cri.container-type': 'thing' }), config);
  assert.equal(lines[0], 'x is rejected');
  assert.match(lines.join('\n'), /unknown/);
});

test('a bundle is found by its folder or by its id', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'explain-'));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const path of ['ns1/a', 'ns1/b', 'ns2/b']) {
    mkdirSync(join(dir, path), { recursive: true });
    writeFileSync(join(dir, path, 'config.json'), '{}');
  }
  assert.equal(findBundle(join(dir, 'ns1/a')), join(dir, 'ns1/a'));
  assert.equal(findBundle('a', join(dir, '*')), join(dir, 'ns1/a'));
  assert.throws(() => findBundle('b', join(dir, '*')), /exists more than once/);
  assert.throws(() => findBundle('c', join(dir, '*')), /no container c/);
  assert.throws(() => findBundle(join(dir, 'ns1')), /no config.json/);
});
