import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setOomScore, setShimOomScore } from './oom-score.ts';

test('a value is set, bounded, and told when it cannot be had', async () => {
  const child = spawn('sleep', ['100']);
  const score = () => Number(readFileSync(`/proc/${child.pid}/oom_score_adj`, 'utf8'));
  await once(child, 'spawn');
  try {
    assert.equal(setOomScore(child.pid!, 300), undefined);
    assert.equal(score(), 300);
    assert.equal(setOomScore(child.pid!, 5000), undefined);
    assert.equal(score(), 1000);
    const parent = Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
    setShimOomScore(child.pid!, process.pid);
    assert.equal(score(), Math.min(parent + 1, 1000));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  assert.match(
    setOomScore(child.pid!, 0) ?? '',
    /oom_score_adj of process \d+ stays as it is, not 0: ENOENT/,
  );
});
