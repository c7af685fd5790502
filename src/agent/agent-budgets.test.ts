// A guest whose agent has been replaced: what it sends must cost little, and the error at the end must name it.
import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Code, type TtrpcError } from 'ttrpc-ts';
import { socketPair } from '../host/testing/socket-pair.ts';
import { connectAgent, type GuestAgent } from './agent.ts';
import { channelPace } from './agent-limits.ts';
import { type AgentHandlers, playAgent } from './testing/played-agent.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');
/** Bytes of live buffers. */
/** Dead buffers are freed by another thread: a second collection waits for that. */
async function held(): Promise<number> {
  collectGarbage();
  await new Promise(setImmediate);
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

const limits = { timeoutMs: 5_000, requestMs: 300 };

/** An honest agent until it is connected; what it sends afterwards is up to the test, which has its end. */
async function reach(
  channel: [Duplex, Duplex],
  handlers: AgentHandlers = {},
): Promise<{ agent: GuestAgent; far: Duplex }> {
  const { host, far } = playAgent(handlers, { channel });
  return { agent: await connectAgent(host, limits), far };
}

function frame(id: number, type: number, data = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(data.length, 0);
  header.writeUInt32BE(id, 4);
  header[8] = type;
  return Buffer.concat([header, data]);
}

test('endless frames for unknown streams: the connection is closed, and every error says why', async () => {
  const { agent, far } = await reach(duplexPair());
  const waiting = agent.waitProcess('c', 'c');
  const flood = Buffer.concat(Array.from({ length: 300 }, () => frame(9_999, 2)));
  far.write(flood);
  await assert.rejects(
    waiting,
    /the guest broke its protocol: .*too much within 10 s that no call waits for/,
  );
  assert.match(agent.breach ?? '', /the guest broke its protocol/);
  await assert.rejects(agent.startContainer('c'), { code: Code.Unavailable, message: /broke its protocol/ });
});

test('a slow honest guest: hundreds of late answers are not a breach', async () => {
  const { agent } = await reach(duplexPair(), {
    startContainer: async () => {
      await sleep(500);
      return {};
    },
  });
  const calls = Array.from({ length: 600 }, () => agent.startContainer('c'));
  const ends = await Promise.allSettled(calls);
  assert.ok(ends.every((end) => end.status === 'rejected'));
  await sleep(600);
  assert.equal(agent.isClosed, false);
});

test('an answer above its limit is an error of that call', async () => {
  const { agent } = await reach(duplexPair(), {
    startContainer: () => ({}),
    statsContainer: () => {
      const percpuUsage: bigint[] = Array(300_000).fill(1n);
      return { cgroupStats: { cpuStats: { cpuUsage: { percpuUsage } } } };
    },
    readStdout: () => ({ data: Buffer.alloc(3 << 20) }),
    getOOMEvent: () => ({ containerId: 'x'.repeat(1 << 20) }),
  });
  const tooLarge = (most: number) =>
    new RegExp(`cannot be decoded: RangeError: it has \\d+ bytes of at most ${most}`);
  await assert.rejects(agent.statsContainer('c'), tooLarge(262_144));
  await assert.rejects(agent.streams('c', '').readStdout(1 << 20), tooLarge(1_048_640));
  await agent.startContainer('c');
});

test('a status of megabytes becomes a short error', async () => {
  const { agent } = await reach(duplexPair(), {
    startContainer: () => {
      throw new Error('x'.repeat(3 << 20));
    },
  });
  const error: TtrpcError = await agent.startContainer('c').then(
    () => assert.fail(),
    (thrown: TtrpcError) => thrown,
  );
  assert.ok(error.message.length < 2_000 && (error.cause as Error).message.length <= 65_536);
});

test('a guest that reads nothing: client data waits, calls fail at a limit, memory stays bounded', async (t) => {
  const [near, far] = await socketPair(t);
  const { agent } = await reach([near, far]);
  far.pause();
  const before = await held();
  const chunk = Buffer.alloc(64 * 1024);
  const bulk = Array.from({ length: 2_000 }, (_, n) => agent.streams('c', `x${n}`).writeStdin(chunk));
  for (const write of bulk) write.catch(() => undefined);
  await sleep(300);
  const codes = new Set<number>();
  const spec = Buffer.from(JSON.stringify({ args: ['x'.repeat(100_000)], cwd: '/' }));
  for (let n = 0; n < 1_000; n++) {
    agent.execProcess('c', `x${n}`, spec).catch((error: TtrpcError) => codes.add(error.code));
  }
  await sleep(1_000);
  assert.deepEqual([...codes].sort(), [Code.DeadlineExceeded, Code.ResourceExhausted]);
  const grown = (await held()) - before;
  assert.ok(grown < 12 << 20, `${grown >> 20} MiB more`);
  assert.ok(near.writableLength <= 8 << 20 && near.writableLength > 6 << 20, `${near.writableLength} wait`);
  agent.close();
  await Promise.allSettled(bulk);
});

test('single bytes: the channel is read in fewer and larger chunks', async (t) => {
  const [near, far] = await socketPair(t);
  const { agent } = await reach([near, far]);
  let chunks = 0;
  near.on('data', () => chunks++);
  // An endless frame, for a pending call.
  const waiting = agent.waitProcess('c', 'c');
  waiting.catch(() => undefined);
  const header = frame(5, 2, Buffer.alloc(4 << 20)).subarray(0, 10);
  far.write(header);
  const begin = performance.now();
  while (performance.now() < begin + 1_500) {
    for (let n = 0; n < 20; n++) far.write(Buffer.alloc(1));
    await new Promise(setImmediate);
  }
  const { burst, perSecond, pauseMs } = channelPace;
  // And one that arrives before each pause.
  const most = burst + ((perSecond + 1_000 / pauseMs) * (performance.now() - begin)) / 1_000;
  assert.ok(chunks < most, `${chunks} chunks, at most ${most}`);
});
