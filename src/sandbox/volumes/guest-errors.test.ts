import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { AgentError } from '../../agent/agent-error.ts';
import { explainCreate, inKnownNames } from './guest-errors.ts';

const share = '/run/kata-containers/shared/containers';
const names = new Map([
  [`${share}/a/rootfs`, 'rootfs'],
  [`${share}/volumes/2`, '/srv/data'],
  [`${share}/volumes/2/sub`, '/srv/other'],
]);

test('paths of the guest, and what is below them, are told as the user knows them', () => {
  for (const [text, told] of [
    [`open \`${share}/volumes/2\`: Not a directory`, 'open `/srv/data`: Not a directory'],
    [`open ${share}/volumes/2/x/y: no`, 'open /srv/data/x/y: no'],
    [`${share}/volumes/2/sub and ${share}/volumes/2/subs`, '/srv/other and /srv/data/subs'],
    [`make ${share}/a/rootfs/etc/x: Read-only`, 'make rootfs/etc/x: Read-only'],
  ])
    assert.equal(inKnownNames(text!, names), told);
});

test('other paths stay', () => {
  for (const text of [`${share}/volumes/23`, `${share}/volumes/2.x`, `${share}/volumes`, '/etc/passwd', ''])
    assert.equal(inKnownNames(text, names), text);
});

test('a guest that repeats a path gets no longer text than it may', () => {
  const long = new Map([['/g', `/${'long'.repeat(1000)}`]]);
  assert.ok(inKnownNames('/g '.repeat(300), long).length < 4_200);
});

test('the code stays, and an error that names nothing known is the same one', () => {
  const error = new AgentError(Code.InvalidArgument, `mount ${share}/volumes/2: no`);
  const told = explainCreate(error, { storages: [], names });
  assert.ok(told instanceof AgentError);
  assert.deepEqual(
    [told.code, told.message, told.cause],
    [Code.InvalidArgument, 'mount /srv/data: no', error],
  );
  const other = new AgentError(Code.Internal, 'no such thing');
  assert.equal(explainCreate(other, { storages: [], names }), other);
  assert.equal(explainCreate('thrown', { storages: [], names }), 'thrown');
});
