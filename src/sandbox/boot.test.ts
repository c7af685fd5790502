// A boot with a played VM: whatever fails in it, and whenever it is given up, nothing is left and the id is free.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { CreateContainer } from './request.ts';
import { Sandbox } from './sandbox.ts';
import { PlayedHost, specOf, usePlayedHosts } from './testing/played-host.ts';

usePlayedHosts();
const options = { timeout: 30_000 };
const never = new AbortController().signal;

const boot = (host: PlayedHost, first: CreateContainer, signal = never, settings = {}): Promise<Sandbox> =>
  Sandbox.boot(host.context, host.bootRequest(first, settings), signal);

/**
 * From now on the helper for mounts hangs at those of a source, as with a file system that does not answer.
 * @returns when it does.
 */
function hangingMounts(t: TestContext, host: PlayedHost, source: string): Promise<unknown> {
  const top = host.folder('prefix');
  const lib = host.folder('prefix/build/lib/bulkhead');
  const fifo = join(top, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const script = `#!/bin/sh
input=$(cat)
case $input in *'"source":"${source}"'*) echo >${fifo}; exec sleep 1000 ;; esac
exec ${resolve('build/lib/bulkhead/bulkhead-mount')} <<END
$input
END`;
  writeFileSync(join(lib, 'bulkhead-mount'), script, { mode: 0o755 });
  const cwd = process.cwd();
  process.chdir(top);
  t.after(() => process.chdir(cwd));
  return readFile(fifo);
}

/** The sandbox's id can be used again. */
async function bootsAgain({ context }: PlayedHost): Promise<void> {
  const host = new PlayedHost(context.namespace);
  const sandbox = await boot(host, host.container('s'));
  await sandbox.end('the test is over');
  assert.deepEqual(host.left(), []);
}

const hook = (path: string, ...args: string[]) => ({ prestart: [{ path, args: [path, ...args] }] });

describe('a step of the boot that fails undoes all before it:', () => {
  const refusal = new Error('the guest does not want to');
  const steps: Record<string, { expected: RegExp; disk?: true; arrange(host: PlayedHost): CreateContainer }> =
    {
      'the network cannot be had': {
        arrange: (host) => host.container('s', { spec: specOf({ linux: {} }) }),
        expected: /asks for the host's network/,
      },
      'the root has no folder for its disk': {
        arrange(host) {
          const first = host.containerOnDisk('s');
          const [mount] = first.rootfs;
          const options = mount!.options.map((one) => one.replace(/^workdir=.*/, 'workdir=/proc/none'));
          return { ...first, rootfs: [{ ...mount!, options }] };
        },
        disk: true,
        expected: /\/proc\/none/,
      },
      'the VM does not start': {
        arrange(host) {
          host.beforeStart = () => Promise.reject(new Error('QEMU did not come up'));
          return host.container('s');
        },
        expected: /QEMU did not come up/,
      },
      'the root cannot be mounted': {
        arrange: (host) => host.container('s', { spec: specOf({ root: { path: '/proc/none' } }) }),
        expected: /cannot mount bind \/proc\/none/,
      },
      'the streams cannot be opened': {
        arrange: (host) => host.container('s', { openIo: () => Promise.reject(new Error('no such FIFO')) }),
        expected: /no such FIFO/,
      },
      'the guest ends before its agent answers': {
        arrange(host) {
          host.onVm = (vm) => vm.end({ cause: 'guest-panicked', reason: 'the guest panicked' });
          return host.container('s');
        },
        expected: /the guest agent never answered: the VM ended: the guest panicked/,
      },
      'the agent makes no sandbox': {
        arrange(host) {
          host.guest.fails.set('createSandbox', refusal);
          return host.container('s');
        },
        expected: /creating sandbox s in the guest: the guest does not want to/,
      },
      'the agent makes no container': {
        arrange(host) {
          host.guest.fails.set('createContainer', refusal);
          return host.container('s');
        },
        expected: /creating container s: the guest does not want to/,
      },
      'a hook fails': {
        arrange: (host) => host.container('s', { spec: specOf({ hooks: hook('/bin/false') }) }),
        expected: /prestart hook \/bin\/false of container s ended with code 1/,
      },
      'the VM dies while the container is made': {
        arrange(host) {
          host.guest.hold('createContainer');
          void host.guest.called('createContainer s').then(() => host.vm.end());
          return host.container('s');
        },
        expected: /the VM ended: the guest reset itself/,
      },
    };
  for (const [what, { expected, disk = false, arrange }] of Object.entries(steps)) {
    test(what, options, async () => {
      const host = new PlayedHost();
      await assert.rejects(boot(host, arrange(host), never, { disk }), expected);
      assert.deepEqual(host.left(), []);
      assert.deepEqual(host.events, [], 'containerd hears nothing of it');
      await bootsAgain(host);
    });
  }
});

describe('a boot that is given up undoes itself, whatever it waits for:', () => {
  const waits: Record<string, (host: PlayedHost) => { first: CreateContainer; begun: Promise<unknown> }> = {
    'the VM to start': (host) => {
      const begun = Promise.withResolvers<void>();
      host.beforeStart = (_spec, signal) => {
        begun.resolve();
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      };
      return { first: host.container('s'), begun: begun.promise };
    },
    'the guest, to make the sandbox': (host) => {
      host.guest.hold('createSandbox');
      return { first: host.container('s'), begun: host.guest.called('createSandbox') };
    },
    'the guest, to set its clock': (host) => {
      host.guest.hold('setGuestDateTime');
      return { first: host.container('s'), begun: host.guest.called('setGuestDateTime') };
    },
    'the guest, to make the container': (host) => {
      host.guest.hold('createContainer');
      return { first: host.container('s'), begun: host.guest.called('createContainer s') };
    },
    'a hook': (host) => {
      const first = host.container('s');
      const ready = join(first.bundle, 'ready');
      execFileSync('mkfifo', [ready]);
      const spec = specOf({ hooks: hook('/bin/sh', '-c', `echo >${ready}; exec sleep 1000`) });
      return { first: { ...first, spec }, begun: readFile(ready) };
    },
  };
  for (const [what, arrange] of Object.entries(waits)) {
    test(what, options, async () => {
      const host = new PlayedHost();
      const stop = new AbortController();
      const { first, begun } = arrange(host);
      const booting = boot(host, first, stop.signal);
      await Promise.race([begun, booting]);
      await turn();
      stop.abort(new Error('nobody wants it any more'));
      await assert.rejects(booting);
      assert.deepEqual(host.left(), []);
      assert.deepEqual(host.events, []);
      await bootsAgain(host);
    });
  }

  test('a mount', { timeout: 10_000 }, async (t) => {
    const host = new PlayedHost();
    const stop = new AbortController();
    const source = host.folder('hangs');
    const spec = specOf({ root: { path: source } });
    const hangs = hangingMounts(t, host, source);
    const booting = boot(host, host.container('s', { spec }), stop.signal);
    await Promise.race([hangs, booting]);
    stop.abort(new Error('nobody wants it any more'));
    await assert.rejects(booting);
    assert.deepEqual(host.left(), []);
  });

  test('nothing yet', options, async () => {
    const host = new PlayedHost();
    await assert.rejects(
      boot(host, host.container('s'), AbortSignal.abort(new Error('too late'))),
      /too late/,
    );
    assert.deepEqual(host.left(), []);
  });
});

test('a sandbox that runs keeps its folder when another of its id is refused', options, async () => {
  const host = new PlayedHost();
  const sandbox = await boot(host, host.container('s'));
  const before = host.left();
  await assert.rejects(boot(host, host.container('s')), /sandbox s already has the folder/);
  assert.deepEqual(host.left(), before);
  await sandbox.end('the test is over');
  assert.deepEqual(host.left(), []);
});

test('the disk of a root is there when the VM starts, and is not plugged in again', options, async () => {
  const host = new PlayedHost();
  const first = host.containerOnDisk('d');
  const sandbox = await boot(host, first, never, { disk: true });
  const { spec } = host.vm;
  assert.deepEqual(
    spec.disks?.map(({ serial, readOnly, isOwn }) => ({ serial, readOnly, isOwn })),
    [{ serial: 'bulkhead-root-0', readOnly: false, isOwn: true }],
  );
  assert.deepEqual([...host.vm.plugged], []);
  await sandbox.end('the test is over');
  assert.deepEqual(host.left(), []);
});
