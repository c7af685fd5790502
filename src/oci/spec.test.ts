import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson, stringifyJson } from './json.ts';
import { findSyntaxProblem } from './json-error.ts';
import { parseProcess, parseResources, parseSpec, readSpec, requireRunnable, SpecError } from './spec.ts';

function errorOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof SpecError, String(error));
    return error.message;
  }
  return 'no error';
}

test('parseSpec: what is wrong and where', () => {
  const cases: Record<string, RegExp> = {
    '': /config\.json is not valid JSON: it is empty/,
    '{"a":': /not valid JSON: a value must follow at line 1, column 6, but it ends/,
    '{"a":\n  x}': /not valid JSON: a value must follow at line 2, column 3, not "x"/,
    '[]': /the document must be an object, not a list/,
    '"x"': /the document must be an object, not "x"/,
    '{"process":[]}': /process must be an object, not a list/,
    '{"process":{"cwd":"/"}}': /process\.args must have the command/,
    '{"process":{"args":[1],"cwd":"/"}}': /process\.args\[0\] must be a string, not 1/,
    '{"process":{"args":["a"]}}': /process\.cwd is missing/,
    '{"process":{"args":["a"],"cwd":"here"}}': /process\.cwd must be an absolute path, not "here"/,
    '{"process":{"args":["a"],"cwd":"/","env":["A=1",null]}}': /process\.env\[1\] must be a string, not null/,
    '{"process":{"args":["a"],"cwd":"/","user":{"uid":"root"}}}':
      /process\.user\.uid must be an integer, not "root"/,
    '{"process":{"args":["a"],"cwd":"/","terminal":1}}': /process\.terminal must be true or false, not 1/,
    '{"root":{}}': /root\.path is missing/,
    '{"mounts":{}}': /mounts must be a list, not an object/,
    '{"mounts":[{"destination":"/a"},{"destination":7}]}': /mounts\[1\]\.destination must be a string, not 7/,
    '{"mounts":[{"destination":"/a","options":"ro"}]}': /mounts\[0\]\.options must be a list, not "ro"/,
    '{"annotations":{"k":1}}': /annotations\.k must be a string, not 1/,
    '{"linux":{"namespaces":[{"path":"/x"}]}}': /linux\.namespaces\[0\]\.type is missing/,
    '{"linux":{"resources":{"cpu":{"quota":"1"}}}}':
      /linux\.resources\.cpu\.quota must be an integer, not "1"/,
    '{"linux":{"devices":[{"path":"dev","type":"c"}]}}': /linux\.devices\[0\]\.path must be an absolute path/,
  };
  for (const [text, expected] of Object.entries(cases))
    assert.match(
      errorOf(() => parseSpec(text)),
      expected,
      text,
    );
});

test('parseSpec: long values are not repeated in the error', () => {
  const message = errorOf(() =>
    parseSpec(JSON.stringify({ process: { args: ['a'], cwd: 'x'.repeat(5_000) } })),
  );
  assert.ok(message.length < 200, message);
});

test('parseSpec: null means absent, unknown fields stay', () => {
  const spec = parseSpec(
    '{"process":{"args":["a"],"cwd":"/","rlimits":null},"mounts":null,"vm":{"x":[1,null]}}',
  );
  assert.equal('mounts' in spec, false);
  assert.equal('rlimits' in (spec.process ?? {}), false);
  assert.deepEqual((spec as Record<string, unknown>).vm, { x: [1, null] });
});

test('requireRunnable: names what is missing', () => {
  assert.match(
    errorOf(() => requireRunnable({})),
    /process is missing/,
  );
  assert.match(
    errorOf(() => requireRunnable({ process: { args: ['a'], cwd: '/' } })),
    /root is missing/,
  );
});

test('readSpec: a bundle without a spec, and one with a folder instead', (t) => {
  const bundle = mkdtempSync(join(tmpdir(), 'bundle-'));
  t.after(() => rmSync(bundle, { recursive: true }));
  assert.match(
    errorOf(() => readSpec(bundle)),
    /no OCI spec at .*config\.json: it does not exist/,
  );
  assert.match(
    errorOf(() => readSpec('/dev/null')),
    /cannot be read \(ENOTDIR\)/,
  );
  writeFileSync(join(bundle, 'config.json'), '{"hostname": 3}');
  assert.match(
    errorOf(() => readSpec(bundle)),
    new RegExp(`^${bundle}/config.json: hostname must be a string`),
  );
  writeFileSync(join(bundle, 'config.json'), ' '.repeat(4 * 1024 * 1024));
  assert.match(
    errorOf(() => readSpec(bundle)),
    /has 4194304 bytes/,
  );
});

test('64-bit integers survive', () => {
  const text = '{"hard":18446744073709551615,"list":[9223372036854771712,-9223372036854775808,1.5,1e400,12]}';
  const value = parseJson(text) as { hard: bigint; list: unknown[] };
  assert.equal(value.hard, 18446744073709551615n);
  assert.deepEqual(value.list, [
    9223372036854771712n,
    -9223372036854775808n,
    1.5,
    Number.POSITIVE_INFINITY,
    12,
  ]);
  assert.equal(stringifyJson({ hard: value.hard }), '{"hard":18446744073709551615}');
});

test('any JSON goes through unchanged', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.deepEqual(
        JSON.parse(stringifyJson(parseJson(JSON.stringify(value)))),
        JSON.parse(JSON.stringify(value)),
      );
    }),
  );
});

test('a syntax problem is found in every text that is not JSON, and in no other', () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const broken = fc.tuple(
    fc.json(),
    fc.nat(),
    fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', 'x', '1', '-'),
  );
  fc.assert(
    fc.property(broken, ([json, at, insert]) => {
      const text = json.slice(0, at % (json.length + 1)) + insert + json.slice((at % (json.length + 1)) + 1);
      assert.equal(findSyntaxProblem(text) === undefined, isJson(text), text);
      assert.equal(findSyntaxProblem(json), undefined);
    }),
    { numRuns: 2_000 },
  );
  assert.equal(findSyntaxProblem('['.repeat(100_000))?.offset, 100_000);
});

test('parseProcess and parseResources take the bytes of a request', () => {
  const process = parseProcess(
    Buffer.from('{"args":["id"],"cwd":"/","user":{"uid":5,"gid":6,"additionalGids":[7]}}'),
  );
  assert.equal(process.user?.uid, 5);
  assert.match(
    errorOf(() => parseProcess(Buffer.from('{"args":[]}'))),
    /process of the exec: args must have/,
  );
  assert.match(
    errorOf(() => parseProcess(Buffer.from('\xff\xfe', 'latin1'))),
    /is not valid JSON/,
  );
  assert.equal(parseResources(Buffer.from('{"memory":{"limit":5}}')).memory?.limit, 5);
  assert.match(
    errorOf(() => parseResources(Buffer.from('{"pids":{"limit":true}}'))),
    /pids\.limit must be an integer/,
  );
});

test('whatever the text is, the outcome is a spec or a SpecError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      errorOf(() => parseSpec(text));
    }),
  );
});
