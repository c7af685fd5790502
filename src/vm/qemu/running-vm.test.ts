// A VM with two fake processes: how it ends, and the reason it gives.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import type { Cgroup } from '../../host/cgroup.ts';
import { processRef } from '../../host/process.ts';
import { type PlayedQmp, playQmp } from '../testing/played-qmp.ts';
import type { ChildExit, VmChild } from '../vm-child.ts';
import { QemuVm } from './running-vm.ts';

const ref = processRef(process.pid)!;

/** A process that exits when the test says so, or when it is killed and not stuck in the kernel. */
class PlayedChild {
  readonly name: string;
  readonly ref = ref;
  readonly launcher = ref;
  readonly channels = [];
  readonly exited: Promise<ChildExit>;
  exit: ChildExit | undefined;
  isStuck = false;
  kills = 0;
  said = '';
  readonly #end = Promise.withResolvers<ChildExit>();

  constructor(name: string) {
    this.name = name;
    this.exited = this.#end.promise;
  }

  ends(exit: Partial<ChildExit>): void {
    this.exit ??= { code: null, signal: null, ...exit };
    this.#end.resolve(this.exit);
  }

  kill(): void {
    this.kills++;
    if (!this.isStuck) this.ends({ signal: 'SIGKILL' });
  }

  async end(): Promise<void> {
    this.kill();
    await this.exited;
  }

  stderr = () => this.said;
}

interface Stand {
  readonly vm: QemuVm;
  readonly qemu: PlayedChild;
  readonly files: PlayedChild;
  readonly qmp: PlayedQmp;
  /** QEMU's end of the serial port. */
  readonly console: Duplex;
  /** Our end of the agent's channel. */
  readonly agent: Duplex;
  readonly cgroupKills: number[];
}

function stand(oomKills = 0): Stand {
  const [qemu, files] = [new PlayedChild('qemu'), new PlayedChild('files')];
  const qmp = playQmp(({ id }, peer) => peer.say(`{"return": {}, "id": ${id}}\n`));
  const [agent] = duplexPair();
  const [console, farConsole] = duplexPair();
  const cgroupKills: number[] = [];
  const cgroup = { oomKills: () => oomKills, kill: async () => void cgroupKills.push(1) };
  const vm = new QemuVm({
    qemu: qemu as unknown as VmChild,
    files: files as unknown as VmChild,
    qmp: qmp.client,
    agent: agent as unknown as Socket,
    console: console as unknown as Socket,
    cgroup: cgroup as unknown as Cgroup,
    limits: { vcpus: 1, memoryMib: 128 },
  });
  return { vm, qemu, files, qmp, console: farConsole, agent, cgroupKills };
}

const shutdown = (reason: string) =>
  `${JSON.stringify({ event: 'SHUTDOWN', data: { guest: true, reason } })}\n`;

interface Case {
  readonly oomKills?: number;
  readonly cause: string;
  readonly reason: RegExp;
  end(stand: Stand): unknown;
}

