// Measurements of a pod's network against a bare QEMU whose tap is on the same bridge. The guest's ends are busybox:
// `nc` gives each connection to `dd` or `cat`. The host's end is network-peer.ts, in the network namespace of the bridge.
import { join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { markedProcesses } from '../../scripts/stand/processes.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import type { Pod } from '../support/pod.ts';
import { BareGuest } from './bare-guest.ts';
import type { Measure, MeasureGroup } from './measure.ts';
import type { LazyHost } from './pod-measures.ts';
import { programsOf } from './programs.ts';

const PORTS = { send: 5001, receive: 5002, echo: 5003 } as const;
type Mode = keyof typeof PORTS;

/** Far from where the CNI plugin begins to count. */
const BARE_ADDRESS = '10.88.200.2';

export interface NetworkSize {
  readonly rounds: number;
  readonly mebibytes: number;
  /** Round trips of one sample. */
  readonly trips: number;
}

export function networkMeasures(host: LazyHost, { rounds, mebibytes, trips }: NetworkSize): MeasureGroup {
  let sides: { readonly pod: Pod; readonly address: string; readonly bare: BareGuest } | undefined;
  const servers = [
    `nc -ll -p ${PORTS.send} -e dd of=/dev/null bs=64k`,
    `nc -ll -p ${PORTS.receive} -e dd if=/dev/zero bs=64k count=${mebibytes * 16}`,
    `nc -ll -p ${PORTS.echo} -e cat`,
  ];
  const serve = servers.map((server) => `${server} </dev/null >/dev/null 2>&1 &`).join('\n');
  const start = async () => {
    const machine = await host();
    const pod = await machine.pod({ handler: 'bulkhead' });
    const container = await pod.run();
    await container.sh(serve);
    const { mark, dir } = machine.daemon;
    const programs = programsOf(markedProcesses(mark, dir), pod.id);
    const network = {
      pid: machine.daemon.pid ?? 0,
      bridge: 'bhtest0',
      mtu: 1400,
      address: `${BARE_ADDRESS}/16`,
    };
    const bare = await BareGuest.start(programs, { network });
    await bare.shell.run(serve);
    return { pod, address: (await pod.status()).network?.ip ?? '', bare };
  };
  const talk = async (address: string, mode: Mode): Promise<number> => {
    const count = mode === 'echo' ? trips : mebibytes;
    const peer = [process.execPath, join(repoRoot, 'test/bench/network-peer.ts'), address];
    const words = [...peer, String(PORTS[mode]), mode, String(count)];
    const namespace = `--net=/proc/${(await host()).daemon.pid}/ns/net`;
    return Number((await mustRun('nsenter', [namespace, '--', ...words])).stdout);
  };
  const setup = async (): Promise<void> => {
    if (sides !== undefined) return;
    sides = await start();
    for (const address of [sides.address, BARE_ADDRESS])
      await waitFor('an answer of the guest', () => talk(address, 'echo').then(() => true), 20_000);
  };
  const measure = (name: string, unit: 'MB/s' | 'ms', mode: Mode): Measure => ({
    name,
    unit,
    peerName: 'bare QEMU, tap',
    rounds,
    setup,
    ours: () => talk(sides?.address ?? '', mode),
    peer: () => talk(BARE_ADDRESS, mode),
  });
  const measures = [
    measure(`network, ${mebibytes} MiB host to pod`, 'MB/s', 'send'),
    measure(`network, ${mebibytes} MiB pod to host`, 'MB/s', 'receive'),
    measure('network, round trip of a byte', 'ms', 'echo'),
  ];
  const close = async (): Promise<void> => {
    await sides?.bare.stop();
    await sides?.pod.remove();
  };
  return { measures, close };
}
