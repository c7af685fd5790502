import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Spec } from '../oci/spec.ts';
import { runHooks } from './hooks.ts';

const dir = mkdtempSync(join(tmpdir(), 'hooks-'));
after(() => rmSync(dir, { recursive: true }));

const state = { id: 'c', bundle: dir, pid: 42 };
const shell = (script: string, more = {}) => ({ path: '/bin/sh', args: ['named', '-c', script], ...more });
const withHooks = (hooks: Spec['hooks']): Spec => ({
  ociVersion: '1.1.0',
  annotations: { a: 'b' },
  hooks: hooks!,
});

test('hooks get the state on stdin, their name and their environment, in order', async () => {
  const out = join(dir, 'out');
  const spec = withHooks({
    createRuntime: [shell(`echo "second $0 $X" >>${out}`, { env: ['X=y=z'] })],
    prestart: [shell(`cat >${out}; echo >>${out}`)],
    createContainer: [shell(`echo never >>${out}`)],
  });
  await runHooks('create', spec, state);
  const [json, second, ...rest] = readFileSync(out, 'utf8').trim().split('\n');
  assert.deepEqual(JSON.parse(json!), {
    ociVersion: '1.1.0',
    status: 'creating',
    annotations: { a: 'b' },
    ...state,
  });
  assert.equal(second, 'second named y=z');
  assert.deepEqual(rest, []);
});

test('a hook that fails or hangs is an error that names it and what it said', async () => {
  const failing = withHooks({ prestart: [shell('echo no bridge >&2; exit 3')] });
  await assert.rejects(
    runHooks('create', failing, state),
    /prestart hook .*sh of container c .*code 3: no bridge/,
  );
  const hanging = withHooks({ poststop: [shell('sleep 30', { timeout: 1 })] });
  await assert.rejects(runHooks('poststop', hanging, state), /longer than 1000 ms/);
  const missing = withHooks({ poststart: [{ path: '/no/such/hook' }] });
  await assert.rejects(runHooks('poststart', missing, state), /cannot run/);
});
