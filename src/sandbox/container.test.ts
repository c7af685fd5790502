import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { GuestAgent } from '../agent/agent.ts';
import { ShimError } from '../base/errors.ts';
import { Container, type ContainerContext } from './container.ts';
import { Process, type ProcessIo } from './process.ts';
import { label, PlayedIo } from './testing/played-io.ts';

const PATHS = { stdin: '', stdout: '', stderr: '', terminal: false };
const SPEC = new Uint8Array([123, 125]);

/** A guest that does what it is told, when it is told: the test ends its processes. */
class FakeGuest {
  isClosed = false;
  readonly calls: string[] = [];
  readonly waits = new Map<string, PromiseWithResolvers<number>>();
  fails = new Map<string, Error>();
  answer: Promise<void> = Promise.resolve();

  async #call(name: string): Promise<void> {
    this.calls.push(name);
    await this.answer;
    const error = this.fails.get(name.split(' ')[0]!);
    if (error) throw error;
  }
  streams = () => ({});
  startContainer = () => this.#call('start');
  execProcess = (_id: string, execId: string) => this.#call(`exec ${execId}`);
  signalProcess = (_id: string, execId: string, signal: number) => this.#call(`signal ${execId} ${signal}`);
  pauseContainer = () => this.#call('pause');
  resumeContainer = () => this.#call('resume');
  updateContainer = () => this.#call('update').then(() => []);
  resizeTerminal = (_id: string, _exec: string, rows: number, columns: number) =>
    this.#call(`resize ${rows}x${columns}`);
  waitProcess = (_id: string, execId: string) => {
    const wait = Promise.withResolvers<number>();
    this.waits.set(execId, wait);
    return wait.promise;
  };
  exit(execId: string, status: number): void {
    this.waits.get(execId)!.resolve(status);
  }
}

let guest: FakeGuest;
let events: string[];
let givenUp: string | undefined;
let beforeExit: () => void | Promise<void>;
let container: Container;

beforeEach(() => {
  guest = new FakeGuest();
  events = [];
  givenUp = undefined;
  beforeExit = () => {};
  container = newContainer(new PlayedIo());
});

function newContainer(io: ProcessIo, paths = PATHS): Container {
  const context: ContainerContext = {
    agent: guest as unknown as GuestAgent,
    pid: 42,
    timeouts: { bootMs: 1000, requestMs: 1000, drainMs: 1000, stopMs: 30 },
    emit: (event) => events.push(label(event)),
    beforeUpdate: async () => () => {},
    beforeStart: async () => {},
    afterStart: async () => {},
    beforeExit: async () => beforeExit(),
    afterDelete: async () => {},
    giveUp: (reason) => {
      givenUp = reason;
    },
    log: () => {},
  };
  return new Container(context, 'c', '/b', [], new Process('c', '', paths, io));
}

async function running(): Promise<void> {
  container.created();
  await container.start('');
}

async function addExec(id: string, io: ProcessIo = new PlayedIo()): Promise<void> {
  await container.exec(id, SPEC, PATHS, async () => io);
}

const code = (expected: string) => (error: unknown) => error instanceof ShimError && error.code === expected;

