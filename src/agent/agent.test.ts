import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { Code, TtrpcError } from 'ttrpc-ts';
import type { CreateContainerRequest, CreateSandboxRequest, ExecProcessRequest } from '../gen/agent.ts';
import { type RunnableSpec, SpecError } from '../oci/spec.ts';
import { connectAgent, type GuestAgent } from './agent.ts';
import { AgentError, cleanText } from './agent-error.ts';
import { type AgentHandlers, type PlayedAgent, playAgent } from './testing/played-agent.ts';

async function connect(
  handlers: AgentHandlers,
  version?: string,
): Promise<{ agent: GuestAgent; guest: PlayedAgent }> {
  const guest = playAgent(handlers, version === undefined ? {} : { version });
  return { agent: await connectAgent(guest.host, { timeoutMs: 5_000, requestMs: 200 }), guest };
}

async function errorOf(promise: Promise<unknown>): Promise<AgentError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof AgentError, String(error));
    return error;
  }
  return assert.fail('no error');
}

const spec: RunnableSpec = {
  ociVersion: '1.1.0',
  process: { args: ['sh'], cwd: '/', rlimits: [{ type: 'RLIMIT_CORE', hard: 2n ** 64n - 1n, soft: 0 }] },
  root: { path: '/guest/rootfs' },
  linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }] },
};

test('the agent is recognized by its version', async () => {
  const ours = await connect({});
  assert.equal(ours.agent.version, 'bulkhead-agent/0.1.0');
  assert.equal(ours.agent.isOurs, true);
  const other = await connect({}, '4.1.0\x1b[2J');
  assert.equal(other.agent.version, '4.1.0 [2J');
  assert.equal(other.agent.isOurs, false);
});

test('a guest that does not boot in time: the error carries the last lines of its console', async () => {
  const [near] = duplexPair();
  const host = {
    agent: near,
    exited: new Promise<never>(() => {}),
    console: () => `${'old\n'.repeat(50)}panic: no init\n`,
  };
  const error = await errorOf(connectAgent(host, { timeoutMs: 30, requestMs: 100 }));
  assert.equal(error.code, Code.DeadlineExceeded);
  assert.match(
    error.message,
    /did not report ready within 30 ms; last lines of its console:\n(old\n){19}panic: no init$/,
  );
  assert.equal(near.destroyed, true);
});

test('a VM that ends while it boots: the error says why', async () => {
  const [near, far] = duplexPair();
  const exited = Promise.resolve({ reason: 'vmm exited with code 1' });
  const connecting = connectAgent(
    { agent: near, exited, console: () => '' },
    { timeoutMs: 5_000, requestMs: 100 },
  );
  far.destroy();
  near.destroy();
  const error = await errorOf(connecting);
  assert.equal(error.code, Code.Unavailable);
  assert.match(error.message, /the VM ended: vmm exited with code 1/);
});

test('waiting for the guest can be aborted', async () => {
  const [near] = duplexPair();
  const abort = new AbortController();
  const host = { agent: near, exited: new Promise<never>(() => {}), console: () => '' };
  const connecting = connectAgent(host, { timeoutMs: 5_000, requestMs: 100, signal: abort.signal });
  abort.abort();
  assert.equal((await errorOf(connecting)).code, Code.Canceled);
});

test('an agent that does not serve is an error', async () => {
  const guest = playAgent({}, { status: 2 });
  const error = await errorOf(connectAgent(guest.host, { timeoutMs: 1_000, requestMs: 100 }));
  assert.match(error.message, /does not serve \(status 2\)/);
});

test('our agent gets the spec as JSON, another one as protobuf', async () => {
  const requests: CreateContainerRequest[] = [];
  const handlers: AgentHandlers = {
    createContainer: (request) => {
      requests.push(request);
      return {};
    },
  };
  const ours = await connect(handlers);
  const other = await connect(handlers, '4.1.0');
  await ours.agent.createContainer('c1', { spec });
  await other.agent.createContainer('c1', { spec, sandboxPidns: true });
  const [json, proto] = requests;
  assert.ok(json && proto);
  assert.match(Buffer.from(json.specJson).toString(), /"hard":18446744073709551615/);
  assert.equal(json.oci?.process, undefined);
  assert.equal(json.execId, 'c1');
  assert.equal(proto.specJson.length, 0);
  assert.deepEqual(proto.oci?.process?.args, ['sh']);
  assert.deepEqual(
    proto.oci?.linux?.namespaces.map(({ type }) => type),
    ['mount'],
  );
  assert.equal(proto.sandboxPidns, true);
});

test('the sandbox always has the share, and a host name that Linux can take', async () => {
  const requests: CreateSandboxRequest[] = [];
  const { agent } = await connect({
    createSandbox: (request) => {
      requests.push(request);
      return {};
    },
  });
  const shm = {
    driver: 'ephemeral',
    source: 'shm',
    fstype: 'tmpfs',
    mountPoint: '/run/kata-containers/sandbox/shm',
  };
  await agent.createSandbox({
    sandboxId: 's',
    hostname: 'h'.repeat(80),
    dns: ['nameserver 1.1.1.1'],
    storages: [shm],
  });
  const [request] = requests;
  assert.deepEqual(
    request?.storages.map(({ source }) => source),
    ['kataShared', 'shm'],
  );
  assert.equal(request?.hostname.length, 64);
  assert.deepEqual(request?.dns, ['nameserver 1.1.1.1']);
});

