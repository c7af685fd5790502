/**
 * Boots the guest image again and again under a bare QEMU and prints how long it takes until the agent has opened its
 * port, how often it fails and what memory QEMU holds then. No part of bulkhead's own start-up is in the figures.
 *
 *   node guest/image/measure.ts [--runs 10] [--memory 256] [--smp 1] [--append "more parameters"]
 *                               [--kernel F] [--image F] [--qemu F] [--bios F] [--device D] [--extra=ARGUMENTS] [--timeout 20000]
 *
 * Several --append or --extra are measured interleaved, so that noise of the machine falls on all of them alike.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { VmSpec } from '../../src/vm/hypervisor.ts';
import { FD, qemuArgv } from '../../src/vm/qemu/argv.ts';

const share = join(dirname(fileURLToPath(import.meta.url)), '../../build/share/bulkhead');
const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '10' },
    memory: { type: 'string', default: '256' },
    smp: { type: 'string', default: '1' },
    append: { type: 'string', multiple: true, default: [''] },
    kernel: { type: 'string', multiple: true, default: [join(share, 'vmlinux')] },
    image: { type: 'string', multiple: true, default: [join(share, 'image')] },
    qemu: { type: 'string', default: 'qemu-system-x86_64' },
    timeout: { type: 'string', default: '20000' },
    bios: { type: 'string' },
    device: { type: 'string', multiple: true, default: [] },
    extra: { type: 'string', multiple: true, default: [''] },
  },
});

interface Variant {
  readonly label: string;
  readonly kernel: string;
  readonly image: string;
  readonly append: string;
  /** More arguments for QEMU, parted by spaces; `-machine pit=off` adds to the machine's options. */
  readonly extra: string;
}

interface Boot {
  /** From spawn to the guest opening the agent's port; undefined when it did not happen in time. */
  readonly readyMs: number | undefined;
  readonly rssMib: number;
  readonly privateMib: number;
  /** Processor time of QEMU until then: less touched by what else the machine does than the wall clock. */
  readonly cpuMs: number;
  readonly console: string;
}

/** The arguments that bulkhead itself gives, so that the figures are those of its machine. */
function qemuArguments(variant: Variant, accelerator: 'kvm' | 'tcg'): string[] {
  const spec: VmSpec = {
    id: 'measure',
    dir: '/tmp',
    vcpus: Number(options.smp),
    memoryMib: Number(options.memory),
    kernel: variant.kernel,
    image: variant.image,
    kernelParams: variant.append,
    accelerator,
    hypervisorPath: options.qemu,
    uid: 0,
  };
  // Only a port with an id of its own tells when the guest opens it.
  const withId = (argument: string) => argument.replace(/^virtserialport,/, 'virtserialport,id=agent,');
  const extra = [
    ...(options.bios ? ['-bios', options.bios] : []),
    ...options.device.flatMap((d) => ['-device', d]),
    ...variant.extra.split(' ').filter((word) => word !== ''),
  ];
  return [...qemuArgv(spec, { accelerator, kernel: variant.kernel }).map(withId), ...extra];
}

/** Sum of a field of smaps_rollup in MiB; 0 when the process is gone. */
function memoryMib(pid: number, fields: readonly string[]): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kib = fields.map((field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0));
    return kib.reduce((sum, value) => sum + value, 0) / 1024;
  } catch {
    return 0;
  }
}

/** Whether a QMP line says that the guest has opened the agent's port. */
function isPortOpened(line: string): boolean {
  return line.includes('"VSERPORT_CHANGE"') && line.includes('"open": true');
}

/** User and system time of a process in ms; 0 when the process is gone. */
function cpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

function boot(variant: Variant, accelerator: 'kvm' | 'tcg'): Promise<Boot> {
  return new Promise((resolve, reject) => {
    let output = '';
    let events = '';
    let result: Boot | undefined;
    const started = performance.now();
    const [program = '', ...args] = qemuArguments(variant, accelerator);
    const image = openSync(variant.image, 'r');
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'ignore', image] as const;
    const child = spawn(program, args, { stdio: [...stdio] });
    closeSync(image);
    const finish = (readyMs: number | undefined): void => {
      if (result) return;
      const pid = child.pid ?? 0;
      const privateMib = memoryMib(pid, ['Private_Clean', 'Private_Dirty']);
      result = {
        readyMs,
        cpuMs: cpuMs(pid),
        rssMib: memoryMib(pid, ['Rss']),
        privateMib,
        console: output.slice(-2000),
      };
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => finish(undefined), Number(options.timeout));
    const collect = (chunk: Buffer): void => {
      output += chunk.toString('latin1');
    };
    child.stdio.at(FD.console)?.on('data', collect);
    child.stderr?.on('data', collect);
    const qmp = child.stdio.at(FD.qmp);
    if (qmp && 'write' in qmp) qmp.write('{"execute":"qmp_capabilities"}\n');
    qmp?.on('data', (chunk: Buffer) => {
      events += chunk.toString();
      if (events.split('\n').some(isPortOpened)) finish(performance.now() - started);
    });
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      finish(undefined);
      if (result) resolve(result);
    });
  });
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

async function pickAccelerator(): Promise<'kvm' | 'tcg'> {
  const cpu = readFileSync('/proc/cpuinfo', 'utf8');
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => /^flags.*\b(vmx|svm)\b/m.test(cpu),
    () => false,
  );
  return usable ? 'kvm' : 'tcg';
}

const accelerator = await pickAccelerator();
const variants: Variant[] = options.kernel.flatMap((kernel) =>
  options.image.flatMap((image) =>
    options.append.flatMap((append) =>
      options.extra.map((extra) => ({
        ...{ kernel, image, append, extra },
        label: `${kernel} ${image} [${append}] ${extra}`,
      })),
    ),
  ),
);
const boots = new Map<Variant, Boot[]>(variants.map((variant) => [variant, []]));
for (let run = 0; run < Number(options.runs); run++) {
  for (const variant of variants) boots.get(variant)?.push(await boot(variant, accelerator));
}
console.log(`q35 ${accelerator}, ${options.memory} MiB, ${options.smp} CPU(s), ${options.runs} runs each`);
let failed = 0;
for (const [variant, results] of boots) {
  const times = results.flatMap((r) => (r.readyMs === undefined ? [] : [r.readyMs])).sort((a, b) => a - b);
  const failures = results.filter((r) => r.readyMs === undefined);
  failed += failures.length;
  const ms = [quantile(times, 0), quantile(times, 0.5), quantile(times, 0.9)].map((value) =>
    value.toFixed(0),
  );
  const last = results.at(-1);
  const cpu = results.map((r) => r.cpuMs).sort((a, b) => a - b);
  console.log(
    `min/median/p90 ${ms.join('/')} ms, CPU ${quantile(cpu, 0.5)} ms, ${failures.length} failed, RSS ${last?.rssMib.toFixed(0)} private ` +
      `${last?.privateMib.toFixed(0)} MiB  ${variant.label}`,
  );
  for (const failure of failures.slice(0, 3))
    console.log(`failed boot, its console ends:\n${failure.console}`);
}
process.exitCode = failed > 0 ? 1 : 0;
