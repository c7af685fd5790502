// The client's side of a process's streams: makes the FIFOs as containerd's clients do, collects output, types input.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { Changes, within } from '../../scripts/stand/wait.ts';

export interface FifoOptions {
  readonly stdin?: boolean;
  /** With a terminal there is no stderr. */
  readonly terminal?: boolean;
}

/**
 * Each FIFO is read by a `cat` of its own: opening a FIFO blocks until the shim opens the other end, and must not
 * block this process.
 */
export class FifoClient {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
  readonly #out = new Map<string, { chunks: Buffer[]; bytes: number }>();
  readonly #children: ChildProcess[] = [];
  readonly #changes = new Changes();
  #input: ChildProcess | undefined;

  private constructor(dir: string, options: FifoOptions) {
    this.terminal = options.terminal === true;
    this.stdin = options.stdin === true || this.terminal ? join(dir, 'stdin') : '';
    this.stdout = join(dir, 'stdout');
    this.stderr = this.terminal ? '' : join(dir, 'stderr');
  }

  /** Makes the FIFOs in a new folder and begins to read. */
  static async open(dir: string, options: FifoOptions = {}): Promise<FifoClient> {
    await mkdir(dir, { recursive: true });
    const client = new FifoClient(dir, options);
    const paths = [client.stdin, client.stdout, client.stderr].filter((path) => path !== '');
    await mustRun('mkfifo', ['-m', '700', ...paths]);
    for (const path of paths) if (path !== client.stdin) client.#read(path);
    if (client.stdin !== '') client.#openInput();
    return client;
  }

  /** What a CreateTaskRequest or ExecProcessRequest says about the streams. */
  get request(): { stdin: string; stdout: string; stderr: string; terminal: boolean } {
    return { stdin: this.stdin, stdout: this.stdout, stderr: this.stderr, terminal: this.terminal };
  }

  get output(): string {
    return this.bytes(this.stdout).toString();
  }

  get errors(): string {
    return this.bytes(this.stderr).toString();
  }

  bytes(path: string = this.stdout): Buffer {
    return Buffer.concat(this.#out.get(path)?.chunks ?? []);
  }

  type(text: string | Uint8Array): void {
    this.#input?.stdin?.write(text);
  }

  /** Closes the client's end of stdin, as a client does before CloseIO. Resolves when it is closed. */
  async closeInput(): Promise<void> {
    const child = this.#input;
    this.#input = undefined;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.stdin?.end();
    await within('end of the input', 20_000, ended);
  }

  /** Waits until the output matches; as soon as it does, so that this can be timed. */
  async expect(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    const look = () => pattern.exec(this.output);
    try {
      return await this.#changes.until(`${pattern} in the output`, timeoutMs, look);
    } catch (cause) {
      throw new Error(`no ${pattern} in: ${this.output.slice(-2000)} / ${this.errors.slice(-2000)}`, {
        cause,
      });
    }
  }

  /** Resolves when the shim has closed its ends of all outputs, so everything has been read. */
  async ended(timeoutMs = 20_000): Promise<void> {
    const ends = this.#children.map((child) => closed(child));
    await within('EOF of the outputs', timeoutMs, Promise.all(ends));
  }

  /** Stops reading but keeps the FIFOs open: a client that is slow for ever. */
  stall(): void {
    for (const child of this.#children) child.kill('SIGSTOP');
  }

  unstall(): void {
    for (const child of this.#children) child.kill('SIGCONT');
  }

  /** A client that dies: its ends are closed without a word. */
  close(): void {
    for (const child of [...this.#children, this.#input]) child?.kill('SIGKILL');
  }

  #read(path: string): void {
    const sink = { chunks: [] as Buffer[], bytes: 0 };
    this.#out.set(path, sink);
    const child = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.on('data', (chunk: Buffer) => {
      sink.chunks.push(chunk);
      sink.bytes += chunk.length;
      this.#changes.notify();
    });
    this.#children.push(child);
  }

  #openInput(): void {
    const child = spawn('sh', ['-c', 'exec cat > "$0"', this.stdin], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.on('error', () => undefined);
    this.#input = child;
  }
}

function closed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null && child.stdout?.readableEnded !== false) return Promise.resolve();
  return new Promise((resolve) => child.once('close', () => resolve()));
}