describe('a container', () => {
  test('is created, runs, exits and is deleted, and containerd hears of it in that order', async () => {
    await running();
    guest.exit('', 7);
    assert.equal((await container.init.exited).status, 7);
    assert.equal((await container.delete(async () => {})).status, 7);
    assert.deepEqual(events, ['create', 'start', 'exit c 7', 'delete']);
  });

  test('an exit before the answer to Start is published after the start', async () => {
    container.created();
    const gate = Promise.withResolvers<void>();
    guest.answer = gate.promise;
    const start = container.start('');
    await turn();
    guest.exit('', 0);
    await turn();
    assert.deepEqual(events, ['create']);
    gate.resolve();
    await start;
    await container.init.exited;
    assert.deepEqual(events, ['create', 'start', 'exit c 0']);
  });

  test('its exit is reported after its output', async () => {
    const io = new PlayedIo(false);
    container = newContainer(io);
    await running();
    guest.exit('', 0);
    await turn();
    assert.deepEqual(events, ['create', 'start']);
    assert.equal(container.init.state.t, 'running');
    io.drained.resolve('drained');
    await container.init.exited;
    assert.ok(io.closed, 'containerd waits for the end of the FIFOs before it deletes the task');
  });

  test('a stuck reader delays the exit no further and keeps its FIFO', async () => {
    const io = new PlayedIo(false);
    container = newContainer(io);
    await running();
    guest.exit('', 0);
    io.drained.resolve('stalled');
    await container.init.exited;
    assert.ok(!io.closed);
  });

  test('killed before its start exits all the same', async () => {
    container.created();
    await container.kill('', 9, true);
    guest.exit('', 137);
    assert.equal((await container.init.exited).status, 137);
  });

  test('cannot be deleted while it runs, nor started twice', async () => {
    await running();
    await assert.rejects(
      container.delete(async () => {}),
      code('failed-precondition'),
    );
    await assert.rejects(container.start(''), code('failed-precondition'));
  });

  test('a failed start leaves it deletable, and a wait returns', async () => {
    container.created();
    guest.fails.set('start', new Error('no such file'));
    await assert.rejects(container.start(''), /no such file/);
    assert.equal((await container.init.exited).status, 128);
    await container.delete(async () => {});
    assert.deepEqual(events, ['create', 'delete']);
  });

  test('whose delete failed can be deleted again, and then not once more', async () => {
    await running();
    guest.exit('', 0);
    await container.init.exited;
    await assert.rejects(
      container.delete(async () => Promise.reject(new Error('the host is busy'))),
      /the host is busy/,
    );
    await container.delete(async () => {});
    assert.deepEqual(events.slice(2), ['exit c 0', 'delete']);
    await assert.rejects(
      container.delete(async () => {}),
      code('not-found'),
    );
  });

  test('takes execs along that were never started: who waits for them goes on', async () => {
    await running();
    await addExec('e');
    const waiting = container.process('e').exited;
    guest.exit('', 0);
    await container.init.exited;
    await container.delete(async () => {});
    assert.equal((await waiting).status, 0);
  });

  test('pauses and resumes', async () => {
    await running();
    await container.pause();
    assert.ok(container.isPaused);
    await container.resume();
    assert.deepEqual(events.slice(2), ['paused', 'resumed']);
  });

  test('a resize before the start is applied after it, 0x0 never', async () => {
    container = newContainer(new PlayedIo(), { ...PATHS, terminal: true });
    container.created();
    await container.resize('', { width: 80, height: 24 });
    await container.start('');
    await container.resize('', { width: 0, height: 0 });
    assert.deepEqual(guest.calls, ['start', 'resize 24x80']);
  });
});

