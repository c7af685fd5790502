// `start`, with real sockets and a server that only listens in the place of the shim's.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { socketPath } from './address.ts';
import { parseArgs, type ShimArgs } from './args.ts';

const run = promisify(execFile);

/** Answers each connection with its arguments and its pid, and ends when it is told to. */
const SERVER = `
const server = require('node:net').createServer((socket) => {
  socket.write(JSON.stringify({ pid: process.pid, argv: process.argv.slice(2), env: process.env }));
  socket.on('data', () => process.exit()).on('error', () => {});
});
server.listen({ fd: 3 });`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bh-start-'));
  process.env.BULKHEAD_SOCKET_DIR = join(dir, 's');
  writeFileSync(join(dir, 'server.cjs'), SERVER);
});
afterEach(async () => {
  for (const name of sockets()) await (await serverAt(join(dir, 's', name)))?.end();
  rmSync(dir, { recursive: true });
});
/** In a process of its own, as containerd runs it: the socket is the server's alone when that has ended. */
async function start(args: ShimArgs, at: string, node = process.execPath): Promise<string> {
  const code = `
    const { start } = await import('${import.meta.dirname}/start.ts');
    process.argv[1] = '${dir}/shim.cjs';
    process.execPath = '${node}';
    const told = await start(${JSON.stringify(args)}, '${at}').catch((error) => error.message);
    process.stdout.write(told, () => process.exit());`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
  if (stdout.startsWith('unix://')) return stdout;
  throw new Error(stdout);
}

const argsOf = (id: string) => parseArgs(['-namespace', 'n', '-id', id, '-address', '/c.sock', 'start']);
const pathOf = (id: string): string => socketPath('/c.sock', 'n', id);
const sockets = (): string[] => (existsSync(join(dir, 's')) ? readdirSync(join(dir, 's')) : []);
const podOf = (sandboxId: string) => ({
  'io.kubernetes.cri.container-type': 'container',
  'io.kubernetes.cri.sandbox-id': sandboxId,
});

function bundle(id: string, spec?: object | string): string {
  const path = join(dir, id);
  mkdirSync(path);
  const text = typeof spec === 'string' ? spec : JSON.stringify(spec);
  if (spec !== undefined) writeFileSync(join(path, 'config.json'), text);
  return path;
}

interface Answer {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Ends the server. */
  end(): Promise<void>;
}

/** What the server there says; undefined when nobody listens. */
async function serverAt(path: string): Promise<Answer | undefined> {
  const socket = connect(path);
  try {
    const [data] = (await once(socket, 'data')) as [Buffer];
    const end = async () => {
      socket.write('end');
      await once(socket, 'close');
    };
    return { ...(JSON.parse(data.toString()) as Omit<Answer, 'end'>), end };
  } catch {
    return undefined;
  }
}

test('a container of its own gets a server, whose address is told and noted; once', async () => {
  const at = bundle('one', { annotations: {} });
  process.env.NODE_OPTIONS = '--no-deprecation';
  const address = await start(argsOf('one'), at);
  delete process.env.NODE_OPTIONS;
  assert.equal(address, `unix://${pathOf('one')}`);
  assert.equal(readFileSync(join(at, 'address'), 'utf8'), address);
  const server = await serverAt(pathOf('one'));
  const args = ['-namespace', 'n', '-id', 'one', '-address', '/c.sock', '-publish-binary', ''];
  assert.deepEqual(server?.argv, [...args, '-socket', pathOf('one'), 'serve']);
  assert.equal(server?.env.NODE_OPTIONS, undefined, 'nothing of the caller changes our Node');
  assert.equal(await start(argsOf('one'), at), address);
  assert.equal((await serverAt(pathOf('one')))?.pid, server?.pid);
});

test('a container of a pod gets the address of its shim, and nothing is started', async () => {
  await start(argsOf('pod'), bundle('pod', {}));
  const { pid } = (await serverAt(pathOf('pod')))!;
  const at = bundle('member', { annotations: podOf('pod') });
  assert.equal(await start(argsOf('member'), at), `unix://${pathOf('pod')}`);
  assert.equal(readFileSync(join(at, 'address'), 'utf8'), `unix://${pathOf('pod')}`);
  assert.equal((await serverAt(pathOf('pod')))?.pid, pid);
  assert.equal(sockets().length, 1);
});

test('a container of a pod whose shim is gone is refused, also when its socket was left', async () => {
  const at = bundle('member', { annotations: podOf('pod') });
  const refused = /container member belongs to sandbox pod, but no shim answers at .*\/s\/[0-9a-f]{64}: /;
  await assert.rejects(start(argsOf('member'), at), refused);
  mkdirSync(join(dir, 's'));
  writeFileSync(pathOf('pod'), '');
  await assert.rejects(start(argsOf('member'), at), refused);
  assert.ok(!existsSync(join(at, 'address')));
});

test('a socket that a dead shim has left is replaced', async () => {
  mkdirSync(join(dir, 's'));
  const dead = createServer().listen(`${pathOf('one')}.old`);
  await once(dead, 'listening');
  // Closing would remove it by the name that it had.
  renameSync(`${pathOf('one')}.old`, pathOf('one'));
  dead.close();
  await start(argsOf('one'), bundle('one', {}));
  assert.equal((await serverAt(pathOf('one')))?.argv[3], 'one');
});

test('a bundle without a spec is that of a pod of the sandbox API', async () => {
  assert.equal(await start(argsOf('pod'), bundle('pod')), `unix://${pathOf('pod')}`);
});

test('what cannot be placed, read or kept is refused with a reason, and no server runs', async () => {
  const cases: [string, object | string, RegExp][] = [
    ['a', '{"annotations": ', /cannot read the OCI spec .*a\/config\.json: /],
    ['b', { annotations: 'none' }, /b\/config\.json: annotations must be an object/],
    [
      'c',
      { annotations: { 'io.kubernetes.cri.container-type': 'container' } },
      /container c cannot be placed: /,
    ],
  ];
  for (const [id, spec, reason] of cases) await assert.rejects(start(argsOf(id), bundle(id, spec)), reason);
  await assert.rejects(start(argsOf('d'), join(dir, 'no-bundle')), /ENOENT.*no-bundle\/address/);
  await assert.rejects(start(argsOf(''), dir), /flag -id is missing/);
  process.env.BULKHEAD_SOCKET_DIR = join(dir, 'x'.repeat(60));
  await assert.rejects(start(argsOf('e'), bundle('e', {})), /set BULKHEAD_SOCKET_DIR to a shorter folder/);
  process.env.BULKHEAD_SOCKET_DIR = join(dir, 'server.cjs/s');
  await assert.rejects(start(argsOf('f'), bundle('f', {})), /cannot listen at .*server\.cjs\/s/);
  assert.deepEqual(sockets(), []);
});

test('a server that cannot be started leaves no socket', async () => {
  const starting = start(argsOf('one'), bundle('one', {}), join(dir, 'none'));
  await assert.rejects(starting, /cannot start the shim's server: .*ENOENT/);
  assert.deepEqual(sockets(), []);
});
