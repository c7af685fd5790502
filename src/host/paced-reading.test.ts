import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PacedReading } from './paced-reading.ts';

/** A child that writes into its descriptor 3, as QEMU does. */
function writer(script: string): { child: ChildProcess; socket: Socket } {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
  return { child, socket: child.stdio[3] as Socket };
}

/** 16 bytes at a time, as from a serial port. */
const flood = "const fs = require('fs'); const b = Buffer.alloc(16, 120); for (;;) fs.writeSync(3, b);";

test('a flood of small chunks costs a few reads per second, and its writer waits', async () => {
  const { child, socket } = writer(flood);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let chunks = 0;
  socket.on('data', () => chunks++);
  const reading = new PacedReading(socket, { burst: 10, perSecond: 50, pauseMs: 20 });
  await sleep(500);
  const [cpu, before] = [process.cpuUsage(), chunks];
  await sleep(1_000);
  const { user, system } = process.cpuUsage(cpu);
  assert.ok(chunks - before > 5 && chunks - before <= 110, `${chunks - before} reads in a second`);
  assert.ok(user + system < 250_000, `${(user + system) / 1000} ms of processor time`);
  child.kill('SIGKILL');
  reading.free();
  await closed;
});

test('all of it arrives, in order, and so does the end', async () => {
  const words = 'const fs = require("fs"); for (let n = 0; n < 5000; n++) fs.writeSync(3, n + "\\n");';
  const { socket } = writer(words);
  const parts: Buffer[] = [];
  socket.on('data', (data: Buffer) => parts.push(data));
  new PacedReading(socket, { burst: 1, perSecond: 100, pauseMs: 1 });
  await new Promise((resolve) => socket.once('close', resolve));
  const lines = Array.from({ length: 5_000 }, (_, n) => `${n}\n`).join('');
  assert.equal(Buffer.concat(parts).toString(), lines);
});

test('what is there at the end of the writer is read without a pause', async () => {
  const { child, socket } = writer('require("fs").writeSync(3, Buffer.alloc(100_000, 120));');
  let bytes = 0;
  socket.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  const reading = new PacedReading(socket, { burst: 0, perSecond: 0, pauseMs: 600_000 });
  await new Promise((resolve) => child.once('exit', resolve));
  await sleep(50);
  assert.ok(bytes < 100_000, `${bytes} bytes were read in spite of the pause`);
  reading.free();
  await new Promise((resolve) => socket.once('close', resolve));
  assert.equal(bytes, 100_000);
});

test('large chunks are not slowed where only small ones count', async () => {
  const { child, socket } = writer('const b = Buffer.alloc(65536); for (;;) require("fs").writeSync(3, b);');
  let bytes = 0;
  socket.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  new PacedReading(socket, { burst: 5, perSecond: 1, pauseMs: 1_000, smallBytes: 4_096 });
  await sleep(1_500);
  child.kill('SIGKILL');
  assert.ok(bytes > 20 << 20, `${bytes} bytes in 1.5 s`);
});
