// Our client against the second peer: the Rust ttrpc of the guest agent, on a unix socket of the host.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Client, Code, type Connection, connect, createClient, TtrpcError } from 'ttrpc-ts';
import { HealthService } from '../../src/gen/agent.ts';

const target = process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, '../../build/cargo');
const binary = globSync(`${target}/*/release/bulkhead-agent`)[0];
const skip = binary === undefined && 'THE GUEST AGENT IS NOT BUILT: RUST TTRPC WAS NOT TESTED (make guest)';
if (skip !== false) console.error(`\n*** ${skip} ***\n`);

/** Connects once the agent listens; gives up after five seconds. */
async function connectSoon(path: string): Promise<Connection> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await connect({ path });
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }
}

describe('our client, agent in Rust', { skip, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ttrpc-agent-'));
  const path = join(folder, 'agent.sock');
  let agent: ChildProcess;
  let connection: Connection;
  let client: Client<typeof HealthService>;

  before(async () => {
    const args = ['--listen', `unix://${path}`, '--state', join(folder, 'state')];
    agent = spawn(binary ?? '', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    connection = await connectSoon(path);
    client = createClient(HealthService, connection);
  });

  after(async () => {
    connection?.close();
    const exit = once(agent, 'exit');
    agent.kill('SIGKILL');
    await exit;
    rmSync(folder, { recursive: true, force: true });
  });

  test('one call, many at once, with metadata and time limit', async () => {
    const { agentVersion } = await client.version({}, { timeoutMs: 5000, metadata: { k: ['v', 'w'] } });
    assert.match(agentVersion, /^bulkhead-agent\/\d/);
    const replies = await Promise.all(Array.from({ length: 2000 }, () => client.version({})));
    assert.ok(replies.every((reply) => reply.agentVersion === agentVersion));
    assert.ok(await client.check({}));
  });

  test('unknown service and method', async () => {
    const version = HealthService.methods.version;
    const method = { version: { ...version, name: 'Nothing' } };
    const refused = (error: unknown): boolean => {
      assert.ok(error instanceof TtrpcError);
      // Rust's ttrpc says InvalidArgument of a service that it does not know.
      return error.code === Code.Unimplemented || error.code === Code.InvalidArgument;
    };
    await assert.rejects(
      createClient({ name: 'grpc.Health', methods: method }, connection).version({}),
      refused,
    );
    await assert.rejects(
      createClient({ name: 'no.Such', methods: { version } }, connection).version({}),
      refused,
    );
    assert.ok(await client.check({}));
  });

  test('a frame of almost 4 MiB is read, one above is answered and skipped', async () => {
    const raw = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes };
    // An unknown field of the request: 0x7a is field 15, length-delimited.
    const size = (4 << 20) - 100;
    const filler = Buffer.alloc(size);
    filler.set([
      0x7a,
      0x80 | ((size - 5) & 0x7f),
      0x80 | (((size - 5) >> 7) & 0x7f),
      0x80 | (((size - 5) >> 14) & 0x7f),
    ]);
    filler[4] = (size - 5) >> 21;
    const methods = { version: { ...HealthService.methods.version, request: raw } };
    const large = createClient({ name: 'grpc.Health', methods }, connection);
    assert.match((await large.version(filler)).agentVersion, /^bulkhead-agent/);

    const socket = connectSocket(path);
    const header = Buffer.from('00400001000000010100', 'hex');
    socket.write(header);
    socket.write(Buffer.alloc((4 << 20) + 1));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.equal(answer.readUInt32BE(4), 1);
    assert.equal(answer[8], 2);
    assert.deepEqual([answer[10], answer[12], answer[13]], [0x0a, 0x08, Code.ResourceExhausted]);
    socket.destroy();
    assert.ok(await client.check({}));
  });
});
