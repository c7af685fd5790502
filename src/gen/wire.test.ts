// The runtime under the generated codecs: forms that no honest writer of ours produces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BlkioStats,
  CpuUsage,
  CreateContainerRequest,
  ReadStreamResponse,
  StatsContainerResponse,
  User,
} from './agent.ts';
import { BootstrapParams, LogLevel } from './bootstrap.ts';
import { Timestamp } from './google.ts';
import { CreateTaskRequest, StateRequest, StateResponse, TaskV2, TaskV3 } from './task.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('create fills in the defaults at every depth', () => {
  const request = CreateContainerRequest.create({ containerId: 'a', oci: { process: { args: ['sh'] } } });
  assert.equal(request.oci?.process?.cwd, '');
  assert.deepEqual(request.oci?.process?.args, ['sh']);
  assert.deepEqual(request.storages, []);
  assert.equal(request.stringUser, undefined);
});

test('integers of 64 bits keep every bit', () => {
  for (const seconds of [
    0n,
    1n,
    -1n,
    -62135596800n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 35n,
    2n ** 35n - 1n,
  ]) {
    assert.equal(Timestamp.decode(Timestamp.encode({ seconds })).seconds, seconds);
  }
  for (const totalUsage of [2n ** 64n - 1n, 2n ** 53n + 1n, 127n, 128n, 2n ** 63n]) {
    assert.equal(CpuUsage.decode(CpuUsage.encode({ totalUsage })).totalUsage, totalUsage);
  }
});

test('repeated numbers are read packed, unpacked and mixed', () => {
  const expected = [1, 300, 7];
  assert.deepEqual(User.decode(hex('1a 04 01 ac02 07')).additionalGids, expected);
  assert.deepEqual(User.decode(hex('18 01 18 ac02 18 07')).additionalGids, expected);
  assert.deepEqual(User.decode(hex('18 01 1a 03 ac02 07')).additionalGids, expected);
  assert.equal(Buffer.from(User.encode({ additionalGids: expected })).toString('hex'), '1a0401ac0207');
});

test('negative enum values take ten bytes and come back', () => {
  const bytes = BootstrapParams.encode({ logLevel: LogLevel.DEBUG });
  assert.equal(bytes.length, 11);
  assert.equal(BootstrapParams.decode(bytes).logLevel, LogLevel.DEBUG);
});

test('a field without presence is absent from the wire when it is zero, one with presence is not', () => {
  assert.equal(BootstrapParams.encode({ instanceId: '', socketDir: '' }).length, 2);
  assert.equal(BootstrapParams.decode(new Uint8Array(0)).socketDir, undefined);
  assert.equal(BootstrapParams.decode(hex('4a 00')).socketDir, '');
});

test('unknown fields of every wire type are passed over', () => {
  const id = hex('0a 01 61');
  const unknown = [
    hex('f806 ff01'),
    hex('f906 0102030405060708'),
    hex('fa06 03 010203'),
    hex('fd06 01020304'),
  ];
  const group = hex('fb06 0801 1302 14 fc06'.replaceAll('1302', '13 08 02'));
  for (const extra of [...unknown, group]) {
    assert.equal(StateRequest.decode(Buffer.concat([extra, id, extra])).id, 'a');
  }
  // The number of a known field with another wire type is unknown, too.
  assert.equal(StateRequest.decode(Buffer.concat([hex('08 05'), id])).id, 'a');
});

test('an embedded message that comes twice is merged, a scalar is replaced', () => {
  const first = StateResponse.encode({ id: 'a', exitedAt: { seconds: 5n } });
  const second = StateResponse.encode({ id: 'b', exitedAt: { nanos: 7 } });
  const { id, exitedAt } = StateResponse.decode(Buffer.concat([first, second]));
  assert.equal(id, 'b');
  assert.deepEqual(exitedAt, { seconds: 5n, nanos: 7 });
});

test('malformed input throws', () => {
  const cases: Record<string, string> = {
    'varint ends': '52 03 08 ff ff',
    'varint of eleven bytes': '52 0c 08 ffffffffffffffffffff01',
    'string longer than the message': '0a 05 61',
    'embedded message longer than its parent': '52 09 08 01',
    'field crosses the end of its message': '52 02 08 80 01',
    'field number zero': '02 01 61',
    'group without an end': 'fb06 08 01',
    'wire type 7': '0f',
  };
  for (const [name, bytes] of Object.entries(cases)) {
    assert.throws(() => StateResponse.decode(hex(bytes)), Error, name);
  }
});

test('groups inside groups are followed only so deep', () => {
  const depth = 10_000;
  const bytes = Buffer.concat([Buffer.alloc(depth, 0x0b), Buffer.alloc(depth, 0x0c)]);
  assert.throws(() => StateRequest.decode(bytes), /depth/);
});

test('a message of very many empty entries is refused before it takes much memory', () => {
  const many = Buffer.from(Array.from({ length: 70_000 }, () => [0x12, 0x00]).flat());
  assert.throws(() => StatsContainerResponse.decode(many), /more than 65536 entries/);
  const nested = Buffer.from(Array.from({ length: 70_000 }, () => [0x0a, 0x00]).flat());
  assert.throws(() => BlkioStats.decode(nested), /more than 65536 entries/);
  const numbers = Buffer.concat([hex('12 f0a204'), Buffer.alloc(70_000, 1)]);
  assert.throws(() => CpuUsage.decode(numbers), /more than 65536 entries/);
});

test('byte fields are views of the input, without a copy', () => {
  const bytes = Buffer.from(ReadStreamResponse.encode({ data: Buffer.alloc(1000, 7) }));
  const { data } = ReadStreamResponse.decode(bytes);
  assert.equal(data.buffer, bytes.buffer);
  assert.equal(data.length, 1000);
});

test('a plain Uint8Array inside a larger buffer is read in its bounds', () => {
  const whole = Buffer.concat([hex('ffff'), Buffer.from(StateRequest.encode({ id: 'abc' })), hex('ffff')]);
  const view = new Uint8Array(whole.buffer, whole.byteOffset + 2, whole.length - 4);
  assert.equal(StateRequest.decode(view).id, 'abc');
});

test('a key named __proto__ in a map is data', () => {
  const { stats } = StatsContainerResponse.decode(
    StatsContainerResponse.encode({ cgroupStats: { memoryStats: { stats: new Map([['__proto__', 5n]]) } } }),
  ).cgroupStats?.memoryStats ?? { stats: undefined };
  assert.equal(stats?.get('__proto__'), 5n);
});

test('both task services have the same seventeen methods', () => {
  assert.equal(Object.keys(TaskV2.methods).length, 17);
  assert.deepEqual(Object.keys(TaskV2.methods), Object.keys(TaskV3.methods));
  assert.equal(TaskV2.methods.closeIO.name, 'CloseIO');
  assert.equal(TaskV3.name, 'containerd.task.v3.Task');
  assert.equal(TaskV2.methods.create.request, CreateTaskRequest);
});
