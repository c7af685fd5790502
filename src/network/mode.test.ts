import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetnsKind } from '../host/netns.ts';
import { networkMode } from './mode.ts';

const kinds: Record<string, NetnsKind> = {
  '/run/netns/pod': 'own',
  '/proc/1/ns/net': 'host',
  '/run/netns/gone': 'missing',
  '/etc/passwd': 'other-file',
};
const kindOf = (path: string) => kinds[path] ?? 'missing';

const cases: readonly [what: string, path: string | null | undefined, plain: string, pod: string][] = [
  ['a path', '/run/netns/pod', 'join', 'join'],
  ['no path', undefined, 'new', 'new'],
  ['an empty path', '', 'new', 'new'],
  ['no network namespace', null, 'isolated', 'reject'],
  ["the host's", '/proc/1/ns/net', 'isolated', 'reject'],
  ['nothing there', '/run/netns/gone', 'reject', 'reject'],
  ['some file', '/etc/passwd', 'reject', 'reject'],
];

for (const [what, path, plain, pod] of cases) {
  test(`${what}: ${plain} for a container, ${pod} for a pod`, () => {
    const network = path === null ? [] : [{ type: 'network', ...(path === undefined ? {} : { path }) }];
    const namespaces = [{ type: 'pid' }, ...network, { type: 'mount' }];
    for (const [isPod, wanted] of [[false, plain] as const, [true, pod] as const]) {
      const mode = networkMode(namespaces, isPod, kindOf);
      assert.equal(mode.t, wanted);
      assert.ok(mode.reasons.length > 0 && mode.reasons.every((reason) => reason !== ''));
    }
  });
}
