// The relay between a fake guest and a real name server on this machine's loopback.
import assert from 'node:assert/strict';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { NameQuery } from './guest-names.ts';
import { NameRelay } from './name-relay.ts';

async function bound(t: TestContext): Promise<DatagramSocket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket;
}

/** A guest whose queries the test pushes, and the answers that it got. */
function guest() {
  const queries: NameQuery[] = [];
  const answers = new Map<number, string>();
  let wake: () => void = () => undefined;
  let answered: () => void = () => undefined;
  return {
    answers,
    ask(id: number, message: Uint8Array, tcp = false): void {
      queries.push({ id, message, tcp });
      wake();
    },
    async next(): Promise<NameQuery> {
      for (let query = queries.shift(); ; query = queries.shift()) {
        if (query !== undefined) return query;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async answer(id: number, message: Uint8Array): Promise<void> {
      answers.set(id, Buffer.from(message).toString('latin1'));
      answered();
    },
    async has(count: number): Promise<void> {
      while (answers.size < count) {
        await new Promise<void>((resolve) => {
          answered = resolve;
        });
      }
    },
  };
}

const message = (id: string, text: string): Buffer => Buffer.from(`${id}${'.'.repeat(10)}${text}`, 'latin1');

/** A client's socket, which the relay closes. */
async function client(): Promise<DatagramSocket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

test('answers find their queries, though two have the same id', { timeout: 10_000 }, async (t) => {
  const server = await bound(t);
  const stranger = await bound(t);
  const waiting: { data: Buffer; port: number }[] = [];
  server.on('message', (data, { port }) => {
    waiting.push({ data, port });
    if (waiting.length < 2) return;
    for (const one of waiting.reverse()) {
      // An answer from anyone else is ignored.
      stranger.send(Buffer.concat([one.data, Buffer.from(' forged')]), one.port, '127.0.0.1', () => {
        server.send(Buffer.concat([one.data, Buffer.from(' answered')]), one.port, '127.0.0.1');
      });
    }
  });
  const played = guest();
  const connectNever = () => Promise.reject(new Error('no TCP here'));
  const relay = new NameRelay(
    played,
    { open: client, connect: connectNever },
    await client(),
    server.address() as AddressInfo,
  );
  void relay.run();
  t.after(() => relay.close());
  played.ask(1, message('aa', 'one'));
  played.ask(2, message('aa', 'two'));
  played.ask(3, Buffer.from('short'));
  played.ask(4, message('aa', 'tcp'), true);
  await played.has(4);
  const all = Object.fromEntries([...played.answers].sort());
  assert.deepEqual(all, { 1: 'aa..........one answered', 2: 'aa..........two answered', 3: '', 4: '' });
});

test('over TCP: in pieces, and a server that closes without an answer', { timeout: 10_000 }, async (t) => {
  const server = createServer((socket) => {
    socket.once('data', (data) => {
      if (data.includes('silent')) socket.end();
      else socket.write(data.subarray(0, 1), () => setTimeout(() => socket.end(data.subarray(1)), 20));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const dial = async () => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  const played = guest();
  const relay = new NameRelay(played, { open: client, connect: dial }, await client());
  void relay.run();
  played.ask(1, message('ab', 'echo'), true);
  played.ask(2, message('ab', 'silent'), true);
  await played.has(2);
  assert.equal(played.answers.get(1), 'ab..........echo');
  assert.equal(played.answers.get(2), '');
  relay.close();
  relay.close();
  // Later queries are not answered, and break nothing.
  played.ask(3, message('ab', 'late'));
  await played.has(3);
  assert.equal(played.answers.get(3), '');
});

test('without an answer the query is sent again, from another socket', { timeout: 20_000 }, async (t) => {
  const server = await bound(t);
  const ports: number[] = [];
  server.on('message', (data, { port }) => {
    ports.push(port);
    if (!ports.slice(0, -1).includes(port) && ports.length > 2) server.send(data, port, '127.0.0.1');
  });
  const played = guest();
  const dial = () => Promise.reject(new Error('no TCP here'));
  const relay = new NameRelay(
    played,
    { open: client, connect: dial },
    await client(),
    server.address() as AddressInfo,
  );
  void relay.run();
  t.after(() => relay.close());
  played.ask(1, message('aa', 'one'));
  played.ask(2, message('ab', 'two'));
  await Promise.race([played.has(1), once(server, 'close')]);
  assert.equal(ports[0], ports[1]);
  assert.equal(ports[2], ports[3] ?? ports[2]);
  assert.notEqual(ports[0], ports[2]);
});

test('a guest that asks endlessly, and is answered at once, has to wait', { timeout: 10_000 }, async () => {
  let asked = 0;
  const flood = {
    next: async (): Promise<NameQuery> => ({ id: ++asked, message: new Uint8Array(1), tcp: false }),
    answer: async () => undefined,
  };
  const never = () => Promise.reject(new Error('no socket is needed'));
  const relay = new NameRelay(flood, { open: never, connect: never }, await client());
  void relay.run();
  const stop = setTimeout(() => relay.close(), 1_000);
  const cpu = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 900));
  clearTimeout(stop);
  relay.close();
  const { user, system } = process.cpuUsage(cpu);
  assert.ok(asked >= 1_000 && asked <= 2_200, `${asked} queries in 0.9 s`);
  assert.ok(user + system < 600_000, `${(user + system) / 1000} ms of processor time`);
});
