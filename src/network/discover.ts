/** Reads a network namespace with a single process. */
import { DUMP_COMMANDS, type IpDump, parseDump } from './iproute.ts';
import { type Namespace, runIn } from './namespace.ts';
import { NetworkError } from './network-error.ts';
import { readTopology } from './read-topology.ts';
import type { Topology } from './topology.ts';

/**
 * Reads a namespace's interfaces, addresses, routes and neighbours.
 * @throws NetworkError
 */
export async function discover(namespace: Namespace, signal?: AbortSignal): Promise<Topology> {
  const what = 'cannot read the network';
  const argv = ['ip', '-j', '-d', '-batch', '-'];
  const output = await runIn(namespace, what, argv, { input: DUMP_COMMANDS, signal });
  let dump: IpDump;
  try {
    dump = parseDump(output);
  } catch (error) {
    throw new NetworkError(`${what} in ${namespace.path}: the output of ip: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return readTopology(dump);
}
