// A file system with one folder in its root, served by a process of its own, which can be stopped: then it never answers.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { mustRun } from '../../scripts/stand/command.ts';

/** Requests of include/uapi/linux/fuse.h. */
const LOOKUP = 1;
const GETATTR = 3;
const STATFS = 17;
const RELEASE_DIR = 29;
const INIT = 26;
const OPEN_DIR = 27;
const READ_DIR = 28;
/** FORGET, INTERRUPT, BATCH_FORGET. */
const UNANSWERED: ReadonlySet<number> = new Set([2, 36, 42]);
const FOLDER = 'folder';
const ENOENT = -2;
const ENOSYS = -38;
const FD = 3;

export class SilentFs {
  readonly dir: string;
  readonly #server: ChildProcess;

  private constructor(dir: string, server: ChildProcess) {
    this.dir = dir;
    this.#server = server;
  }

  static async mount(dir: string): Promise<SilentFs> {
    mkdirSync(dir);
    const device = openSync('/dev/fuse', 'r+');
    const stdio = ['ignore', 'inherit', 'inherit', device] as const;
    const server = spawn(process.execPath, [import.meta.filename], { stdio: [...stdio] });
    const options = `fd=${FD},rootmode=40000,user_id=0,group_id=0,allow_other`;
    const mounting = spawn('mount', ['-i', '-t', 'fuse', '-o', options, 'silent', dir], {
      stdio: [...stdio],
    });
    closeSync(device);
    const code = await new Promise((resolve) => mounting.on('exit', resolve));
    if (code !== 0) throw new Error(`mount -t fuse: exit ${code}`);
    return new SilentFs(dir, server);
  }

  silence(): void {
    this.#server.kill('SIGSTOP');
  }

  wake(): void {
    this.#server.kill('SIGCONT');
  }

  /** What waits for it gets an error; idempotent. */
  async end(): Promise<void> {
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#server.on('exit', resolve));
    this.#server.kill('SIGKILL');
    await ended;
    await mustRun('umount', ['-l', this.dir]);
  }
}

function serve(): void {
  const request = Buffer.alloc(1 << 17);
  for (;;) {
    let length: number;
    try {
      length = readSync(FD, request);
    } catch {
      return; // unmounted
    }
    const kind = request.readUInt32LE(4);
    if (UNANSWERED.has(kind)) continue;
    const name = request.subarray(40, length - 1).toString();
    const [error, body] = answer(kind, request.readBigUInt64LE(16), name);
    const head = Buffer.alloc(16);
    head.writeUInt32LE(16 + body.length);
    head.writeInt32LE(error, 4);
    request.copy(head, 8, 8, 16);
    try {
      writeSync(FD, Buffer.concat([head, body]));
    } catch {
      // Whoever asked does not wait any more.
    }
  }
}

function answer(kind: number, node: bigint, name: string): [number, Buffer] {
  const nothing = Buffer.alloc(0);
  switch (kind) {
    case INIT:
      return [0, words(7, 31, 4096, 0, 0, 4096, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)];
    case GETATTR:
      return [0, Buffer.concat([Buffer.alloc(16), attributes(node)])];
    case LOOKUP:
      if (name !== FOLDER) return [ENOENT, nothing];
      return [0, Buffer.concat([words(2, 0), Buffer.alloc(32), attributes(2n)])];
    case STATFS:
      return [0, Buffer.alloc(80)];
    case OPEN_DIR:
      return [0, Buffer.alloc(16)];
    case READ_DIR:
    case RELEASE_DIR:
      return [0, nothing];
    default:
      return [ENOSYS, nothing];
  }
}

/** A folder of everybody; the kernel has to ask for it each time. */
function attributes(node: bigint): Buffer {
  const id = Buffer.alloc(8);
  id.writeBigUInt64LE(node);
  return Buffer.concat([id, Buffer.alloc(52), words(0o40777, 2, 0, 0, 0, 4096, 0)]);
}

function words(...values: number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}

if (import.meta.main) serve();
