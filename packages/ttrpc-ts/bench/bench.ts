// Measures ttrpc-ts against Go's ttrpc and @grpc/grpc-js: `node bench.ts [rounds] [ms per run] [filter]`.
//
// Every round runs all contestants of a case one after the other, so that the changing load of the machine affects them
// alike; ratios are medians of the ratios within a round.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { goPeer, peerSocket, withoutGo } from '../../../test/conformance/go-peer.ts';
import type { Figures } from './load.ts';

const run = promisify(execFile);
const here = import.meta.dirname;
const [rounds, ms, filter] = [Number(process.argv[2] ?? 7), process.argv[3] ?? '1000', process.argv[4] ?? ''];

type Peer = 'go' | 'ttrpc' | 'grpc';

interface Contestant {
  readonly name: string;
  readonly server: Peer;
  readonly client: Peer;
}

const goGo: Contestant = { name: 'go <- go', server: 'go', client: 'go' };
const oursGo: Contestant = { name: 'ours <- go', server: 'ttrpc', client: 'go' };
const goOurs: Contestant = { name: 'go <- ours', server: 'go', client: 'ttrpc' };
const oursOurs: Contestant = { name: 'ours <- ours', server: 'ttrpc', client: 'ttrpc' };
const grpcGrpc: Contestant = { name: 'grpc-js', server: 'grpc', client: 'grpc' };
const all = [goGo, oursGo, goOurs, oursOurs, grpcGrpc];

const cases = [
  ...[1, 32, 64].flatMap((inFlight) => [100, 65_536].map((size) => ({ shape: 'unary', inFlight, size }))),
  ...[100, 65_536].map((size) => ({ shape: 'stream', inFlight: 1, size })),
];

interface RunningServer {
  readonly path: string;
  readonly child: ChildProcess;
}

/** A server process for the whole run. */
async function start(kind: Peer): Promise<RunningServer> {
  const path = peerSocket(`bench-${kind}.sock`);
  rmSync(path, { force: true });
  const [file, args] =
    kind === 'go'
      ? [await goPeer(), ['serve', path]]
      : [process.execPath, [join(here, 'server.ts'), kind, path]];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  return { path, child };
}

async function measure(
  client: Peer,
  { path, child }: RunningServer,
  test: (typeof cases)[number],
): Promise<Figures> {
  const pid = String(child.pid);
  const load = [path, test.shape, String(test.inFlight), String(test.size), ms, pid];
  const [file, args] =
    client === 'go'
      ? [await goPeer(), ['load', ...load]]
      : [process.execPath, [join(here, 'load.ts'), client, ...load]];
  const { stdout } = await run(file, args, { timeout: 120_000 });
  return JSON.parse(stdout);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

async function compete(test: (typeof cases)[number], servers: Record<Peer, RunningServer>): Promise<void> {
  const results = new Map<string, Figures[]>(all.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? all : [...all].reverse();
    for (const { name, server, client } of order) {
      results.get(name)?.push(await measure(client, servers[server], test));
    }
  }
  console.log(`\n${test.shape}, ${test.inFlight} in flight, ${test.size} B`);
  for (const { name } of all) console.log(`  ${line(name, results, test.shape === 'unary')}`);
}

const columns = ['perSecond', 'p50us', 'p99us', 'cpuUs'] as const;

/** A contestant's medians, and the medians of its ratios to the peers within each round. */
function line(name: string, results: ReadonlyMap<string, readonly Figures[]>, hasTimes: boolean): string {
  const own = results.get(name) ?? [];
  const ratio = (peer: string, key: keyof Figures): string => {
    const peers = results.get(peer) ?? [];
    return median(own.map((figures, i) => figures[key] / (peers[i]?.[key] ?? Number.NaN))).toFixed(2);
  };
  const [rate, p50, p99, cpu] = columns.map((key) =>
    median(own.map((figures) => figures[key])).toFixed(key === 'cpuUs' ? 1 : 0),
  );
  const text = [name.padEnd(13), `${rate}/s`.padStart(10), `cpu ${cpu} us`.padStart(11)];
  if (hasTimes) text.push(`p50 ${p50} us`.padStart(13), `p99 ${p99} us`.padStart(14));
  const peers = [goGo.name, ...(name === oursOurs.name ? [grpcGrpc.name] : [])].filter(
    (peer) => peer !== name,
  );
  for (const peer of peers) {
    const tail = hasTimes ? `, p99 x${ratio(peer, 'p99us')}` : '';
    text.push(` | ${peer}: rate x${ratio(peer, 'perSecond')}, cpu x${ratio(peer, 'cpuUs')}${tail}`);
  }
  return text.join(' ');
}

if (withoutGo !== undefined) throw new Error(withoutGo);
console.log(
  `${cpus()[0]?.model}, ${cpus().length} CPUs, Node ${process.version}, ${rounds} rounds of ${ms} ms`,
);
const servers = { go: await start('go'), ttrpc: await start('ttrpc'), grpc: await start('grpc') };
try {
  for (const test of cases) {
    if (`${test.shape}-${test.inFlight}-${test.size}`.includes(filter)) await compete(test, servers);
  }
} finally {
  for (const { child } of Object.values(servers)) child.kill();
}
