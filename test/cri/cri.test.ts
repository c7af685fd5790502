// critest, the project's own test of container managers, on containerd with our handlers and with runc's beside them. What differs is in
// differences.ts, and nothing else. `make test-cri` prints the table; BULKHEAD_TEST_FOCUS picks specs by a regular expression.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../scripts/stand/command.ts';
import { defaultFlavour } from '../../scripts/stand/containerd.ts';
import { criTools, criToolsVersion } from '../../scripts/stand/fetch-cri-tools.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { within } from '../../scripts/stand/wait.ts';
import { sandboxApiHandler } from '../support/cri-config.ts';
import { PodHost } from '../support/pod.ts';
import { differences, notAsked } from './differences.ts';
import { nginxFiles, registryAddress } from './registry.ts';
import { type Outcome, outcomesOf, report } from './report.ts';

const flavour = process.env.BULKHEAD_TEST_CONTAINERD === undefined ? '2.3' : defaultFlavour();
const handlers = ['runc', 'bulkhead', sandboxApiHandler] as const;
const answers = new Map<string, ReadonlyMap<string, Outcome>>();

let host: PodHost;
let tools: string;
const network = (): string[] => [`--net=/proc/${host.daemon.pid}/ns/net`, '--'];

before(async () => {
  tools = await criTools();
  await nginxFiles();
  host = await PodHost.start({ flavour, mirror: registryAddress, fromLoopback: true });
  const registry = join(repoRoot, 'test', 'cri', 'registry.ts');
  const argv = ['--pdeathsig', 'KILL', 'nsenter', ...network(), process.execPath, registry];
  const child = spawn('setpriv', argv, { env: host.daemon.env, stdio: ['ignore', 'pipe', 'inherit'] });
  await within('registry', 300_000, once(child.stdout, 'data'));
});
after(async () => {
  if (host === undefined) return;
  const { version } = host.daemon.binaries;
  await host.stop();
  if (answers.size > 0) report(`critest ${criToolsVersion}, containerd ${version}`, answers);
});

for (const handler of handlers) {
  test(`critest with ${handler}`, { timeout: 7_200_000 }, async () => {
    const dir = join(host.daemon.dir, 'critest', handler);
    mkdirSync(dir, { recursive: true });
    const socket = `unix://${host.daemon.address}`;
    const focus = process.env.BULKHEAD_TEST_FOCUS;
    const argv = [
      ...[`--runtime-endpoint=${socket}`, `--image-endpoint=${socket}`, `--runtime-handler=${handler}`],
      ...['--ginkgo.seed=1', `--ginkgo.json-report=${join(dir, 'report.json')}`, '--ginkgo.no-color'],
      ...notAsked.map((one) => `--ginkgo.skip=${one}`),
      ...(focus === undefined ? [] : [`--ginkgo.focus=${focus}`]),
    ];
    const limits = { timeoutMs: 7_000_000, cwd: dir, env: { ...host.daemon.env, TMPDIR: dir } };
    const { stdout, stderr } = await run('nsenter', [...network(), join(tools, 'critest'), ...argv], limits);
    writeFileSync(join(repoRoot, 'build', `critest-${handler}.log`), stdout + stderr);
    answers.set(handler, outcomesOf(readFileSync(join(dir, 'report.json'), 'utf8')));
    const surprises = [...answers.get(handler)!].filter(([spec, { state }]) => {
      const wanted = answers.get('runc')?.get(spec)?.state ?? state;
      return handler !== 'runc' && (state !== wanted) !== (differences[spec] !== undefined);
    });
    assert.deepEqual(
      surprises.map(([spec, { state, message }]) => `${spec}: ${state} ${message}`),
      [],
    );
  });
}
