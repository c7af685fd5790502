import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playQmp } from '../testing/played-qmp.ts';
import { QmpError, type QmpEvent } from './qmp.ts';

const GREETING = '{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n';
const ok: Parameters<typeof playQmp>[0] = ({ id }, peer) =>
  peer.say(`{"return": {"n": ${id}}, "id": ${id}}\r\n`);

test('greeting in pieces, capabilities, commands, and answers out of order', async () => {
  const peer = playQmp(({ execute, id }) => {
    if (execute === 'qmp_capabilities') peer.say(`{"return": {}, "id": ${id}}\r\n`);
    if (execute === 'second') peer.say(`{"return": 2, "id": ${id}}\r\n{"return": 1, "id": ${id - 1}}\r\n`);
  });
  const connected = peer.client.connect({ timeoutMs: 1000 });
  for (const part of [GREETING.slice(0, 5), GREETING.slice(5)]) peer.say(part);
  await connected;
  const [first, second] = await Promise.all([
    peer.client.execute('first', { a: 1 }),
    peer.client.execute('second'),
  ]);
  assert.deepEqual([first, second], [1, 2]);
  assert.deepEqual(peer.sent[1], { execute: 'first', arguments: { a: 1 }, id: 2 });
});

test('an error answer carries its class', async () => {
  const peer = playQmp(({ id }) =>
    peer.say(`{"error": {"class": "DeviceNotFound", "desc": "no x"}, "id": ${id}}\n`),
  );
  await assert.rejects(peer.client.execute('device_del'), (error: unknown) => {
    assert.ok(error instanceof QmpError);
    assert.equal(error.className, 'DeviceNotFound');
    assert.equal(error.message, 'QMP device_del: no x');
    return true;
  });
});

test('events go to every listener until it is removed', async () => {
  const peer = playQmp(ok);
  const seen: QmpEvent[] = [];
  const off = peer.client.onEvent((e) => seen.push(e));
  peer.say(
    '{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}, "timestamp": {}}\n{"event": "STOP"}\n',
  );
  await peer.client.execute('x');
  off();
  peer.say('{"event": "RESUME"}\n');
  await peer.client.execute('y');
  assert.deepEqual(seen, [
    { event: 'SHUTDOWN', data: { guest: true, reason: 'guest-reset' } },
    { event: 'STOP', data: {} },
  ]);
});

test('a missing greeting or answer is a timeout', async () => {
  const peer = playQmp();
  await assert.rejects(peer.client.connect({ timeoutMs: 20 }), /nothing came within 20 ms/);
  await assert.rejects(peer.client.execute('x', undefined, { timeoutMs: 20 }), /no answer within 20 ms/);
});

test('the end of the channel fails all pending and all later commands', async () => {
  const peer = playQmp();
  const waiting = peer.client.execute('x');
  const greeting = peer.client.connect();
  peer.end();
  await assert.rejects(waiting, { className: 'Closed' });
  await assert.rejects(greeting, { className: 'Closed' });
  await assert.rejects(peer.client.execute('y'), { className: 'Closed' });
  assert.match(await peer.client.closed, /closed/);
});

test('garbage and endless lines close the channel instead of filling memory', async () => {
  const garbage = playQmp();
  garbage.say('hello\n');
  assert.match(await garbage.client.closed, /not JSON/);
  const endless = playQmp();
  for (let i = 0; i < 20; i++) endless.say('x'.repeat(100_000));
  assert.match(await endless.client.closed, /more than 262144 bytes/);
  const odd = playQmp(ok);
  odd.say('[]\n"x"\nnull\n{"return": 1, "id": 99}\n{"event": "X", "data": 5}\n\n');
  await odd.client.execute('still-works');
});

test('endless events close the channel; a day of honest ones does not', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const event = '{"event": "RTC_CHANGE", "data": {"offset": 1}}\r\n';
  const honest = playQmp(ok);
  honest.say(GREETING);
  await honest.client.connect();
  for (let n = 0; n < 5_000; n++) {
    now += 100;
    honest.say(event);
  }
  await new Promise(setImmediate);
  assert.deepEqual(await honest.client.execute('still-there'), { n: 2 });
  assert.equal(honest.client.breach, undefined);
  const floods = {
    events: event,
    'answers that nobody waits for': '{"return": {}, "id": 77}\r\n',
    'empty lines': '\r\n',
    'other values': '17\r\n',
  };
  for (const [what, line] of Object.entries(floods)) {
    const peer = playQmp();
    peer.say(GREETING);
    peer.say(line.repeat(1_001));
    assert.match(await peer.client.closed, /events without end/, what);
    assert.match(peer.client.breach ?? '', /events without end/);
  }
});

test('large events count more', async () => {
  const peer = playQmp();
  const event = JSON.stringify({ event: 'X', data: { text: 'x'.repeat(200 * 1024) } });
  peer.say(GREETING);
  peer.say(`${event}\n`.repeat(6));
  assert.match(await peer.client.closed, /events without end/);
});
