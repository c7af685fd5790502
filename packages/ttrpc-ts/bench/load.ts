// The measuring client: `node load.ts ttrpc|grpc <socket> unary|stream <in flight> <bytes> <ms> <pid of the server>`,
// like `load` of test/conformance/go. Prints its figures as JSON.

import { readFileSync } from 'node:fs';
import { connect, createClient } from 'ttrpc-ts';
import { PeerService } from '../../../test/conformance/peer-service.ts';
import type { EchoClient } from './grpc.ts';

export interface Figures {
  readonly perSecond: number;
  readonly p50us: number;
  readonly p99us: number;
  /** CPU time of client and server together per call or message, in microseconds. */
  readonly cpuUs: number;
}

/** The CPU time of this process and the server, in microseconds. */
function clock(): number {
  const { user, system } = process.cpuUsage();
  const stat = readFileSync(`/proc/${server}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return user + system + (Number(fields[11]) + Number(fields[12])) * 1e4;
}

async function open(kind: string, path: string): Promise<EchoClient> {
  if (kind === 'grpc') {
    const { grpcClient } = await import('./grpc.ts');
    return grpcClient(path);
  }
  const connection = await connect({ path });
  const client = createClient(PeerService, connection);
  return {
    echo: (bytes) => client.echo(bytes),
    blobs: (request) => client.blobs(request),
    close: () => connection.close(),
  };
}

async function unaryLoad(client: EchoClient, inFlight: number, size: number, ms: number): Promise<Figures> {
  const request = new Uint8Array(size);
  const times: number[] = [];
  const cpu = clock();
  const start = performance.now();
  const end = start + ms;
  async function work(): Promise<void> {
    for (;;) {
      const before = performance.now();
      if (before > end) return;
      const reply = await client.echo(request);
      if (reply.length !== size) throw new Error('wrong reply');
      times.push(performance.now() - before);
    }
  }
  await Promise.all(Array.from({ length: inFlight }, work));
  const seconds = (performance.now() - start) / 1e3;
  const spent = clock() - cpu;
  const sorted = Float64Array.from(times).sort();
  const at = (q: number): number => (sorted[Math.floor(q * (sorted.length - 1))] as number) * 1e3;
  return {
    perSecond: sorted.length / seconds,
    p50us: at(0.5),
    p99us: at(0.99),
    cpuUs: spent / sorted.length,
  };
}

async function streamLoad(client: EchoClient, size: number, ms: number): Promise<Figures> {
  for (let count = 1; ; ) {
    const cpu = clock();
    const start = performance.now();
    let seen = 0;
    for await (const blob of client.blobs((BigInt(count) << 32n) | BigInt(size))) {
      if (blob.length === size) seen++;
    }
    if (seen !== count) throw new Error(`${seen} messages of ${count}`);
    const elapsed = performance.now() - start;
    if (elapsed >= ms) {
      return { perSecond: (count / elapsed) * 1e3, p50us: 0, p99us: 0, cpuUs: (clock() - cpu) / count };
    }
    count = Math.floor(count * Math.min(Math.max((ms / Math.max(elapsed, 0.1)) * 1.2, 1.2), 100)) + 1;
  }
}

const [kind = '', path = '', shape = '', inFlight = '', size = '', ms = '', server = ''] =
  process.argv.slice(2);
const client = await open(kind, path);
const run = (limit: number): Promise<Figures> =>
  shape === 'unary'
    ? unaryLoad(client, Number(inFlight), Number(size), limit)
    : streamLoad(client, Number(size), limit);
// Warms up: JavaScript on either side takes some thousand calls to be compiled, more than grpc-js makes in 1 s.
for (let calls = 0, start = performance.now(); calls < 5000 && performance.now() - start < 5000; ) {
  const { perSecond } = await run(Number(ms));
  calls += (perSecond * Number(ms)) / 1e3;
}
console.log(JSON.stringify(await run(Number(ms))));
client.close();
