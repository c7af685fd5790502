/**
 * The shim's server: one process per sandbox, on the socket that `start` bound and passed as fd 3. It is kept lean,
 * because every pod pays for its start and memory: pino and the TOML parser are loaded when first needed.
 */
import { existsSync, rmSync } from 'node:fs';
import { Server } from 'ttrpc-ts';
import { messageOf } from '../base/errors.ts';
import { TaskV2, TaskV3 } from '../gen/task.ts';
import { reopenNonBlocking } from '../host/descriptor.ts';
import { looks } from '../host/look.ts';
import { OwnCgroup } from '../host/own-cgroup.ts';
import { parseArgs } from './args.ts';
import type { ShimContext } from './context.ts';
import { EventPublisher } from './events.ts';
import { IdleMemory } from './idle-memory.ts';
import { createLog } from './log.ts';
import { wireEvent } from './publish.ts';
import { TaskService, taskHandlers } from './task-service.ts';

/**
 * A shim that has had no task for this long was left by a containerd that died during Create or Delete: nobody will
 * ask it to shut down, so it ends itself. Normally containerd's next call comes within milliseconds in both cases.
 */
const UNUSED_MS = 20_000;
/** How long the end waits for running calls and for containerd to close its connections. */
const SERVER_END_MS = 2_500;
/** How long containerd may take to close a connection after an answer on it. */
const PEER_CLOSES_MS = 2_000;
/** How long the end waits for events to reach containerd. */
const FLUSH_MS = 3_000;
/** Limit for the whole end; each of its parts has its own. */
const END_MS = 30_000;

/** Node waits for its threads when it exits, also for one that a file system of the host never answers; the kernel does not. */
function exit(code: number): never {
  if (looks.isHanging) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

async function serve(): Promise<void> {
  const args = parseArgs(process.argv.slice(2));
  const fields = { ns: args.namespace, sandbox: args.id };
  const log = createLog({ debug: args.debug, fields, fd: reopenNonBlocking(2) });
  const publisher = new EventPublisher({
    address: process.env.TTRPC_ADDRESS ?? '',
    namespace: args.namespace,
  });
  const server = new Server();
  let isEnding = false;

  /** @param code exit code; not 0 if nobody asked for the end. */
  async function end(reason: string, code = 0): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    log(code === 0 ? 'debug' : 'error', 'shim ends', { reason });
    // If something hangs, containerd's delete removes the rest.
    setTimeout(() => exit(1), END_MS);
    try {
      await service.end(reason);
      rmSync(args.socket, { force: true });
      await server.shutdown({ timeoutMs: SERVER_END_MS, graceMs: PEER_CLOSES_MS });
      await publisher.flush({ timeoutMs: FLUSH_MS });
    } catch (error) {
      log('error', 'the end of the shim failed', { error: messageOf(error) });
      code = 1;
    } finally {
      await log.flush();
      exit(code);
    }
  }
  const context: ShimContext = {
    namespace: args.namespace,
    socket: args.socket,
    cgroup: new OwnCgroup(),
    log,
    emit: (event) => {
      const { topic, type, value } = wireEvent(event);
      publisher.publish(topic, type, value);
    },
    exit: () => void end('containerd asked for it'),
  };
  const service = new TaskService(context);
  const memory = new IdleMemory();
  const handlers = taskHandlers(service, () => memory.active());
  server.add(TaskV2, handlers);
  server.add(TaskV3, handlers);
  if (!existsSync('config.json')) {
    // A sandbox's bundle without a container: containerd uses the sandbox API.
    const { addSandboxService } = await import('./sandbox-service.ts');
    addSandboxService(server, context, service, () => memory.active());
  }

  process.on('SIGTERM', () => void end('SIGTERM'));
  process.on('SIGINT', () => void end('SIGINT'));
  // The shim's state can no longer be trusted, so it must not keep a VM.
  process.on('uncaughtException', (error) => {
    log('error', 'bug in the shim', { error: error.stack ?? error.message });
    void end(`bug in the shim: ${error.message}`, 1);
  });
  let wasIdle = false;
  setInterval(() => {
    if (service.isIdle && wasIdle) void end('no task');
    wasIdle = service.isIdle;
  }, UNUSED_MS / 2).unref();
  memory.active();
  await server.listen({ fd: 3 });
  log('debug', 'shim serves', { ms: Math.round(performance.now()) });
}

void serve();
