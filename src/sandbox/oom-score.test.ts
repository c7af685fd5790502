import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpec } from '../oci/spec.ts';
import { firstOomScore, OomScore } from './oom-score.ts';

function spec(oomScoreAdj?: number) {
  const process = { args: ['sh'], cwd: '/', ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }) };
  return parseSpec(JSON.stringify({ ociVersion: '1.1.0', process, root: { path: '/r' } }), 'the test');
}

test('a plain container has its own value, a pod that of none yet', () => {
  assert.equal(firstOomScore(spec(-500), false), -500);
  assert.equal(firstOomScore(spec(), false), 0);
  assert.equal(firstOomScore(spec(-998), true), 0, "the pause container's is not the VM's");
});

test('a VM is as protected as the most protected container in it', () => {
  const applied: number[] = [];
  const score = new OomScore(0, (value) => applied.push(value));
  score.add('besteffort', spec(1000));
  score.add('guaranteed', spec(-997));
  score.add('burstable', spec(900));
  score.remove('guaranteed');
  score.remove('unknown');
  score.remove('burstable');
  score.remove('besteffort');
  assert.deepEqual(applied, [0, 1000, -997, 900, 1000, 0]);
});
