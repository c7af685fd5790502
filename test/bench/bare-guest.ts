// The floor of a guest's files and network: the same QEMU, kernel and file system daemon from a bare script, with a shell in it and
// nothing of ours: no agent, no container, no redirects between interfaces. Its root is virtio-fs; for files it has a disk as well.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { run } from '../../scripts/stand/command.ts';
import { writeRootfs } from '../../scripts/stand/image.ts';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { Changes, waitFor } from '../../scripts/stand/wait.ts';
import { descriptorOf } from '../../src/host/descriptor.ts';
import { provideDisk } from '../../src/sandbox/volumes/disk-image.ts';
import { DISK_OPTIONS } from '../../src/sandbox/volumes/guest-storage.ts';
import { blockNode, diskDevice } from '../../src/vm/qemu/argv.ts';
import { type BareVm, bareArgv, bareVmOf } from './bare-boot.ts';
import type { Programs } from './programs.ts';
import { Shell, type Terminal } from './shell.ts';

/** A tap on a bridge, both in a network namespace that a process holds. */
export interface BareNetwork {
  /** Process whose network namespace it is. */
  readonly pid: number;
  readonly bridge: string;
  readonly mtu: number;
  /** With the length of its prefix. */
  readonly address: string;
}

/** What it has besides its root. */
export interface BareParts {
  readonly network?: BareNetwork;
  /** MiB of an ext4 on virtio-blk, as ours are made, plugged in and mounted, at /disk. */
  readonly diskMib?: number;
  /** A folder of the host whose content its root has as well. */
  readonly extras?: string;
}

const TAP = 'bhbare0';
const BOOT_MS = 60_000;

/** First program of the guest, whose root is the exported folder: a shell on the port, which reads as ended at first. */
const init = ({ network, diskMib }: BareParts): string => `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
${diskMib === undefined ? '' : `mount -t ext4 -o ${DISK_OPTIONS.join(',')} /dev/vdb /disk`}
ip link set lo up
${network === undefined ? '' : `ip addr add ${network.address} dev eth0; ip link set eth0 mtu ${network.mtu} up`}
port=$(echo /dev/vport*)
exec 3<>$port
while :; do sh <&3 >&3 2>&1; sleep 0.1; done
`;

export class BareGuest implements Terminal {
  readonly shell = new Shell(this);
  readonly #children: ChildProcess[] = [];
  readonly #parts: BareParts;
  readonly #changes = new Changes();
  #port: Duplex | undefined;
  #dir = '';
  #output = '';
  #errors = '';

  private constructor(parts: BareParts) {
    this.#parts = parts;
  }

  /** @param programs of a sandbox of ours, with which it has as much in common as can be. */
  static async start(programs: Programs, parts: BareParts = {}): Promise<BareGuest> {
    const guest = new BareGuest(parts);
    try {
      await guest.#start(programs);
      return guest;
    } catch (error) {
      await guest.stop();
      throw error;
    }
  }

