// Task API: execs of one container; order, codes, events, races, streams and descriptors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, TtrpcError } from 'ttrpc-ts';
import { openFiles } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, processSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const id = 'execs';
const { fake, clean } = await useFakeContainerd();
const shim = await fake.shim(id, containerSpec(['sleep', '100000'], `/${fake.namespace}/${id}`));
await shim.run();

const sh = (script: string): object => processSpec(['sh', '-c', script]);

test('life of an exec: CREATED, RUNNING, STOPPED, deleted, with its streams echoed by State', async () => {
  const { task } = shim;
  const io = await shim.addExec(sh('echo up; read line; echo "got $line"; echo oops >&2; exit 21'), {
    execId: 'one',
    stdin: true,
  });
  const created = await task.state({ id, execId: 'one' });
  assert.equal(created.status, Status.CREATED);
  assert.ok(['', 'one'].includes(created.execId), created.execId);
  assert.deepEqual([created.stdin, created.stdout, created.stderr], [io.stdin, io.stdout, io.stderr]);
  const wait = task.wait({ id, execId: 'one' });
  const { pid } = await task.start({ id, execId: 'one' });
  assert.ok(pid > 0);
  await io.expect(/up/);
  const running = await task.state({ id, execId: 'one' });
  assert.equal(running.status, Status.RUNNING);
  assert.equal(running.pid, pid);
  io.type('it\n');
  assert.equal((await within('Wait', 15_000, wait)).exitStatus, 21);
  await io.ended();
  assert.equal(io.output, 'up\ngot it\n');
  assert.equal(io.errors, 'oops\n');
  const stopped = await task.state({ id, execId: 'one' });
  assert.equal(stopped.status, Status.STOPPED);
  assert.equal(stopped.exitStatus, 21);
  const deleted = await task.delete({ id, execId: 'one' });
  assert.equal(deleted.exitStatus, 21);
  await rejectsWith(Code.NotFound, task.state({ id, execId: 'one' }));
  await rejectsWith(Code.NotFound, task.delete({ id, execId: 'one' }));
  await rejectsWith(Code.NotFound, task.wait({ id, execId: 'one' }));
  assert.equal((await task.state({ id })).status, Status.RUNNING, 'the container runs on');
});

test('its events: exec-added, exec-started, exit, in this order', async () => {
  await fake.events.expect(id, '/tasks/exit one');
  const topics = fake.events.topics(id).filter((topic) => topic.endsWith(' one'));
  assert.deepEqual(topics, ['/tasks/exec-added one', '/tasks/exec-started one', '/tasks/exit one']);
});

test('an exec id in use answers AlreadyExists, before and after Start', async () => {
  await shim.addExec(sh('sleep 100'), { execId: 'dup' });
  const again = (): Promise<unknown> => shim.task.exec({ id, execId: 'dup', spec: anyProcess(sh('true')) });
  await rejectsWith(Code.AlreadyExists, again());
  await shim.task.start({ id, execId: 'dup' });
  await rejectsWith(Code.AlreadyExists, again());
  await shim.task.kill({ id, execId: 'dup', signal: 9 });
  assert.equal((await within('Wait', 15_000, shim.task.wait({ id, execId: 'dup' }))).exitStatus, 137);
  await shim.task.delete({ id, execId: 'dup' });
});

test('an exec can be deleted without Start, and its id is free again', async () => {
  await shim.addExec(sh('true'), { execId: 'never' });
  await shim.task.delete({ id, execId: 'never' });
  const { io } = await shim.exec(sh('echo second'), { execId: 'never' });
  await shim.task.wait({ id, execId: 'never' });
  await io.ended();
  assert.equal(io.output, 'second\n');
  await shim.task.delete({ id, execId: 'never' });
});

test('a failed Start (program not there): error names it, Wait returns, Delete works', async () => {
  const execId = 'missing';
  const io = await shim.addExec(processSpec(['/no/such/program']), { execId });
  const early = shim.task.wait({ id, execId });
  await assert.rejects(shim.task.start({ id, execId }, { timeoutMs: 15_000 }), /no\/such\/program/);
  await within('Wait on a failed exec', 15_000, early);
  await shim.task.state({ id, execId });
  await shim.task.delete({ id, execId });
  io.close();
  await rejectsWith(Code.NotFound, shim.task.state({ id, execId }));
});

test('Wait and Start may come in either order, at once', async () => {
  for (let round = 0; round < 5; round++) {
    const execId = `race${round}`;
    await shim.addExec(sh(`exit ${round}`), { execId });
    const calls = [() => shim.task.start({ id, execId }), () => shim.task.wait({ id, execId })];
    if (round % 2 === 1) calls.reverse();
    await within('Start and Wait', 20_000, Promise.all(calls.map((call) => call())));
    assert.equal((await shim.task.wait({ id, execId })).exitStatus, round);
    await shim.task.delete({ id, execId });
  }
});

