// The frame reader: every way to split frames, the limit, stopping.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame } from '../test/support.ts';
import { FrameReader, maxMessageBytes } from './frame.ts';

function reader(onFrame?: (found: string) => void): { found: string[]; reader: FrameReader } {
  const found: string[] = [];
  const add = (text: string): void => {
    found.push(text);
    onFrame?.(text);
  };
  return {
    found,
    reader: new FrameReader({
      onFrame: (id, type, flags, buffer, start, end) =>
        add(`${id} ${type} ${flags} ${buffer.toString('latin1', start, end)}`),
      onOversized: (id, type, length) => add(`${id} ${type} over ${length}`),
    }),
  };
}

const bytes = Buffer.concat([
  frame(1, 1, 0, Buffer.from('first')),
  frame(0xffffffff, 3, 5, Buffer.alloc(0)),
  frame(5, 255, 255, Buffer.from('third one')),
]);
const frames = ['1 1 0 first', '4294967295 3 5 ', '5 255 255 third one'];

test('every split into two and into equal pieces', () => {
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { found, reader: r } = reader();
    r.push(bytes.subarray(0, cut));
    r.push(bytes.subarray(cut));
    assert.deepEqual(found, frames, `cut at ${cut}`);
    assert.equal(r.isInsideFrame, false);
  }
  for (let size = 1; size <= bytes.length; size++) {
    const { found, reader: r } = reader();
    for (let at = 0; at < bytes.length; at += size) r.push(bytes.subarray(at, at + size));
    assert.deepEqual(found, frames, `pieces of ${size}`);
  }
});

test('the limit is exactly 4 MiB; a larger frame is skipped, however it is split', () => {
  const most = frame(1, 1, 0, Buffer.alloc(maxMessageBytes));
  const over = frame(3, 2, 0, Buffer.alloc(maxMessageBytes + 1));
  for (const cut of [5, 10, 11, 1000, over.length - 1, over.length, over.length + 3]) {
    const all = Buffer.concat([over, most.subarray(0, 10), most.subarray(10), bytes]);
    const { found, reader: r } = reader();
    r.push(all.subarray(0, cut));
    r.push(all.subarray(cut));
    assert.equal(found.length, 5);
    assert.equal(found[0], `3 2 over ${maxMessageBytes + 1}`);
    assert.equal(found[1]?.length, '1 1 0 '.length + maxMessageBytes);
    assert.deepEqual(found.slice(2), frames);
  }
  const { found, reader: r } = reader();
  const header = Buffer.from('fffffffe000000070100', 'hex');
  r.push(header);
  assert.equal(r.isInsideFrame, true);
  assert.deepEqual(found, ['7 1 over 4294967294']);
});

test('stopping in the middle of a chunk ends the reading', () => {
  const { found, reader: r } = reader((text) => {
    if (text.startsWith('1 ')) r.stop();
  });
  r.push(bytes);
  r.push(bytes);
  assert.deepEqual(found, frames.slice(0, 1));
});
