// deploy/: each containerd takes its drop-in beside a configuration of its own format, and knows every key in it.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { describe, mustRun } from '../../scripts/stand/command.ts';
import {
  containerdBinaries,
  containerdFlavours,
  withoutModule,
} from '../../scripts/stand/fetch-containerd.ts';
import { repoRoot, scratchDir } from '../../scripts/stand/paths.ts';

/** `make test-containerd` asks all; the newest takes minutes to build. */
const flavours = containerdFlavours.filter((one) => one !== '2.4' || process.env.BULKHEAD_TEST_LONG === '1');

for (const flavour of flavours) {
  const skip = /^\d/.test(flavour) ? (withoutModule ?? false) : false;
  test(`containerd of ${flavour}`, { skip, timeout: 600_000 }, async () => {
    const { binDir, version } = await containerdBinaries(flavour);
    const dropIn = join(repoRoot, 'deploy', `containerd-config-v${version.startsWith('1.') ? 2 : 3}.toml`);
    const dir = await scratchDir('deploy');
    try {
      const containerd = (...args: string[]) =>
        mustRun(join(binDir, 'containerd'), args, { timeoutMs: 20_000 });
      const format = /^version = \d$/m.exec((await containerd('config', 'default')).stdout)![0];
      const config = join(dir, 'config.toml');
      const own = ['root', 'state'].map((name) => `${name} = "${join(dir, name)}"`);
      await writeFile(config, [format, ...own, `imports = ["${dropIn}"]`, ''].join('\n'));
      const dump = await containerd('--config', config, 'config', 'dump');
      assert.doesNotMatch(dump.stderr, /unknown key|deprecated|removed/i, describe(dump));
      const sections = dump.stdout.replaceAll("'", '"').split(/^\s*\[(?=plugins)/m);
      const told = sections.find((one) => /^.*\.containerd\.runtimes\.bulkhead\]/.test(one)) ?? '';
      assert.match(told, /runtime_type = "io.containerd.bulkhead.v2"/, describe(dump));
      assert.match(told, /pod_annotations = \["io.bulkhead.\*"\]/);
      assert.match(told, /container_annotations = \["io.bulkhead.\*"\]/);
      assert.match(told, /privileged_without_host_devices = true/);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
}
