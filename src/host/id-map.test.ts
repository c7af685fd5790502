import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idMapOptions, mapId, splitIdMap } from './id-map.ts';

const ranges = [
  { containerID: 0, hostID: 100_000, size: 1_000 },
  { containerID: 2_000, hostID: 5, size: 1 },
];

test('a mapping becomes options, and options a mapping', () => {
  const options = idMapOptions(ranges, ranges.slice(0, 1));
  assert.deepEqual(options, ['uidmap=0:100000:1000,2000:5:1', 'gidmap=0:100000:1000']);
  assert.deepEqual(splitIdMap(['rbind', ...options, 'ro']), {
    idMap: { uids: '0:100000:1000,2000:5:1', gids: '0:100000:1000' },
    rest: ['rbind', 'ro'],
  });
  assert.deepEqual(idMapOptions(), []);
  assert.deepEqual(splitIdMap(['ro']), { idMap: undefined, rest: ['ro'] });
  assert.equal(splitIdMap(['uidmap=0:5:1']).idMap?.gids, '0:0:4294967295', 'what is not mapped stays');
});

test('ids are mapped by the range that they are in', () => {
  assert.deepEqual(
    [0, 999, 1_000, 2_000].map((id) => mapId(id, ranges)),
    [100_000, 100_999, 1_000, 5],
  );
  assert.equal(mapId(7), 7);
});
