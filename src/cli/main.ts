// `bulkhead`: the operator's command.

import { parseArgs } from 'node:util';
import { messageOf } from '../base/errors.ts';
import { loadConfig } from '../config/config.ts';
import { VERSION } from '../shim/version.ts';
import { checkHost } from './check.ts';
import { explainBundle } from './explain.ts';
import { formatFindings } from './finding.ts';
import { collectGarbage, formatCollected } from './gc.ts';
import { formatSandboxes, listSandboxes } from './ps.ts';

const USAGE = `bulkhead ${VERSION}: runs every container or pod of containerd in a virtual machine of its own

  bulkhead ps [--json]                     sandboxes of this host: processes, memory, age
  bulkhead check [--json] [--config FILE]  can this host run bulkhead? exit status 1 if not
  bulkhead explain BUNDLE|ID               boot a VM or join one? each mount and its kind, with the reasons
  bulkhead gc [--dry-run] [--json]         remove what dead shims have left; exit status 1 if something stands
  bulkhead version                         version of this installation
  bulkhead help                            this text

BULKHEAD_CONFIG (another configuration file) and BULKHEAD_STATE (another state folder than /run/bulkhead) apply here as
they do to the shim.
`;

/** A mistake on the command line: exit status 2, with a hint at the help. */
class UsageError extends Error {}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

function runPs(json: boolean): number {
  const sandboxes = listSandboxes();
  if (json) print([JSON.stringify(sandboxes, null, 2)]);
  else print(formatSandboxes(sandboxes));
  return 0;
}

async function runCheck(json: boolean, config: string | undefined): Promise<number> {
  const findings = await checkHost(config);
  print(json ? [JSON.stringify(findings, null, 2)] : formatFindings(findings));
  return findings.some((one) => one.status === 'fail') ? 1 : 0;
}

async function runGc(json: boolean, isDry: boolean): Promise<number> {
  const collected = await collectGarbage(isDry);
  print(json ? [JSON.stringify(collected, null, 2)] : formatCollected(collected));
  return collected.some((one) => one.result === 'stands') ? 1 : 0;
}

interface Words {
  readonly values: {
    readonly help?: boolean;
    readonly version?: boolean;
    readonly json?: boolean;
    readonly config?: string;
    readonly 'dry-run'?: boolean;
  };
  readonly positionals: readonly string[];
}

function parse(argv: readonly string[]): Words {
  const options = {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
    json: { type: 'boolean' },
    config: { type: 'string' },
    'dry-run': { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** Runs the command and returns its exit status. @throws UsageError, and what the commands throw */
async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parse(argv);
  const [given, ...rest] = positionals;
  const command = values.help ? 'help' : values.version ? 'version' : (given ?? 'help');
  const target = command === 'explain' ? rest.shift() : undefined;
  if (rest.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}`);
  if (values.config !== undefined && command !== 'check' && command !== 'explain') {
    throw new UsageError('--config belongs to check and explain');
  }
  if (values['dry-run'] !== undefined && command !== 'gc') throw new UsageError('--dry-run belongs to gc');
  switch (command) {
    case 'ps':
      return runPs(values.json === true);
    case 'check':
      return await runCheck(values.json === true, values.config);
    case 'gc':
      return await runGc(values.json === true, values['dry-run'] === true);
    case 'explain':
      if (target === undefined) throw new UsageError('explain needs a bundle or the id of a container');
      print(await explainBundle(target, await loadConfig(values.config)));
      return 0;
    case 'version':
      print([`bulkhead ${VERSION}`]);
      return 0;
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    default:
      throw new UsageError(`unknown command ${JSON.stringify(command)}`);
  }
}

// `bulkhead ps | head` closes our output early; that is not an error.
process.stdout.on('error', () => process.exit(0));
run(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    const isUsage = error instanceof UsageError;
    process.stderr.write(`bulkhead: ${messageOf(error)}\n${isUsage ? 'try: bulkhead help\n' : ''}`);
    process.exitCode = isUsage ? 2 : 1;
  },
);
