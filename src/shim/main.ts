/**
 * `containerd-shim-bulkhead-v2`, which containerd, CRI-O and dockerd run. `start` and `delete` take only milliseconds,
 * so this entry loads only what the action needs; the server is a separate program (server.ts).
 */
import { parseArgs, type ShimArgs } from './args.ts';
import { start } from './start.ts';
import { VERSION } from './version.ts';

const USAGE = `containerd-shim-bulkhead-v2 ${VERSION}: a containerd shim that gives every pod its own VM.
It is started by containerd or CRI-O, as runtime type io.containerd.bulkhead.v2; see "bulkhead --help" for people.
`;

async function run(args: ShimArgs): Promise<string | Uint8Array> {
  switch (args.action) {
    case 'start':
      return start(args, process.cwd());
    case 'delete':
      return (await import('./delete.ts')).deleteTask(args, args.bundle || process.cwd());
    case 'info':
      return (await import('./info.ts')).runtimeInfo();
    case 'version':
      return `containerd-shim-bulkhead-v2 ${VERSION}\n`;
    case 'help':
      return USAGE;
    case 'serve':
      throw new Error('serve belongs to server.cjs, which start runs');
  }
}

async function main(): Promise<void> {
  try {
    const output = await run(parseArgs(process.argv.slice(2)));
    process.stdout.write(output, () => process.exit(0));
  } catch (error) {
    // containerd shows this text to its user as the reason why the container did not start.
    process.stderr.write(`bulkhead: ${(error as Error).message}\n`, () => process.exit(1));
  }
}

void main();