test('the terminal of an exec is that of the request', async () => {
  const requests: ExecProcessRequest[] = [];
  const handlers: AgentHandlers = {
    execProcess: (request) => {
      requests.push(request);
      return {};
    },
  };
  const json = Buffer.from('{"args":["id"],"cwd":"/","terminal":true,"apparmorProfile":"x"}');
  const ours = await connect(handlers);
  await ours.agent.execProcess('c', 'e', json, false);
  assert.deepEqual(JSON.parse(Buffer.from(requests[0]?.processJson ?? []).toString()), {
    args: ['id'],
    cwd: '/',
    terminal: false,
  });
  const other = await connect(handlers, 'kata');
  await other.agent.execProcess('c', 'e', json);
  assert.equal(requests[1]?.process?.terminal, true);
  await assert.rejects(ours.agent.execProcess('c', 'e', Buffer.from('{"args":[]}')), SpecError);
});

test('an exit status is valid, whatever the guest says', async () => {
  const statuses = [0, 143, 255, 256, -1, 0x7fffffff];
  const { agent } = await connect({ waitProcess: () => ({ status: statuses.shift() ?? 0 }) });
  const results: number[] = [];
  for (let i = 0; i < 6; i += 1) results.push(await agent.waitProcess('c', ''));
  assert.deepEqual(results, [0, 143, 255, 255, 255, 255]);
});

test('output is never more than requested, input is never miscounted', async () => {
  let taken = 3;
  const { agent } = await connect({
    readStdout: ({ len }) => ({ data: Buffer.alloc(len) }),
    readStderr: ({ len }) => ({ data: Buffer.alloc(len + 1) }),
    writeStdin: () => ({ len: taken }),
  });
  const streams = agent.streams('c', '');
  assert.equal((await streams.readStdout(70_000)).length, 70_000);
  assert.match(
    (await errorOf(streams.readStderr(10))).message,
    /sent 11 bytes of output where 10 were asked for/,
  );
  assert.equal(await streams.writeStdin(Buffer.alloc(5)), 3);
  taken = 6;
  assert.match((await errorOf(streams.writeStdin(Buffer.alloc(5)))).message, /took 6 of 5 bytes/);
  taken = 0;
  assert.match((await errorOf(streams.writeStdin(Buffer.alloc(5)))).message, /took 0 of 5 bytes/);
});

test('errors of the guest say what was done, in clean text, with a code that means something', async () => {
  const thrown = [
    new TtrpcError(Code.NotFound, 'no such process'),
    new TtrpcError(Code.Unavailable, 'ttrpc: closed'),
    new TtrpcError(Code.OK, 'fine'),
    new TtrpcError(1234, `\x1b[31mred\nline\x07${'x'.repeat(5_000)}`),
  ];
  const { agent } = await connect({
    startContainer: () => {
      throw thrown.shift();
    },
  });
  const errors: AgentError[] = [];
  for (let i = 0; i < 4; i += 1) {
    const failed = agent.startContainer('c1').catch((error: AgentError) => errors.push(error));
    await failed;
  }
  assert.deepEqual(errors.map(({ code }) => code).slice(0, 2), [Code.NotFound, Code.Internal]);
  assert.equal(errors[0]?.message, 'starting container c1: no such process');
  const last = errors.at(-1);
  assert.equal(last?.code, Code.Internal);
  assert.match(last?.message ?? '', /^starting container c1: \[31mred line x+\.\.\.$/);
  assert.ok((last?.message.length ?? 0) < 1_200);
});

test('a guest that does not answer costs the request time, and delays no other call', async () => {
  const { agent } = await connect({
    pauseContainer: () => new Promise(() => {}),
    resumeContainer: () => ({}),
  });
  const paused = agent.pauseContainer('c1');
  await agent.resumeContainer('c1');
  const error = await errorOf(paused);
  assert.equal(error.code, Code.DeadlineExceeded);
  assert.match(error.message, /pausing container c1: the guest agent did not answer within \d+ ms/);
  assert.equal(agent.isClosed, false);
});

test('when the VM goes every call ends with the same clear error, and later ones too', async () => {
  const { agent, guest } = await connect({
    waitProcess: () => new Promise(() => {}),
    readStdout: () => new Promise(() => {}),
    getOOMEvent: () => new Promise(() => {}),
  });
  const calls = [agent.waitProcess('c', ''), agent.streams('c', 'e').readStdout(10)];
  const watching = agent.watchOom(() => {});
  setTimeout(() => guest.die('killed'), 20);
  for (const call of calls) {
    const error = await errorOf(call);
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.message, /the connection to the guest agent is gone: the VM ended: killed$/);
  }
  await agent.closed;
  await watching;
  assert.equal(agent.isClosed, true);
  assert.equal((await errorOf(agent.startContainer('c'))).code, Code.Unavailable);
});

test('a connection that breaks while the VM runs: the error has the last words of the guest', async () => {
  const { agent, guest } = await connect({ waitProcess: () => new Promise(() => {}) });
  const waiting = errorOf(agent.waitProcess('c', ''));
  guest.host.agent.destroy();
  assert.match(
    (await waiting).message,
    /agent is gone: .*last lines of its console:\nfirst line\nKernel panic$/,
  );
});

test('OOM events are reported one at a time', async () => {
  const events = ['c1', 'c2\n'];
  const { agent, guest } = await connect({
    getOOMEvent: () => {
      const containerId = events.shift();
      return containerId === undefined ? new Promise<never>(() => {}) : { containerId };
    },
  });
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  void agent.watchOom((id) => {
    seen.push(id);
    if (seen.length === 2) resolve();
  });
  await promise;
  assert.deepEqual(seen, ['c1', 'c2']);
  guest.die('end');
});

test('cleanText: no control or direction characters, bounded', () => {
  assert.equal(cleanText('a\u0000b\u202ec\r\nd'), 'a b c d');
  assert.equal(cleanText('x'.repeat(20), 5), 'xxxxx...');
});
