// The relay between real sockets; connections to servers of this process stand in for the guest.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestConnection } from './guest-connections.ts';
import { PortForward } from './port-forward.ts';

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  return address.port;
}

/** A guest whose ports all lead to one server here. */
function guestWith(port: number) {
  const open = new Set<GuestConnection>();
  const dial = async (): Promise<GuestConnection> => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    const chunks = socket.iterator({ destroyOnReturn: false });
    const connection: GuestConnection = {
      read: async () => ((await chunks.next()) as IteratorResult<Buffer, undefined>).value,
      write: (data) =>
        new Promise((resolve, reject) => {
          socket.write(data, (error) => (error ? reject(error) : resolve()));
        }),
      end: () =>
        new Promise((resolve) => {
          socket.end(resolve);
        }),
      close: async () => {
        socket.destroy();
        open.delete(connection);
      },
    };
    open.add(connection);
    return connection;
  };
  return { dial, open };
}

/** A relayed port, and the errors there. */
async function relay(t: TestContext, guest: { dial: () => Promise<GuestConnection> }) {
  const errors: unknown[] = [];
  const forward = new PortForward(guest, (_level, _message, fields) => errors.push(fields.error));
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
    forward.accept(socket),
  );
  return { port: await listen(t, server), forward, errors };
}

async function text(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

test('data goes both ways, and so does EOF', async (t) => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  const guest = guestWith(await listen(t, echo));
  const { port, forward, errors } = await relay(t, guest);
  const client = connect(port, '127.0.0.1');
  client.end('hello');
  assert.equal(await text(client), 'hello');
  const speaker = createServer((socket) => socket.end('first word'));
  const { port: second } = await relay(t, guestWith(await listen(t, speaker)));
  assert.equal(await text(connect(second, '127.0.0.1')), 'first word');
  await sleep(50);
  assert.deepEqual([forward.connections, guest.open.size, errors], [0, 0, []]);
});

test('a slow reader holds up the writer, and memory stays bounded', async (t) => {
  const size = 32 << 20;
  let sent = 0;
  const source = createServer((socket) => {
    const more = () => {
      while (sent < size && socket.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024;
      if (sent >= size) socket.end();
      else sent += 64 * 1024;
    };
    socket.on('drain', more);
    socket.on('error', () => undefined);
    more();
  });
  const { port, forward } = await relay(t, guestWith(await listen(t, source)));
  const client = connect({ port, host: '127.0.0.1' }).pause();
  await sleep(300);
  assert.ok(sent < size / 2, `${sent} bytes were taken`);
  client.destroy();
  const end = performance.now() + 5000;
  while (forward.connections > 0 && performance.now() < end) await sleep(10);
  assert.equal(forward.connections, 0);
});

test('a refusal and a break reach the client as a reset, and nothing is left', async (t) => {
  const refused = await relay(t, { dial: () => Promise.reject(new Error('nobody listens')) });
  const client = connect(refused.port, '127.0.0.1');
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  assert.match(String(refused.errors[0]), /nobody listens/);

  const silent = createServer(() => undefined);
  const guest = guestWith(await listen(t, silent));
  const { port, forward } = await relay(t, guest);
  const clients = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  while (guest.open.size < 2) await sleep(5);
  const broken = clients.map((socket) => once(socket, 'error'));
  forward.close();
  await Promise.all(broken);
  await sleep(50);
  assert.deepEqual([forward.connections, guest.open.size], [0, 0]);
});
