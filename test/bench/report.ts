// The result of a bench run: facts of the machine, a table for people, JSON for machines.
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { run } from '../../scripts/stand/command.ts';
import { kvmWorks } from '../../scripts/stand/runtime.ts';
import type { OtherOutcome, Outcome } from './measure.ts';
import type { Ratio, Summary } from './sample.ts';

/** What figures depend on. */
export async function hostFacts(): Promise<Record<string, string | number | boolean>> {
  const first = async (file: string, args: string[]): Promise<string> => {
    const result = await run(file, args, { timeoutMs: 10_000 }).catch(() => undefined);
    return result?.stdout.split('\n')[0]?.trim() ?? 'not there';
  };
  return {
    date: new Date().toISOString(),
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    arch: arch(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    kvm: kvmWorks(),
    stealTicks: Number(readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/)[8] ?? 0),
    load: loadavg()[0] ?? 0,
    node: process.version,
    containerd: await first('containerd', ['--version']),
    runc: await first('runc', ['--version']),
    qemu: await first('qemu-system-x86_64', ['--version']),
  };
}

/** A line per measure. */
export function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.flatMap((one) => [
    [
      one.name,
      figure(one.ours?.median, one.unit),
      figure(one.ours?.p90, one.unit),
      ...peerCells(one.peer, one.ratio, one.unit),
      String(one.ours?.n ?? 0),
      [one.peerName === undefined ? '' : `vs ${one.peerName}`, one.aim === undefined ? '' : `aim ${one.aim}`]
        .filter((text) => text !== '')
        .join(', '),
    ],
    ...one.others.map((other) => [
      ...['', '', '', ...peerCells(other.summary, other.ratio, one.unit), '', besides(other, outcomes)],
    ]),
  ]);
  const head = ['measure', 'median', 'p90', 'peer', 'peer p90', 'ratio (95 %)', 'n', ''];
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const lines = all.map((row) =>
    row
      .map((cell, i) => (i === 0 || i === 7 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const details = outcomes.flatMap((one) => [
    ...Object.entries(one.stages).map(
      ([name, stage]) =>
        `  ${one.name}, stage ${name}: median ${stage.median.toFixed(0)} ms, p90 ${stage.p90.toFixed(0)} ms`,
    ),
    ...one.failures.map((failure) => `  ${one.name} FAILED once: ${failure}`),
  ]);
  return [...lines, ...(details.length > 0 ? ['', ...details] : [])].join('\n');
}

/** "vs runc, 1.5x as slow as the CPU row": both are ratios of speeds, where less is slower. */
function besides({ name, ratio, yardstick }: OtherOutcome, outcomes: readonly Outcome[]): string {
  const measure = outcomes.find((one) => one.name === yardstick);
  const cpu = measure?.others.find((other) => other.name === name)?.ratio;
  if (cpu === undefined || ratio === undefined) return `vs ${name}`;
  return `vs ${name}, ${(cpu.ratio / ratio.ratio).toFixed(1)}x as slow as the CPU (aim <= 3x)`;
}

function peerCells(peer: Summary | undefined, ratio: Ratio | undefined, unit: string): string[] {
  const interval =
    ratio === undefined ? '' : `${ratio.ratio.toFixed(2)} (${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)})`;
  return [figure(peer?.median, unit), figure(peer?.p90, unit), interval];
}

function figure(value: number | undefined, unit: string): string {
  if (value === undefined) return '-';
  const digits = unit === '1/s' ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${unit}`;
}
