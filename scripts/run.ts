/**
 * `make run` and `make shell`: a private containerd in its own folder, a container in its own VM, and what can be
 * observed of it. Everything that is started here is stopped here.
 *
 *   run.ts run      a demonstration with evidence; CMD="..." runs that command in a container instead
 *   run.ts shell    an interactive shell
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { Containerd, runArgs } from './stand/containerd.ts';
import { buildBin, repoRoot } from './stand/paths.ts';
import { memoryKib, type Process, processTree } from './stand/processes.ts';
import { runtime } from './stand/runtime.ts';

const started = performance.now();
/** A container still running by then never ends: TCG on a slow machine boots in well under a minute. */
const DEMO_LIMIT_MS = 180_000;

function progress(text: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  process.stderr.write(`[${seconds} s] ${text}\n`);
}

function row(name: string, value: string): void {
  process.stdout.write(`  ${name.padEnd(26)}${value}\n`);
}

function heading(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

/** Checks the prerequisites; errors say how to get what is missing. */
function requireBuild(): void {
  if (process.getuid?.() !== 0) throw new Error('needs root, for containerd, mounts and cgroups');
  if (!runtime.isVm) return;
  const share = join(repoRoot, 'build/share/bulkhead');
  for (const file of [join(buildBin, runtime.binary), join(share, 'vmlinux'), join(share, 'image')]) {
    if (!existsSync(file)) throw new Error(`${file} is missing: run "make build guest" first`);
  }
}

/** The shim's lines in containerd's log, as fields by message. */
function shimLines(daemon: Containerd): Map<string, Record<string, string>> {
  const lines = new Map<string, Record<string, string>>();
  for (const line of daemon.log().split('\n')) {
    const fields: Record<string, string> = {};
    for (const [, key, quoted, bare] of line.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)) {
      if (key !== undefined) fields[key] = quoted ?? bare ?? '';
    }
    if (fields.msg !== undefined) lines.set(fields.msg, fields);
  }
  return lines;
}

function mtimeMs(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}

/** How long each stage took, from the bundle's file times, the shim's log, and the client. */
function printStages(daemon: Containerd, id: string, firstOutputMs: number | undefined): void {
  heading('Stages');
  const bundle = daemon.bundle(id);
  // containerd writes config.json right before it executes `start`, which writes `address` last.
  const [before, after] = [mtimeMs(join(bundle, 'config.json')), mtimeMs(join(bundle, 'address'))];
  const lines = shimLines(daemon);
  const of = (message: string, field: string): string | undefined => {
    const value = lines.get(message)?.[field];
    return value === undefined ? undefined : `${value} ms`;
  };
  const stages: [string, string | undefined][] = [
    [
      'shim start',
      before !== undefined && after !== undefined ? `${Math.round(after - before)} ms` : undefined,
    ],
    ['shim serves', of('shim serves', 'ms')],
    ['VMM start', of('sandbox booted', 'vmmMs')],
    ['kernel to agent', of('sandbox booted', 'kernelToAgentMs')],
    ['container create', of('container created', 'ms')],
    ['ctr run to first output', firstOutputMs === undefined ? undefined : `${Math.round(firstOutputMs)} ms`],
  ];
  for (const [name, value] of stages) if (value !== undefined) row(name, value);
}

interface Recorded {
  readonly shim: { readonly pid: number };
  readonly processes: readonly { readonly pid: number; readonly name: string }[];
}

/** The sandbox's processes on the host, from the state file that `bulkhead ps` reads too. */
function printProcesses(daemon: Containerd, id: string): void {
  const file = join(daemon.bulkheadState, daemon.namespace, id, 'state.json');
  if (!existsSync(file)) return;
  const state = JSON.parse(readFileSync(file, 'utf8')) as Recorded;
  const names = new Map([
    [state.shim.pid, 'shim'],
    ...state.processes.map((one) => [one.pid, one.name] as const),
  ]);
  const all = processTree(state.shim.pid);
  heading('Processes on the host');
  const print = (one: Process, depth: number): void => {
    const name = `${'  '.repeat(depth)}${names.get(one.pid) ?? one.name}`;
    const mib = (memoryKib(one.pid).pss / 1024).toFixed(1).padStart(7);
    row(name, `pid ${String(one.pid).padEnd(8)}${mib} MiB  ${one.command.slice(0, 70)}`);
    for (const child of all.filter((other) => other.ppid === one.pid)) print(child, depth + 1);
  };
  for (const root of all.slice(0, 1)) print(root, 0);
}

