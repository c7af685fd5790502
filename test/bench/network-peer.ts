// The host's end of a network measurement: network-peer.ts ADDRESS PORT send|receive|echo COUNT prints one figure.
//
// send, receive: MB/s of COUNT MiB, from connecting until the other side has taken or sent all of it and closed.
// echo: the median of COUNT round trips of one byte, in ms.
import { connect, type Socket } from 'node:net';

const [address = '', port = '', mode = '', count = ''] = process.argv.slice(2);
const CHUNK = Buffer.alloc(64 * 1024);

/** Resolves with how much has come when the other side has closed. */
function ended(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.once('end', () => resolve(bytes));
    socket.once('error', reject);
  });
}

async function send(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    if (!socket.write(CHUNK)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
}

async function roundTrip(socket: Socket): Promise<number> {
  const begun = performance.now();
  const answer = new Promise((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('error', reject);
    socket.once('end', () => reject(new Error('the other side has closed')));
  });
  socket.write('x');
  await answer;
  socket.removeAllListeners();
  return performance.now() - begun;
}

const begun = performance.now();
const socket = connect({ host: address, port: Number(port), noDelay: true, allowHalfOpen: true });
if (mode === 'echo') {
  const trips: number[] = [];
  for (let i = 0; i < Number(count); i++) trips.push(await roundTrip(socket));
  trips.sort((a, b) => a - b);
  console.log(trips[trips.length >> 1]);
} else {
  const bytes = Number(count) << 20;
  const received = ended(socket);
  if (mode === 'send') await send(socket, bytes);
  const got = await received;
  if (mode === 'receive' && got !== bytes) throw new Error(`${got} of ${bytes} bytes came`);
  console.log(bytes / 1e6 / ((performance.now() - begun) / 1000));
}
socket.destroy();
