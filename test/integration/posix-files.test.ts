// A sample of test/posix, where all of it is: what programs ask of a file system is answered as on the host's own, but for
// what docs/mounts.md says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { differencesOf, surprises } from '../posix/differences.ts';
import { fsx, pjdfstest, probe } from '../posix/questions.ts';
import { type Place, places, Stand } from '../posix/stand.ts';

/** Some tests of each kind; of `link::` those that the docs say something about. */
const some = ['unlink::', 'link::link_count_max', 'truncate::', 'open::e'];

let stand: Stand;
before(async () => {
  stand = await Stand.start();
});
after(() => stand?.stop());

for (const place of Object.keys(places) as Place[]) {
  test(`${place}: as on the host, but for what the docs say`, { timeout: 240_000 }, async () => {
    const { ours, runc } = await stand.sides(place);
    const asks = [probe, (...of: Parameters<typeof probe>) => pjdfstest(...of, some)];
    if (place !== 'read-only bind') asks.push((...of) => fsx(...of, 1, 300));
    for (const ask of asks) {
      const [a, b] = [await ask(ours, place), await ask(runc, place)];
      assert.deepEqual(surprises(place, a.keys(), differencesOf(place, a, b)), []);
    }
  });
}

test('a difference that is not in the docs is found, and one that has gone is, too', () => {
  const rows = [{ asked: 'a::*', where: ['bind' as const], here: 'FAILED' }];
  const ours = new Map(Object.entries({ 'a::b': 'FAILED', c: 'ok' }));
  const differences = (runc: Record<string, string>) =>
    differencesOf('bind', ours, new Map(Object.entries(runc)));
  const of = (runc: Record<string, string>) => surprises('bind', ours.keys(), differences(runc), rows);
  assert.deepEqual(of({ 'a::b': 'ok', c: 'ok' }), []);
  assert.match(of({ 'a::b': 'FAILED', c: 'ok' }).join(), /a::\*: FAILED: in the docs, but not so/);
  assert.match(of({ 'a::b': 'ok', c: 'EIO' }).join(), /c: ok, with runc EIO: not in the docs/);
  assert.deepEqual(surprises('root', ours.keys(), [], rows), []);
});
