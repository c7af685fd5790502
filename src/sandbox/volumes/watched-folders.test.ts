import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WatchedFolders } from './watched-folders.ts';

const root = mkdtempSync(join(tmpdir(), 'bulkhead-watched-'));
after(() => rmSync(root, { recursive: true }));

let count = 0;
/** A folder in the kubelet's form, and its switch. */
function volume() {
  const source = join(root, String(++count));
  mkdirSync(source);
  const folder = { source, mountPoint: `/guest/${count}` };
  const change = () => {
    symlinkSync(`..${Math.random()}`, join(source, '..data_tmp'));
    renameSync(join(source, '..data_tmp'), join(source, '..data'));
  };
  return { folder, change };
}

async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; n < 500 && !condition(); n++) await sleep(10);
  assert.ok(condition());
}

test('the guest is told at the beginning and of each change, while somebody uses the volume', async () => {
  const told: string[] = [];
  const folders = new WatchedFolders(
    async (mountPoint) => {
      told.push(mountPoint);
    },
    () => assert.fail(),
  );
  const { folder, change } = volume();
  folders.use('a', [folder]);
  folders.use('b', [folder]);
  await until(() => told.length === 1);
  folders.release('a');
  change();
  await until(() => told.length > 1);
  await sleep(50);
  folders.release('b');
  folders.release('b');
  const before = told.length;
  change();
  await sleep(50);
  assert.equal(told.length, before);
  assert.deepEqual(new Set(told), new Set([folder.mountPoint]));
});

test('one call at a time; what happens meanwhile is told by one more', async () => {
  let open: (() => void) | undefined;
  let calls = 0;
  const folders = new WatchedFolders(
    () => {
      calls++;
      return new Promise<void>((resolve) => {
        open = resolve;
      });
    },
    () => assert.fail(),
  );
  const { folder, change } = volume();
  folders.use('a', [folder]);
  for (let n = 0; n < 5; n++) change();
  await sleep(50);
  assert.equal(calls, 1);
  open?.();
  await until(() => calls === 2);
  folders.close();
  open?.();
  await sleep(20);
  assert.equal(calls, 2);
});

test('a guest that does not follow the volume is told no more; a lost call is only lost', async () => {
  let calls = 0;
  let fails = true;
  const logs: string[] = [];
  const folders = new WatchedFolders(
    async () => {
      calls++;
      if (fails) throw new Error('nothing is followed');
    },
    (message, { error }) => logs.push(`${message}: ${error}`),
  );
  const large = volume();
  folders.use('a', [large.folder]);
  await until(() => logs.length === 1);
  assert.match(logs[0]!, /looks for them itself: nothing is followed/);
  large.change();
  await sleep(50);
  assert.equal(calls, 1);
  fails = false;
  const small = volume();
  folders.use('a', [small.folder]);
  await until(() => calls === 2);
  fails = true;
  small.change();
  await until(() => calls > 2);
  fails = false;
  await sleep(50);
  const before = calls;
  small.change();
  await until(() => calls > before);
  folders.close();
  assert.equal(logs.length, 1);
});

test('a folder that is gone costs nothing but a word', () => {
  const logs: string[] = [];
  const folders = new WatchedFolders(
    () => assert.fail(),
    (message) => logs.push(message),
  );
  folders.use('a', [{ source: join(root, 'absent'), mountPoint: '/x' }]);
  folders.release('a');
  assert.equal(logs.length, 1);
});

test('a folder that changes without end is told of at a pace, however quick the guest answers', async () => {
  let calls = 0;
  const folders = new WatchedFolders(
    async () => {
      calls++;
    },
    () => assert.fail(),
  );
  const { folder, change } = volume();
  folders.use('a', [folder]);
  const until = performance.now() + 500;
  while (performance.now() < until) {
    change();
    await sleep(1);
  }
  assert.ok(calls >= 2 && calls <= 7, `${calls} calls in half a second`);
  folders.close();
});