test('a running exec is not deleted; unknown execs answer NotFound; kill of an unstarted one is refused', async () => {
  const { execId } = await shim.exec(sh('sleep 100'));
  await assert.rejects(shim.task.delete({ id, execId }), 'Delete of a running exec');
  await shim.task.kill({ id, execId, signal: 15 });
  assert.equal((await within('Wait', 15_000, shim.task.wait({ id, execId }))).exitStatus, 143);
  await rejectsWith(Code.NotFound, shim.task.kill({ id, execId, signal: 9 }));
  await shim.task.delete({ id, execId });
  for (const call of [
    shim.task.start({ id, execId: 'ghost' }),
    shim.task.kill({ id, execId: 'ghost', signal: 9 }),
  ]) {
    await rejectsWith(Code.NotFound, call);
  }
  await shim.addExec(sh('true'), { execId: 'idle' });
  await assert.rejects(shim.task.kill({ id, execId: 'idle', signal: 15 }));
  await shim.task.delete({ id, execId: 'idle' });
});

test('user, groups, environment, working directory and limits of an exec', async () => {
  const user = { uid: 1000, gid: 1000, additionalGids: [2000] };
  const process = processSpec(
    ['sh', '-c', 'id; pwd; echo $A $B; ulimit -n; grep NoNewPrivs /proc/self/status'],
    {
      user,
      cwd: '/tmp',
      env: ['PATH=/bin', 'A=1', 'B=two words'],
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 77, hard: 99 }],
    },
  );
  const { execId, io } = await shim.exec(process);
  await shim.task.wait({ id, execId });
  await io.ended();
  const [identity, cwd, words, files, privileges] = io.output.split('\n');
  assert.match(
    identity ?? '',
    /^uid=1000\(app\) gid=1000\(app\) groups=(1000\(app\),)?2000\(extra\)$/,
    io.errors,
  );
  assert.deepEqual([cwd, words, files, privileges], ['/tmp', '1 two words', '77', 'NoNewPrivs:\t1']);
  await shim.task.delete({ id, execId });
});

test('CloseIO ends the input of an exec, also when it comes before Start and while data is under way', async () => {
  const { execId, io } = await shim.exec(sh('wc -c'), { stdin: true });
  io.type(Buffer.alloc(300_000, 'x'));
  await io.closeInput();
  await shim.task.closeIO({ id, execId, stdin: true });
  assert.equal((await within('exit after CloseIO', 20_000, shim.task.wait({ id, execId }))).exitStatus, 0);
  await io.ended();
  assert.equal(io.output.trim(), '300000');
  await shim.task.closeIO({ id, execId, stdin: true }).catch(() => undefined);
  await shim.task.delete({ id, execId });
});

test('without CloseIO the input stays open when the client goes away', async () => {
  const { execId, io } = await shim.exec(sh('cat; echo ended'), { stdin: true });
  io.type('part one\n');
  await io.expect(/part one/);
  await io.closeInput();
  await new Promise((done) => setTimeout(done, 700));
  assert.equal((await shim.task.state({ id, execId })).status, Status.RUNNING);
  await shim.task.closeIO({ id, execId, stdin: true });
  await within('exit after CloseIO', 20_000, shim.task.wait({ id, execId }));
  await io.ended();
  assert.match(io.output, /ended/);
  await shim.task.delete({ id, execId });
});

test('every byte of fast writers that exit at once arrives, 16 times at once', {
  timeout: 120_000,
}, async () => {
  const script = 'dd if=/dev/zero bs=4096 count=50 2>/dev/null; printf E >&2';
  const execs = await Promise.all(Array.from({ length: 16 }, () => shim.exec(sh(script))));
  for (const { execId, io } of execs) {
    assert.equal((await shim.task.wait({ id, execId }, { timeoutMs: 60_000 })).exitStatus, 0);
    await io.ended();
    assert.equal(io.bytes().length, 50 * 4096);
    assert.equal(io.errors, 'E');
    await shim.task.delete({ id, execId });
  }
});

test('what a process left behind writes after the exit arrives, until Delete', {
  timeout: 60_000,
}, async () => {
  const script =
    '(while [ ! -e /tmp/go ]; do sleep 0.1; done; echo late; exec sleep 5000) & echo $! >/tmp/left; echo early';
  const { execId, io } = await shim.exec(sh(script));
  await io.expect(/early/);
  assert.equal((await within('Wait', 15_000, shim.task.wait({ id, execId }))).exitStatus, 0);
  assert.doesNotMatch(io.output, /late/);
  const go = await shim.exec(sh('touch /tmp/go'));
  await within('Wait', 15_000, shim.task.wait({ id, execId: go.execId }));
  await io.expect(/late/);
  const ended = io.ended(50_000);
  assert.equal(await Promise.race([ended.then(() => 'closed'), sleep(1_000, 'open')]), 'open');
  await shim.task.delete({ id, execId });
  await ended;
  const left = await shim.exec(sh('kill $(cat /tmp/left) && echo killed'));
  await left.io.expect(/^killed\n/);
});

