// Runs a command on a pseudo terminal of a given size, with util-linux's script; types into it and waits for text.
import { type ChildProcess, spawn } from 'node:child_process';
import { mustRun } from '../../scripts/stand/command.ts';
import { waitFor } from '../../scripts/stand/wait.ts';

export class Terminal {
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  /** Device of the terminal, such as /dev/pts/3; known once the command has started. */
  #device = '';
  readonly exited: Promise<number>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    child.stdin?.on('error', () => undefined);
    this.exited = new Promise((resolve) => child.on('close', (code) => resolve(code ?? 255)));
  }

  /** Starts the command on a terminal of this size. Rejects when util-linux's script is missing. */
  static async start(
    argv: readonly string[],
    env: NodeJS.ProcessEnv,
    rows = 24,
    columns = 80,
  ): Promise<Terminal> {
    const quoted = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    const line = `echo "terminal=$(tty)"; stty rows ${rows} cols ${columns}; exec ${quoted}`;
    const child = spawn('script', ['-qefc', line, '/dev/null'], {
      env: { ...env, SHELL: '/bin/sh' },
      detached: true,
    });
    const terminal = new Terminal(child);
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    terminal.#device = (await terminal.expect(/terminal=(\/dev\/pts\/\d+)/))[1] ?? '';
    return terminal;
  }

  /** All output so far. */
  get output(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  /** Types the text; a line ends with \r as from a keyboard. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits until the output matches. */
  expect(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    return waitFor(
      `${pattern} on the terminal`,
      () => pattern.exec(this.output) ?? undefined,
      timeoutMs,
    ).catch((cause) => {
      throw new Error(`no ${pattern} in:\n${this.output}`, { cause });
    });
  }

  /** Changes the terminal's size; the command gets SIGWINCH. */
  async resize(rows: number, columns: number): Promise<void> {
    await mustRun('stty', ['-F', this.#device, 'rows', `${rows}`, 'cols', `${columns}`]);
  }

  /** SIGKILL to everything on the terminal. */
  kill(): void {
    try {
      if (this.#child.pid !== undefined && this.#child.exitCode === null)
        process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
}
