import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConsoleRing, sanitizeText } from './console-ring.ts';

test('the ring keeps the end and no more than its limit', () => {
  const ring = new ConsoleRing(10);
  for (const part of ['abc', 'defgh', 'ijklmnop', '']) ring.push(Buffer.from(part));
  assert.equal(ring.text(), 'ghijklmnop');
  ring.push(Buffer.from('0123456789ABCDEF'));
  assert.equal(ring.text(), '6789ABCDEF');
});

test('whatever is pushed, in whatever pieces, the text is the end of it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z]{0,40}$/)),
      fc.integer({ min: 1, max: 60 }),
      (parts, limit) => {
        const ring = new ConsoleRing(limit);
        for (const part of parts) ring.push(Buffer.from(part));
        assert.equal(ring.text(), parts.join('').slice(-limit));
      },
    ),
  );
});

test('a million single bytes cost little memory and time', () => {
  const ring = new ConsoleRing(4096);
  const start = performance.now();
  for (let i = 0; i < 1_000_000; i++) ring.push(Buffer.from('x'));
  assert.equal(ring.text().length, 4096);
  assert.ok(performance.now() - start < 15_000);
});

test('control characters and escape sequences are gone, lines and tabs stay', () => {
  const hostile =
    '\u001bc\u001b[2J\u001b[31mred\u001b[0m\ta\r\nb\u0000\u0007\u001b]0;title\u0007c\u009b31md\u202etxt\u001b(B.';
  assert.equal(sanitizeText(hostile), 'red\ta\nbc31mdtxt.');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(sanitizeText(text), /[^\P{Cc}\n\t]/u);
    }),
  );
});

test('the last lines that are not blank', () => {
  const ring = new ConsoleRing();
  ring.push(Buffer.from('one\r\n\r\ntwo\n\n  \nthree\n'));
  assert.equal(ring.lastLines(2), 'two\nthree');
  assert.equal(ring.lastLines(10), 'one\ntwo\nthree');
});

test('a panic gives the fault and the verdict, not the registers between them', () => {
  const ring = new ConsoleRing();
  const registers = Array.from({ length: 40 }, (_, i) => `[    4.8] R${i}: 0000\n`).join('');
  ring.push(Buffer.from(`agent: ready\n[    4.8] Oops: int3: 0000 [#1] SMP NOPTI\n${registers}`));
  assert.match(ring.panicLines(5), /^\[ {4}4\.8\] Oops: int3.*(\n.*){4}R39: 0000$/);
  ring.push(
    Buffer.from('[    4.9] Kernel panic - not syncing: Fatal exception\n[    4.9] Kernel Offset: disabled\n'),
  );
  assert.match(
    ring.panicLines(5),
    /^\[ {4}4\.8\] Oops: int3.*(\n.*R\d: 0000){3}\n.*Kernel panic - not syncing.*$/,
  );
  assert.match(ring.panicLines(100), /^agent: ready\n.*Oops[\s\S]*Offset: disabled$/);
  assert.equal(new ConsoleRing().panicLines(5), '');
});

test('an endless line hides nothing: only the beginning of each line is given', () => {
  const ring = new ConsoleRing();
  ring.push(Buffer.from(`${`${'#'.repeat(8_000)}\n`.repeat(6)}Kernel panic - not syncing: x\n`));
  for (const words of [ring.panicLines(20), ring.lastLines(20)]) {
    assert.ok(words.length < 2_500 && words.endsWith('\nKernel panic - not syncing: x'), words);
  }
});