describe('a kill', () => {
  test('of a finished process answers that it is gone, whatever the signal', async () => {
    await running();
    guest.exit('', 0);
    await container.init.exited;
    for (const signal of [0, 9, 15])
      await assert.rejects(container.kill('', signal, false), code('not-found'));
  });

  test('while the connection to the guest breaks is done: the VM ends, and every process with it', async () => {
    await running();
    guest.fails.set('signal', new Error('connection lost'));
    guest.isClosed = true;
    await container.kill('', 9, true);
  });

  test('of an exec that was not started is refused', async () => {
    await running();
    await addExec('e');
    await assert.rejects(container.kill('e', 9, false), code('failed-precondition'));
  });

  test('that the guest does not carry out gives the VM up', async () => {
    await running();
    await container.kill('', 9, true);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.match(givenUp ?? '', /did not end within 30 ms after SIGKILL/);
  });

  test('is carried out when the process has ended, however slowly its output is read', async () => {
    const io = new PlayedIo(false);
    container = newContainer(io);
    await running();
    await container.kill('', 9, true);
    guest.exit('', 137);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(givenUp, undefined);
    io.drained.resolve('drained');
    assert.equal((await container.init.exited).status, 137);
  });

  test('of an exec that is being started comes after its start', async () => {
    await running();
    await addExec('e');
    const gate = Promise.withResolvers<void>();
    guest.answer = gate.promise;
    const started = container.start('e');
    await turn();
    const killed = container.kill('e', 9, false);
    await turn();
    assert.deepEqual(guest.calls, ['start', 'exec e']);
    gate.resolve();
    await Promise.all([started, killed]);
    assert.deepEqual(guest.calls, ['start', 'exec e', 'signal e 9']);
    guest.exit('e', 137);
    await container.process('e').exited;
  });

  test('of an exec that cannot be started is over with it, and the VM lives', async () => {
    await running();
    await addExec('e');
    guest.fails.set('exec', new Error('executable not found'));
    const gate = Promise.withResolvers<void>();
    guest.answer = gate.promise;
    const started = container.start('e');
    await turn();
    const killed = container.kill('e', 9, false);
    await turn();
    gate.resolve();
    await assert.rejects(started, /not found/);
    await assert.rejects(killed, code('not-found'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(givenUp, undefined);
  });

  test('returns although the guest does not answer', async () => {
    await running();
    guest.answer = new Promise(() => {});
    const keepAlive = setInterval(() => {}, 1000);
    for (const signal of [15, 9]) await container.kill('', signal, true);
    clearInterval(keepAlive);
  });
});

describe('an exec', () => {
  test('lives beside the init', async () => {
    await running();
    await addExec('e');
    await container.start('e');
    guest.exit('e', 3);
    assert.equal((await container.process('e').exited).status, 3);
    assert.equal((await container.deleteExec('e')).status, 3);
    assert.throws(() => container.process('e'), code('not-found'));
    assert.deepEqual(events.slice(2), ['exec added e', 'exec started e', 'exit e 3']);
  });

  test('has an id of its own', async () => {
    await running();
    await addExec('e');
    await assert.rejects(addExec('e'), code('already-exists'));
  });

  test('that cannot be started stays created, a wait returns and it can be deleted', async () => {
    await running();
    await addExec('e');
    guest.fails.set('exec', new Error('executable not found'));
    await assert.rejects(container.start('e'), /not found/);
    assert.equal(container.process('e').state.t, 'failed');
    assert.equal(guest.calls.at(-1), 'signal e 9', 'the guest may have started it all the same');
    await container.process('e').exited;
    await container.deleteExec('e');
  });

  test('is not started in a container that has exited', async () => {
    await running();
    await addExec('e');
    guest.exit('', 0);
    await container.init.exited;
    await assert.rejects(container.start('e'), code('failed-precondition'));
  });

  test('exits before the init, also when the guest reports it later', async () => {
    await running();
    await addExec('e');
    await container.start('e');
    guest.exit('', 0);
    await turn();
    guest.exit('e', 137);
    await container.init.exited;
    assert.deepEqual(events.slice(-2), ['exit e 137', 'exit c 0']);
  });

  test('that is being started exits before the init, too', async () => {
    await running();
    await addExec('e');
    const gate = Promise.withResolvers<void>();
    guest.answer = gate.promise;
    const started = container.start('e');
    await turn();
    guest.exit('', 0);
    await turn();
    gate.resolve();
    await started;
    guest.exit('e', 137);
    await container.init.exited;
    assert.deepEqual(events.slice(-3), ['exec started e', 'exit e 137', 'exit c 0']);
  });
});

test('the death of the VM during a start is an exit, not a failed start', async () => {
  container.created();
  guest.fails.set('start', new Error('connection lost'));
  guest.isClosed = true;
  await assert.rejects(container.start(''), /connection lost/);
  await container.vmGone();
  assert.equal(container.init.state.t, 'exited');
  assert.equal(container.init.exit?.status, 137);
  await container.delete(async () => {});
});

describe('what is done before the exit of the init is reported', () => {
  test('is over then, and the death of the VM in it leaves the status as it was', async () => {
    await running();
    beforeExit = async () => {
      beforeExit = () => {};
      assert.equal(container.init.state.t, 'running');
      await container.vmGone();
    };
    guest.exit('', 7);
    assert.equal((await container.init.exited).status, 7);
    assert.deepEqual(events.slice(-1), ['exit c 7']);
    await turn();
    assert.equal(events.filter((event) => event.startsWith('exit')).length, 1);
  });

  test('does not happen while a slow reader has output in the guest, of the init or of an exec', async () => {
    let count = 0;
    beforeExit = () => {
      count++;
    };
    const io = new PlayedIo(false);
    await running();
    await addExec('e', io);
    await container.start('e');
    guest.exit('e', 0);
    await turn();
    io.drained.resolve('stalled');
    await container.process('e').exited;
    guest.exit('', 0);
    await container.init.exited;
    assert.equal(count, 0);
  });
});

test('the death of the VM is a non-zero exit of every process, execs first', async () => {
  await running();
  await addExec('e');
  await container.start('e');
  await container.vmGone();
  assert.deepEqual(events.slice(-2), ['exit e 137', 'exit c 137']);
});
