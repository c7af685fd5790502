// `bulkhead check`: can this host run bulkhead? One finding per question, each with a fix.

import { messageOf } from '../base/errors.ts';
import { type Config, configFiles, loadConfig } from '../config/config.ts';
import {
  checkCgroups,
  checkKernel,
  checkKvm,
  checkMemory,
  checkNode,
  checkState,
  checkTools,
  checkTun,
  checkVsock,
} from './check-host.ts';
import { checkContainerManager } from './check-manager.ts';
import { checkFiles, checkGuestImage, checkGuestKernel, checkMkfs, checkQemu } from './check-vm.ts';
import type { Finding } from './finding.ts';

async function checkConfig(
  named: string | undefined,
): Promise<{ finding: Finding; config: Config | undefined }> {
  try {
    const config = await loadConfig(named);
    const files = configFiles(named);
    const text = files.length === 0 ? 'no file; defaults apply' : files.join(', ');
    return { finding: { name: 'configuration', status: 'ok', text }, config };
  } catch (error) {
    const fix =
      'correct the file; docs/configuration.md and $PREFIX/share/bulkhead/config.toml list every key';
    return {
      finding: { name: 'configuration', status: 'fail', text: messageOf(error), fix },
      config: undefined,
    };
  }
}

/**
 * Runs all checks. If the configuration cannot be read they use the defaults, so that one mistake does not hide the
 * others. Does not reject for anything it finds.
 */
export async function checkHost(named?: string): Promise<Finding[]> {
  const { finding, config: own } = await checkConfig(named);
  const config = own ?? (await loadConfig('/dev/null'));
  return [
    finding,
    checkKernel(),
    checkKvm(config),
    await checkQemu(config),
    await checkFiles(),
    checkGuestKernel(config),
    checkGuestImage(config),
    checkMkfs(config),
    checkMemory(config),
    checkTools(),
    checkTun(),
    checkVsock(),
    checkCgroups(),
    checkState(),
    checkNode(),
    ...(await checkContainerManager()),
  ];
}
