// Plays a dialogue on a CRI stream (exec, attach) over a websocket. Runs as a program of its own, because the stream's
// server listens in the daemon's network namespace: `stream-client.ts <url>`, dialogue as JSON on stdin, answer as JSON.
import { text } from 'node:stream/consumers';

/** Sends when the output so far matches; either text for stdin or a size for the terminal. */
export interface Step {
  readonly after: string;
  readonly send?: string;
  readonly resize?: { readonly Width: number; readonly Height: number };
}

export interface StreamAnswer {
  readonly stdout: string;
  readonly stderr: string;
  /** The status object that ends an exec; empty for a stream that just ended. */
  readonly status: string;
}

const LIMIT_MS = 60_000;
/** Channels of the subprotocol, by their first byte. */
const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4 } as const;

async function play(url: string, steps: Step[]): Promise<StreamAnswer> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), ['v4.channel.k8s.io']);
  socket.binaryType = 'arraybuffer';
  const output = ['', '', '', ''];
  const send = (to: number, data: string): void =>
    socket.send(Buffer.concat([Buffer.of(to), Buffer.from(data)]));
  const advance = (): void => {
    while (steps[0] !== undefined && new RegExp(steps[0].after).test(output[channel.stdout]!)) {
      const step = steps.shift()!;
      if (step.send !== undefined) send(channel.stdin, step.send);
      if (step.resize !== undefined) send(channel.resize, JSON.stringify(step.resize));
    }
  };
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => over.reject(new Error(`no end; so far ${JSON.stringify(output)}`)),
    LIMIT_MS,
  );
  socket.onopen = advance;
  socket.onerror = (event) =>
    over.reject(new Error(`websocket: ${'message' in event ? event.message : 'failed'}`));
  socket.onclose = () => over.resolve();
  socket.onmessage = ({ data }) => {
    const bytes = Buffer.from(data as ArrayBuffer);
    const from = bytes[0] ?? 0;
    output[from] += bytes.subarray(1).toString();
    advance();
    if (from === channel.status && bytes.length > 1) socket.close();
  };
  await over.promise.finally(() => clearTimeout(timer));
  return { stdout: output[1]!, stderr: output[2]!, status: output[3]! };
}

const url = process.argv[2];
if (url !== undefined) {
  const steps = JSON.parse(await text(process.stdin)) as Step[];
  process.stdout.write(JSON.stringify(await play(url, steps)));
}
