import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code, Server, TtrpcError } from 'ttrpc-ts';
import { type Envelope, EventsService } from '../gen/events.ts';
import { EventPublisher } from './events.ts';

const limits = { minPauseMs: 5, maxPauseMs: 40, callMs: 500 };

interface Received {
  readonly topics: string[];
  readonly envelopes: Envelope[];
  readonly namespaces: (readonly string[] | undefined)[];
}

/** A folder for the socket, and a containerd on it that can be stopped and started. */
function createContainerd(t: { after(fn: () => void): void }) {
  const dir = mkdtempSync(join(tmpdir(), 'events-'));
  const path = join(dir, 'containerd.sock.ttrpc');
  const received: Received = { topics: [], envelopes: [], namespaces: [] };
  let server: Server | undefined;
  let answer: (envelope: Envelope) => void | Promise<void> = () => {};
  t.after(() => {
    server?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    path,
    received,
    answerWith(handler: typeof answer) {
      answer = handler;
    },
    async start() {
      server = new Server();
      server.add(EventsService, {
        forward: async ({ envelope }, context) => {
          assert.ok(envelope);
          await answer(envelope);
          received.topics.push(envelope.topic);
          received.envelopes.push(envelope);
          received.namespaces.push(context.metadata.get('containerd-namespace-ttrpc'));
          return {};
        },
      });
      rmSync(path, { force: true });
      await server.listen({ path });
    },
    stop() {
      server?.close();
      rmSync(path, { force: true });
    },
  };
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `/n/${from + i}`);
}

test('events arrive once, in order, with namespace, time and payload', async (t) => {
  const containerd = createContainerd(t);
  await containerd.start();
  const publisher = new EventPublisher({ address: containerd.path, namespace: 'k8s.io', limits });
  const before = BigInt(Math.floor(Date.now() / 1000));
  for (const topic of numbered(0, 200))
    publisher.publish(topic, 'containerd.events.TaskExit', Buffer.from(topic));
  assert.equal(await publisher.flush({ timeoutMs: 5_000 }), true);
  assert.deepEqual(containerd.received.topics, numbered(0, 200));
  const [first] = containerd.received.envelopes;
  assert.ok(first?.timestamp && first.event);
  assert.ok(first.timestamp.seconds >= before);
  assert.equal(first.namespace, 'k8s.io');
  assert.equal(first.event.typeUrl, 'containerd.events.TaskExit');
  assert.equal(Buffer.from(first.event.value).toString(), '/n/0');
  assert.deepEqual(containerd.received.namespaces[0], ['k8s.io']);
  publisher.close();
});

test('events wait while containerd is away and arrive in order when it is back', async (t) => {
  const containerd = createContainerd(t);
  const publisher = new EventPublisher({ address: containerd.path, namespace: 'ns', limits });
  for (const topic of numbered(0, 20)) publisher.publish(topic, 't', new Uint8Array(0));
  assert.equal(await publisher.flush({ timeoutMs: 60 }), false);
  await containerd.start();
  assert.equal(await publisher.flush({ timeoutMs: 5_000 }), true);

  containerd.stop();
  for (const topic of numbered(20, 40)) publisher.publish(topic, 't', new Uint8Array(0));
  assert.equal(await publisher.flush({ timeoutMs: 60 }), false);
  await containerd.start();
  assert.equal(await publisher.flush({ timeoutMs: 5_000 }), true);
  assert.deepEqual(containerd.received.topics, numbered(0, 40));
  publisher.close();
});

test('a containerd that dies with an event unanswered gets it again first', async (t) => {
  const containerd = createContainerd(t);
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  containerd.answerWith(async () => {
    reach();
    await new Promise((resolve) => setTimeout(resolve, 10_000).unref());
  });
  await containerd.start();
  const publisher = new EventPublisher({ address: containerd.path, namespace: 'ns', limits });
  for (const topic of numbered(0, 3)) publisher.publish(topic, 't', new Uint8Array(0));
  await reached;
  containerd.stop();
  containerd.answerWith(() => {});
  await containerd.start();
  assert.equal(await publisher.flush({ timeoutMs: 5_000 }), true);
  assert.deepEqual(containerd.received.topics, numbered(0, 3));
  publisher.close();
});

test('an event that containerd refuses does not hold up the others', async (t) => {
  const dropped: string[] = [];
  const containerd = createContainerd(t);
  let failures = 0;
  containerd.answerWith(({ topic }) => {
    if (topic === '/n/1') throw new TtrpcError(Code.InvalidArgument, 'bad topic');
    if (topic === '/n/2') throw new Error('always');
    if (topic === '/n/3') {
      failures += 1;
      if (failures < 3) throw new Error('sometimes');
    }
  });
  await containerd.start();
  const publisher = new EventPublisher({
    address: containerd.path,
    namespace: 'ns',
    limits,
    onDropped: (_count, reason) => dropped.push(reason),
  });
  for (const topic of numbered(0, 5)) publisher.publish(topic, 't', new Uint8Array(0));
  assert.equal(await publisher.flush({ timeoutMs: 5_000 }), true);
  assert.deepEqual(containerd.received.topics, ['/n/0', '/n/3', '/n/4']);
  assert.equal(dropped.length, 2);
  assert.match(dropped[0] ?? '', /\/n\/1: .*bad topic/);
  publisher.close();
});

test('a containerd that does not answer costs one call timeout and is asked again', async (t) => {
  const containerd = createContainerd(t);
  let isStuck = true;
  containerd.answerWith(async () => {
    if (isStuck) await new Promise((resolve) => setTimeout(resolve, 10_000).unref());
  });
  await containerd.start();
  const publisher = new EventPublisher({
    address: containerd.path,
    namespace: 'ns',
    limits: { ...limits, callMs: 50 },
  });
  publisher.publish('/n/0', 't', new Uint8Array(0));
  assert.equal(await publisher.flush({ timeoutMs: 120 }), false);
  isStuck = false;
  assert.equal(await publisher.flush({ timeoutMs: 5_000 }), true);
  publisher.close();
});

test('the queue is bounded and the oldest events go', async (t) => {
  let dropped = 0;
  const containerd = createContainerd(t);
  const publisher = new EventPublisher({
    address: containerd.path,
    namespace: 'ns',
    limits,
    onDropped: (count) => {
      dropped += count;
    },
  });
  for (const topic of numbered(0, 3_000)) publisher.publish(topic, 't', new Uint8Array(0));
  assert.equal(publisher.pending, 2_048);
  assert.equal(dropped, 952);
  await containerd.start();
  assert.equal(await publisher.flush({ timeoutMs: 10_000 }), true);
  // The first one was under way when the queue filled up.
  assert.deepEqual(containerd.received.topics, ['/n/0', ...numbered(953, 3_000)]);
  publisher.close();
});

test('without an address there is nothing to do', async () => {
  const publisher = new EventPublisher({ address: '', namespace: 'ns' });
  publisher.publish('/n/0', 't', new Uint8Array(0));
  assert.equal(publisher.pending, 0);
  assert.equal(await publisher.flush({ timeoutMs: 1 }), true);
  publisher.close();
});

test('close ends a flush and lets go of what waits', async (t) => {
  const containerd = createContainerd(t);
  const dropped: number[] = [];
  const publisher = new EventPublisher({
    address: containerd.path,
    namespace: 'ns',
    onDropped: (count) => dropped.push(count),
  });
  publisher.publish('/n/0', 't', new Uint8Array(0));
  const flushed = publisher.flush({ timeoutMs: 5_000 });
  publisher.close();
  assert.equal(await flushed, false);
  assert.deepEqual(dropped, [1]);
});