/** Collects a child's output and the time of its first byte. */
function watch(
  child: ChildProcess,
  begin: number,
): { text: () => string; firstMs: () => number | undefined } {
  let text = '';
  let first: number | undefined;
  child.stdout?.on('data', (chunk: Buffer) => {
    first ??= performance.now() - begin;
    text += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { text: () => text, firstMs: () => first };
}

/** Resolves with the exit code, 128 for any signal. */
async function endOf(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null) return child.exitCode;
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 128;
}

/** Prints facts about the container, then waits for EOF on stdin, so that the host can be examined meanwhile. */
const DEMO_SCRIPT = `echo "kernel=$(uname -r)"
echo "cpus=$(nproc)"
echo "memory=$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB"
echo "uptime=$(cut -d' ' -f1 /proc/uptime) s"
echo "init=$(cat /proc/1/comm), user $(id -un)"
echo "ready=yes"
cat >/dev/null
echo "stdin ended"
exit 7`;

function hostFacts(): { cpus: number; memoryMib: number } {
  const read = (file: string): string => readFileSync(file, 'utf8');
  const cpus = read('/proc/cpuinfo').match(/^processor\s/gm)?.length ?? 0;
  const memoryMib = Math.floor(Number(/MemTotal:\s+(\d+)/.exec(read('/proc/meminfo'))?.[1] ?? 0) / 1024);
  return { cpus, memoryMib };
}

function printFacts(output: string): void {
  const fact = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(output)?.[1]?.trim() ?? '?';
  const host = hostFacts();
  heading('Host and container');
  row('', `${'host'.padEnd(30)}container`);
  row('kernel', `${release().padEnd(30)}${fact('kernel')}`);
  row('CPUs', `${String(host.cpus).padEnd(30)}${fact('cpus')}`);
  row('memory', `${`${host.memoryMib} MiB`.padEnd(30)}${fact('memory')}`);
  row('uptime', `${`${readFileSync('/proc/uptime', 'utf8').split(' ')[0]} s`.padEnd(30)}${fact('uptime')}`);
  row('process 1', `${readFileSync('/proc/1/comm', 'utf8').trim().padEnd(30)}${fact('init')}`);
}

async function demonstrate(daemon: Containerd): Promise<number> {
  const id = 'demo';
  progress(`ctr run --runtime ${runtime.name} ... sh -c "<tell about yourself>"`);
  const begin = performance.now();
  const args = daemon.ctrArgs([...runArgs('--rm'), id, 'sh', '-c', DEMO_SCRIPT]);
  const child = spawn(join(daemon.binaries.binDir, 'ctr'), args, {
    env: daemon.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), DEMO_LIMIT_MS);
  const seen = watch(child, begin);
  const ended = endOf(child);
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (!isOver && !/^ready=yes/m.test(seen.text())) await new Promise((resolve) => setTimeout(resolve, 20));
  if (!isOver) {
    printFacts(seen.text());
    printProcesses(daemon, id);
    printStages(daemon, id, seen.firstMs());
    heading('End');
    child.stdin?.end();
  }
  const code = await ended;
  clearTimeout(timer);
  const isGood = code === 7 && seen.text().includes('stdin ended');
  if (isGood) {
    row('exit code', '7, as expected once its stdin was closed');
    row('ctr run, in total', `${Math.round(performance.now() - begin)} ms`);
  } else {
    const lines = daemon
      .log()
      .split('\n')
      .filter((line) => line.includes(`sandbox=${id}`));
    process.stderr.write(
      `${seen.text()}\nunexpected end, exit code ${code}; the shim's log:\n${lines.slice(-20).join('\n')}\n`,
    );
  }
  return isGood ? 0 : 1;
}

/** Runs the user's command, on our own terminal or pipes. */
async function runCommand(daemon: Containerd, command: readonly string[]): Promise<number> {
  const tty = process.stdin.isTTY && process.stdout.isTTY ? ['--tty'] : [];
  progress(`ctr run --runtime ${runtime.name} ... ${command.join(' ')}`);
  const begin = performance.now();
  const args = daemon.ctrArgs([...runArgs('--rm', ...tty), 'command', ...command]);
  const ctr = join(daemon.binaries.binDir, 'ctr');
  const result = await execa(ctr, args, {
    env: daemon.env,
    extendEnv: false,
    stdio: 'inherit',
    reject: false,
  });
  const code = result.exitCode ?? 1;
  progress(`exit code ${code} after ${Math.round(performance.now() - begin)} ms`);
  return code;
}

async function main(): Promise<number> {
  const mode = process.argv[2] ?? 'run';
  if (mode !== 'run' && mode !== 'shell') throw new Error('usage: run.ts run|shell');
  if (mode === 'shell' && !process.stdin.isTTY)
    throw new Error('a shell needs a terminal; for one command use make run CMD="..."');
  requireBuild();
  progress('starting a private containerd and importing the image (busybox)');
  await using daemon = await Containerd.start();
  // The terminal's Ctrl-C reaches ctr too; here it must not end us before the clean-up.
  const stop = (): void => {
    progress('interrupted, cleaning up');
    void daemon.stop().then(() => process.exit(130));
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const command = process.env.CMD;
  const run =
    mode === 'shell'
      ? runCommand(daemon, ['sh'])
      : command
        ? runCommand(daemon, ['sh', '-c', command])
        : demonstrate(daemon);
  const code = await run;
  progress('cleaning up');
  return code;
}

try {
  process.exitCode = await main();
  progress('done');
} catch (error) {
  process.stderr.write(`run: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
