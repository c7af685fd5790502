// Measures ttrpc-ts against Go's ttrpc and @grpc/grpc-js: `node bench.ts [rounds] [ms per run] [filter]`.
//
// Every round runs all contestants of a case one after the other, so that the changing load of the machine
// hits them alike; ratios are medians of the ratios within a round.

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

/** A server process for the whole run. */
async function start(kind: Peer): Promise<{ path: string; child: ChildProcess }> {
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

async function measure(client: Peer, path: string, test: (typeof cases)[number]): Promise<Figures> {
  const load = [path, test.shape, String(test.inFlight), String(test.size), ms];
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

async function compete(test: (typeof cases)[number], paths: Record<Peer, string>): Promise<void> {
  const results = new Map<string, Figures[]>(all.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? all : [...all].reverse();
    for (const { name, server, client } of order) {
      results.get(name)?.push(await measure(client, paths[server], test));
    }
  }
  const of = (name: string): Figures[] => results.get(name) ?? [];
  const ratio = (a: string, b: string, key: keyof Figures): string =>
    median(of(a).map((figures, i) => figures[key] / (of(b)[i]?.[key] ?? Number.NaN))).toFixed(2);
  console.log(`\n${test.shape}, ${test.inFlight} in flight, ${test.size} B`);
  for (const { name } of all) {
    const [rate, p50, p99] = (['perSecond', 'p50us', 'p99us'] as const).map((key) =>
      median(of(name).map((figures) => figures[key])),
    ) as [number, number, number];
    const versus = name === 'go <- go' ? '' : `  rate x${ratio(name, 'go <- go', 'perSecond')} of go <- go`;
    const tail =
      name === 'go <- go' || test.shape === 'stream' ? '' : `, p99 x${ratio(name, 'go <- go', 'p99us')}`;
    const js = name === 'ours <- ours' ? `, x${ratio(name, 'grpc-js', 'perSecond')} of grpc-js` : '';
    console.log(
      `  ${name.padEnd(13)} ${rate.toFixed(0).padStart(8)}/s  p50 ${p50.toFixed(0).padStart(6)} us  p99 ${p99
        .toFixed(0)
        .padStart(6)} us${versus}${tail}${js}`,
    );
  }
}

if (withoutGo !== undefined) throw new Error(withoutGo);
console.log(
  `${cpus()[0]?.model}, ${cpus().length} CPUs, Node ${process.version}, ${rounds} rounds of ${ms} ms`,
);
const servers = { go: await start('go'), ttrpc: await start('ttrpc'), grpc: await start('grpc') };
const paths = { go: servers.go.path, ttrpc: servers.ttrpc.path, grpc: servers.grpc.path };
try {
  for (const test of cases) {
    if (`${test.shape}-${test.inFlight}-${test.size}`.includes(filter)) await compete(test, paths);
  }
} finally {
  for (const { child } of Object.values(servers)) child.kill();
}