test('60 execs leave no descriptor in the shim', { timeout: 200_000 }, async () => {
  const pid = await shim.pid();
  const before_ = openFiles(pid).size;
  for (let round = 0; round < 60; round += 4) {
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { execId, io } = await shim.exec(sh('echo x'), { stdin: true });
        await shim.task.wait({ id, execId });
        await io.ended();
        io.close();
        assert.equal(io.output, 'x\n');
        await shim.task.delete({ id, execId });
      }),
    );
  }
  const now = (): Map<number, string> => openFiles(pid);
  // One more now and then is a connection or a pool; one per exec would be a leak.
  await waitFor('descriptors as before', () => now().size <= before_ + 4, 5_000).catch(() =>
    assert.fail(`${before_} descriptors before, now:\n${[...now().values()].join('\n')}`),
  );
});

test('a reader that stalls blocks no other exec and no call', { timeout: 120_000 }, async () => {
  const { execId: slow, io } = await shim.exec(
    sh('dd if=/dev/zero bs=65536 count=64 2>/dev/null; echo tail'),
  );
  io.stall();
  await waitFor('some output under way', () => true);
  const started = performance.now();
  const { execId, io: quick } = await shim.exec(sh('echo quick'));
  await within('the other exec', 20_000, shim.task.wait({ id, execId }));
  await quick.ended();
  assert.equal(quick.output, 'quick\n');
  await shim.task.state({ id, execId: slow }, { timeoutMs: 2_000 });
  await shim.task.state({ id }, { timeoutMs: 2_000 });
  assert.ok(performance.now() - started < 20_000);
  io.unstall();
  await within('the slow exec', 30_000, shim.task.wait({ id, execId: slow }));
  await io.ended();
  assert.equal(io.bytes().length, 64 * 65536 + 'tail\n'.length);
  await shim.task.delete({ id, execId });
  await shim.task.delete({ id, execId: slow });
});

test('ResizePty: early, 0x0, and without a terminal', async () => {
  const execId = 'tty';
  const io = await shim.addExec(
    { ...processSpec(['sh', '-c', 'sleep 1; stty size; read x; stty size']), terminal: true },
    {
      execId,
      terminal: true,
    },
  );
  await shim.task.resizePty({ id, execId, width: 90, height: 40 }).catch(() => undefined);
  await shim.task.start({ id, execId });
  await shim.task.resizePty({ id, execId, width: 0, height: 0 });
  await shim.task.resizePty({ id, execId, width: 91, height: 41 });
  await io.expect(/41 91/);
  await shim.task.resizePty({ id, execId, width: 132, height: 50 });
  io.type('\r');
  await io.expect(/50 132/);
  await shim.task.wait({ id, execId });
  await io.ended();
  await shim.task.delete({ id, execId });
  const plain = await shim.exec(sh('sleep 1'));
  await shim.task.resizePty({ id, execId: plain.execId, width: 10, height: 10 });
  await shim.task.resizePty({ id, width: 10, height: 10 });
});

test('when init dies, every exec ends first with 137; then execs are refused', {
  timeout: 60_000,
}, async () => {
  const execs = await Promise.all([shim.exec(sh('sleep 100')), shim.exec(sh('sleep 100'))]);
  await shim.addExec(sh('true'), { execId: 'late' });
  const waits = execs.map(({ execId }) => shim.task.wait({ id, execId }));
  await shim.task.kill({ id, signal: 9, all: true });
  assert.equal((await within('init', 20_000, shim.task.wait({ id }))).exitStatus, 137);
  for (const wait of waits) assert.equal((await within('exec', 20_000, wait)).exitStatus, 137);
  await fake.events.expect(id, '/tasks/exit');
  const topics = fake.events.topics(id);
  for (const { execId } of execs) {
    const place = topics.indexOf(`/tasks/exit ${execId}`);
    assert.ok(
      place >= 0 && place < topics.indexOf('/tasks/exit'),
      `exit of ${execId} before that of init: ${topics}`,
    );
  }
  await assert.rejects(
    shim.task.start({ id, execId: 'late' }, { timeoutMs: 10_000 }),
    'Start after init has died',
  );
  const refused = shim.task.exec({ id, execId: 'later', spec: anyProcess(sh('true')) });
  if (runtime.isVm) await rejectsWith(Code.FailedPrecondition, refused);
  else await assert.rejects(refused, 'Exec after init has died');
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

function anyProcess(process: object): { typeUrl: string; value: Uint8Array } {
  const typeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/Process';
  return { typeUrl, value: Buffer.from(JSON.stringify(process)) };
}

async function rejectsWith(code: number, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof TtrpcError, String(error));
    assert.equal(error.code, code, `${error.code}: ${error.message}`);
    return true;
  });
}
