import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createLog } from './log.ts';
import { formatLine } from './log-line.ts';

let dir = '';
before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'log-test-'));
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

let count = 0;
function openFile(): { fd: number; lines: () => string[] } {
  const file = path.join(dir, `log-${count++}`);
  return {
    fd: fs.openSync(file, 'a'),
    lines: () => fs.readFileSync(file, 'utf8').split('\n').filter(Boolean),
  };
}

test('lines are logrus text, in order, with the common fields', async () => {
  const { fd, lines } = openFile();
  const log = createLog({ debug: false, fields: { ns: 'default', sandbox: 's1' }, fd });
  log('info', 'sandbox booted', { ms: 12, accelerator: 'kvm' });
  log('debug', 'not written');
  log('warn', 'second', { error: new Error('it broke') });
  await log.flush();
  log('info', 'third');
  const [first, second, third] = lines();
  assert.match(
    first ?? '',
    /^time="\d{4}-\d\d-\d\dT[\d:.]+Z" level=info msg="sandbox booted" ns=default sandbox=s1 ms=12 accelerator=kvm$/,
  );
  assert.match(second ?? '', /level=warning msg=second ns=default sandbox=s1 error="it broke"$/);
  assert.match(third ?? '', /level=info msg=third /);
  assert.equal(lines().length, 3);
  fs.closeSync(fd);
});

test('levels: -debug shows more, the configuration may ask for more or less', async () => {
  const { fd, lines } = openFile();
  const log = createLog({ debug: true, fields: {}, fd });
  log('debug', 'one');
  log.setLevel('error');
  log('debug', 'two');
  await log.flush();
  assert.equal(lines().length, 2);
  const quiet = openFile();
  const second = createLog({ debug: false, fields: {}, fd: quiet.fd });
  second.setLevel('warn');
  second('info', 'no');
  second.setLevel('trace');
  second('trace', 'yes');
  await second.flush();
  assert.deepEqual(
    quiet.lines().map((line) => / msg=(\w+)/.exec(line)?.[1]),
    ['yes'],
  );
});

test('an error brings the remembered lines before it, once', async () => {
  const { fd, lines } = openFile();
  const log = createLog({ debug: false, fields: {}, fd });
  for (let i = 0; i < 300; i++) log('debug', `step${i}`);
  log('error', 'failed');
  log('error', 'again');
  await log.flush();
  const messages = lines().map((line) => / msg=(\w+)/.exec(line)?.[1]);
  assert.equal(messages.length, 32);
  assert.deepEqual(messages.slice(-4), ['step298', 'step299', 'failed', 'again']);
  assert.equal(log.recent().length, 200);
});

test('values cannot forge a line, nor grow without bound', () => {
  const line = formatLine('t', 'info', 'x\nlevel=error', {
    'bad key': '\u001b[31m\u009b',
    long: 'é'.repeat(5000),
  });
  assert.ok(!line.includes('\n') && !line.includes('\u001b') && !line.includes('\u009b'));
  assert.ok(Buffer.byteLength(line) < 4096);
  assert.ok(line.includes('bad_key='));
  assert.equal(Buffer.from(line).toString(), line);
});

test('a full pipe drops lines and says so later; it never blocks', async () => {
  const file = path.join(dir, 'fifo');
  execFileSync('mkfifo', [file]);
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  const log = createLog({ debug: false, fields: {}, fd });
  log('info', 'first');
  await log.flush();
  const start = performance.now();
  for (let i = 0; i < 1_000; i++) log('info', 'filler', { text: 'x'.repeat(500) });
  assert.ok(performance.now() - start < 2_000);
  const buffer = Buffer.alloc(1 << 20);
  fs.readSync(fd, buffer);
  log('info', 'later');
  const size = fs.readSync(fd, buffer);
  assert.match(buffer.toString('utf8', 0, size), /msg="log lines were dropped" dropped=\d+\n.*msg=later\n$/);
  fs.closeSync(fd);
  log('error', 'to a closed descriptor');
});

for (const loaded of [false, true]) {
  test(`a log that nobody reads holds up no server, ${loaded ? 'with pino' : 'before pino is loaded'}`, () => {
    const fifo = path.join(dir, `stopped-${loaded}`);
    execFileSync('mkfifo', [fifo]);
    const fd = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    const here = (file: string) => JSON.stringify(path.join(import.meta.dirname, file));
    const script = `import { createLog } from ${here('log.ts')};
      import { reopenNonBlocking } from ${here('../host/descriptor.ts')};
      const log = createLog({ debug: false, fields: {}, fd: reopenNonBlocking(2) });
      const fill = () => { for (let i = 0; i < 400; i++) log('info', 'filler', { text: 'x'.repeat(1000) }); };
      if (${loaded}) { log('info', 'first'); await log.flush(); }
      fill();
      process.stdout.write('alive');
      process.exit(0);`;
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', fd],
      timeout: 30_000,
    });
    assert.deepEqual({ out: result.stdout, signal: result.signal }, { out: 'alive', signal: null });
    fs.closeSync(fd);
  });
}

test('an exit before pino is loaded still writes the reason; unserializable fields do no harm', () => {
  const script = `import { createLog } from ${JSON.stringify(path.join(import.meta.dirname, 'log.ts'))};
    const log = createLog({ debug: false, fields: { ns: 'a' }, fd: 2 });
    const circle = {}; circle.self = circle;
    log('error', 'last words'); process.exit(3);`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(result.status, 3);
  assert.match(result.stderr, /level=error msg="last words" ns=a\n$/);
});

test('fields with circles and bigints are no error', async () => {
  const { fd, lines } = openFile();
  const log = createLog({ debug: false, fields: {}, fd });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  log('info', 'odd', { circle, big: 5n });
  await log.flush();
  assert.equal(lines().length, 1);
  assert.equal(log.recent().length, 1);
});