const ends: Record<string, Case> = {
  'is killed': {
    end: ({ vm }) => vm.kill(),
    cause: 'killed',
    reason: /^the VM was killed$/,
  },
  'powers itself off': {
    end({ qmp, qemu }) {
      qmp.say(shutdown('guest-shutdown'));
      qemu.ends({ code: 0 });
    },
    cause: 'guest-powered-off',
    reason: /^the guest powered off$/,
  },
  'resets itself': {
    end({ qmp, qemu, console }) {
      console.write('going down\n');
      qmp.say(shutdown('guest-reset'));
      qemu.ends({ code: 0 });
    },
    cause: 'guest-reset',
    reason: /^the guest reset itself: going down$/,
  },
  'says that it panics': {
    end({ qmp, qemu, console }) {
      console.write('Kernel panic - not syncing: no init\n');
      qmp.say('{"event": "GUEST_PANICKED"}\n');
      qmp.say(shutdown('guest-reset'));
      qemu.ends({ code: 0 });
    },
    cause: 'guest-panicked',
    reason: /^the guest panicked: .*not syncing: no init$/,
  },
  'panics without telling QEMU': {
    end({ qmp, qemu, console }) {
      console.write('[    1.0] Kernel panic - not syncing: no init\n');
      qmp.say(shutdown('guest-reset'));
      qemu.ends({ code: 0 });
    },
    cause: 'guest-panicked',
    reason: /no init/,
  },
  'is killed after it has powered off: the power-off is the cause': {
    end({ qmp, vm }) {
      qmp.say(shutdown('guest-shutdown'));
      return vm.kill();
    },
    cause: 'guest-powered-off',
    reason: /^the guest powered off$/,
  },
  'loses its VMM, which says why': {
    end({ qemu }) {
      qemu.said = 'qemu: out of luck\n';
      qemu.ends({ code: 1 });
    },
    cause: 'vmm-exited',
    reason: /^the VMM exited with code 1: qemu: out of luck$/,
  },
  'is killed by the OOM killer in its cgroup': {
    oomKills: 1,
    end: ({ qemu }) => qemu.ends({ signal: 'SIGKILL' }),
    cause: 'host-out-of-memory',
    reason: /out of memory/,
  },
  'loses its file system daemon by a signal': {
    end({ files }) {
      files.said = 'assertion failed';
      files.ends({ signal: 'SIGABRT' });
    },
    cause: 'files-died',
    reason: /^bulkhead-files died with signal SIGABRT: assertion failed$/,
  },
  'loses its file system daemon by an error': {
    end({ files }) {
      files.ends({ code: 1 });
    },
    cause: 'files-died',
    reason: /died with code 1/,
  },
  'ends, and its daemon exits by itself': {
    end({ qemu, files, qmp }) {
      qmp.say(shutdown('guest-shutdown'));
      files.ends({ code: 0 });
      setImmediate(() => qemu.ends({ code: 0 }));
    },
    cause: 'guest-powered-off',
    reason: /^the guest powered off$/,
  },
  'has a VMM that sends events endlessly': {
    end({ qmp }) {
      qmp.say('{"event": "RTC_CHANGE"}\n'.repeat(1_001));
    },
    cause: 'killed',
    reason: /events without end/,
  },
};

for (const [what, { oomKills, end, cause, reason }] of Object.entries(ends)) {
  test(`a VM that ${what}`, async () => {
    const it = stand(oomKills);
    await end(it);
    const exit = await it.vm.exited;
    assert.equal(exit.cause, cause);
    assert.match(exit.reason, reason);
    assert.ok(it.qemu.exit && it.files.exit, 'no process is left');
    assert.equal(it.cgroupKills.length, 1, 'nor anything that they may have started');
    assert.ok(it.agent.destroyed);
    await it.qmp.client.closed;
    assert.deepEqual(await it.vm.kill(), exit, 'the exit stays the same');
  });
}

test('a kill ends in bounded time when the VMM hangs in the kernel; the exit follows later', async (t) => {
  const { vm, qemu } = stand();
  qemu.isStuck = true;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const killed = vm.kill();
  t.mock.timers.tick(5_000);
  const { cause, reason } = await killed;
  assert.equal(cause, 'killed');
  assert.match(reason, /QEMU does not end after SIGKILL/);
  t.mock.timers.reset();
  qemu.ends({ signal: 'SIGKILL' });
  assert.equal((await vm.exited).cause, 'killed');
});

test('a guest that panics and then does nothing is killed after a while', async (t) => {
  const { vm, qemu, qmp, console } = stand();
  console.write('Kernel panic - not syncing: stuck\n');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  qmp.say('{"event": "GUEST_PANICKED"}\n');
  await vm.pause(); // everything that QEMU sent has been read
  assert.equal(qemu.kills, 0);
  t.mock.timers.tick(3_000);
  t.mock.timers.reset();
  assert.equal((await vm.exited).cause, 'guest-panicked');
});

test("what QEMU cannot do is an error with QEMU's message", async () => {
  const { vm, qemu, qmp } = stand();
  qemu.said = 'no such machine state';
  qmp.end();
  await qmp.client.closed;
  await assert.rejects(vm.pause(), { stage: 'run', message: /QMP stop: .*no such machine state/ });
  await vm.kill();
});