  async #start(programs: Programs): Promise<void> {
    const vm = bareVmOf(programs.qemu);
    const dir = await scratchDir('bare');
    this.#dir = dir;
    const root = join(dir, 'root');
    mkdirSync(root);
    await writeRootfs(root);
    writeFileSync(join(root, 'init'), init(this.#parts));
    chmodSync(join(root, 'init'), 0o755);
    mkdirSync(join(root, 'disk'));
    const { extras } = this.#parts;
    if (extras !== undefined) cpSync(extras, root, { recursive: true, verbatimSymlinks: true });
    const socket = join(dir, 'fs.sock');
    await this.#startDaemon(programs.files, root, socket);
    const { network } = this.#parts;
    if (network !== undefined) await this.#addTap(network);
    const disk = await this.#diskArgs();
    const qemu = this.#spawn(
      [...this.#inNamespace(), ...bareArgv(shareRoot(vm)), ...disk, ...this.#deviceArgs(vm, socket)],
      'pipe',
    );
    this.#port = qemu.stdio[3] as Duplex;
    this.#port.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
      this.#changes.notify();
    });
    this.#port.on('error', () => undefined);
    const ended = new Promise<never>((_, reject) => {
      qemu.once('close', () => reject(new Error(`QEMU ended: ${this.#errors}`)));
    });
    this.type('echo rea""dy\n');
    await Promise.race([this.expect(/ready/, BOOT_MS), ended]);
  }

  /** Ours with the same arguments, on another folder. It finds a listening socket as its descriptor 0. */
  async #startDaemon([program = '', _folder, ...args]: readonly string[], root: string, socket: string) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`${socket}.new`, 1, resolve);
    });
    // Closing the server removes the path that it was bound to.
    renameSync(`${socket}.new`, socket);
    this.#spawn([program, root, ...args], 'pipe', descriptorOf(server));
    server.close();
  }

  async #diskArgs(): Promise<string[]> {
    const { diskMib } = this.#parts;
    if (diskMib === undefined) return [];
    const path = join(this.#dir, 'disk.ext4');
    const make = { sizeBytes: diskMib * 2 ** 20, workDir: this.#dir };
    await provideDisk({ path, readOnly: false, make }, 'ext4');
    const parts = {
      '-blockdev': blockNode('disk', path, false, 'file'),
      '-device': diskDevice('d', 'disk', 'bare'),
    };
    return Object.entries(parts).flatMap(([option, value]) => [option, JSON.stringify(value)]);
  }

  #deviceArgs(vm: BareVm, socket: string): string[] {
    const { network } = this.#parts;
    const nic = { driver: 'virtio-net-pci', netdev: 'tap', romfile: '', 'disable-legacy': 'on' };
    const tap = { type: 'tap', id: 'tap', ifname: TAP, script: 'no', downscript: 'no' };
    return [
      ...['-object', `memory-backend-memfd,id=ram,size=${vm.memory},share=on`],
      ...['-chardev', `socket,id=fs,path=${socket}`],
      ...['-device', 'vhost-user-fs-pci,chardev=fs,tag=kataShared,queue-size=1024'],
      ...(network === undefined ? [] : ['-netdev', JSON.stringify(tap), '-device', JSON.stringify(nic)]),
    ];
  }

  #inNamespace(): string[] {
    const { network } = this.#parts;
    return network === undefined ? [] : ['nsenter', `--net=/proc/${network.pid}/ns/net`, '--'];
  }

  async #addTap({ bridge, mtu }: BareNetwork): Promise<void> {
    for (const words of [
      `tuntap add ${TAP} mode tap vnet_hdr`,
      `link set ${TAP} mtu ${mtu} master ${bridge} up`,
    ]) {
      const [file = '', ...args] = [...this.#inNamespace(), 'ip', ...words.split(' ')];
      const { code, stderr } = await run(file, args, { timeoutMs: 10_000 });
      if (code !== 0) throw new Error(`ip ${words}: ${stderr}`);
    }
  }

  #spawn(
    [file = '', ...args]: readonly string[],
    port: 'pipe',
    stdin: number | 'ignore' = 'ignore',
  ): ChildProcess {
    const child = spawn(file, args, { stdio: [stdin, 'ignore', 'pipe', port] });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-2_000);
    });
    child.on('error', (error) => {
      this.#errors += error.message;
    });
    this.#children.push(child);
    return child;
  }

  type(text: string): void {
    this.#port?.write(text);
  }

  async expect(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    const look = () => pattern.exec(this.#output);
    return await this.#changes.until(`${pattern} of the bare guest`, timeoutMs, look).catch((cause) => {
      throw new Error(`no ${pattern}: ${this.#output.slice(-500)} / ${this.#errors}`, { cause });
    });
  }

  /** Ends it and removes what it had. Idempotent. */
  async stop(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      child.kill('SIGKILL');
      const hasEnded = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
      await waitFor('end of a part of the bare guest', hasEnded, 5_000).catch(() => undefined);
    }
    if (this.#parts.network !== undefined) {
      const [file = '', ...args] = [...this.#inNamespace(), 'ip', 'link', 'delete', TAP];
      await run(file, args, { timeoutMs: 10_000 });
    }
    if (this.#dir !== '') await rm(this.#dir, { recursive: true, force: true });
  }
}

/** The guest's root is the share itself. */
function shareRoot(vm: BareVm): BareVm {
  const append = vm.append.replace(
    /root=\S+ ro rootfstype=\S+/,
    'root=kataShared rootfstype=virtiofs rw init=/init',
  );
  return { ...vm, append, machine: `${vm.machine},memory-backend=ram` };
}
