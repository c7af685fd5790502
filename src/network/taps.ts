/**
 * Connects interfaces of a namespace with a VM: a tap beside each, and the kernel's traffic control moves every frame
 * that arrives at one out of the other. The interface itself is not changed: it keeps its name, its addresses and its
 * counters, and whoever made it can remove it as ever.
 */
import { netnsIdentity } from '../host/netns.ts';
import { type Namespace, runIn } from './namespace.ts';
import { NetworkError } from './network-error.ts';
import { type Link, type OwnTap, TAP_PREFIX, tapOf } from './topology.ts';

/** What undoing needs to know; plain data, to be recorded before anything is made. */
export interface TapRecord {
  readonly interface: string;
  readonly tap: string;
}

/** What undoing in another process needs to know. */
export interface NetworkRecord extends Namespace {
  readonly taps: readonly TapRecord[];
}

export interface TapOptions {
  /** Who may open the taps: user and group that the VMM runs as. */
  readonly owner: number;
  readonly signal?: AbortSignal | undefined;
}

/** The kernel's limit for a tap: 65535 less the Ethernet header. */
const MAX_TAP_MTU = 65521;

export function tapRecords(links: readonly Link[]): TapRecord[] {
  return links.map((link) => ({ interface: link.name, tap: tapOf(link) }));
}

/**
 * Makes the taps of interfaces, which the VMM needs when it starts; frames move after `redirectFrames`. Leftovers of a sandbox that is gone are replaced.
 * @param present taps that were found in the namespace.
 * @throws NetworkError with nothing made, also when another VM has one of the taps.
 */
export async function makeTaps(
  namespace: Namespace,
  links: readonly Link[],
  present: readonly OwnTap[],
  options: TapOptions,
): Promise<void> {
  if (links.length === 0) return;
  const records = tapRecords(links);
  const names = new Set(records.map((record) => record.tap));
  const old = present.filter((tap) => names.has(tap.name));
  const busy = old.find((tap) => tap.inUse);
  if (busy) {
    throw new NetworkError(
      `the network namespace ${namespace.path} belongs to another VM (which holds ${busy.name}); two VMs cannot share one`,
    );
  }
  if (old.length > 0) await removeTaps({ ...namespace, taps: records });
  await runOrUndo(namespace, links, ['ip', '-batch', '-'], tapBatch(links, options.owner), options.signal);
}

/**
 * Has every frame that arrives at an interface leave by its tap, and the other way round.
 * @throws NetworkError with the taps removed.
 */
export async function redirectFrames(
  namespace: Namespace,
  links: readonly Link[],
  signal?: AbortSignal,
): Promise<void> {
  if (links.length === 0) return;
  await runOrUndo(namespace, links, ['tc', '-batch', '-'], redirectBatch(tapRecords(links)), signal);
}

async function runOrUndo(
  namespace: Namespace,
  links: readonly Link[],
  argv: readonly string[],
  input: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const what = `cannot connect ${links.map((link) => link.name).join(', ')} to the VM`;
  try {
    await runIn(namespace, what, argv, { input, signal });
  } catch (error) {
    // A tap that is busy has become another VM's since we looked.
    const isOurs = !/resource busy/i.test((error as Error).message);
    if (isOurs) await removeTaps({ ...namespace, taps: tapRecords(links) }).catch(() => undefined);
    throw error;
  }
}

/** Commands of `ip` that make the taps (pure). */
export function tapBatch(links: readonly Link[], owner: number): string {
  return links
    .map((link) => {
      const tap = tapOf(link);
      // The host's stack has no business on the tap: without an address it does not speak there.
      const silent = link.ipv6 ? ' addrgenmode none' : '';
      const mtu = Math.min(link.mtu, MAX_TAP_MTU);
      return `tuntap add dev ${tap} mode tap vnet_hdr user ${owner} group ${owner}\nlink set dev ${tap} mtu ${mtu}${silent} up\n`;
    })
    .join('');
}

/** Priority of our filters, by which they are told from others'. */
const PREF = 2845;

/**
 * Commands of `tc` that move every frame between the two (pure). An interface may have an ingress qdisc already, with
 * filters of others: they keep their place before ours.
 */
export function redirectBatch(records: readonly TapRecord[]): string {
  const redirect = (from: string, to: string) =>
    `qdisc replace dev ${from} ingress\n` +
    `filter add dev ${from} parent ffff: protocol all pref ${PREF} ` +
    `u32 match u32 0 0 action mirred egress redirect dev ${to}\n`;
  return records.map(({ interface: name, tap }) => redirect(name, tap) + redirect(tap, name)).join('');
}

// Arguments: interface, tap, interface, tap, ... Anything may be gone already; what counts is that no tap stays.
const REMOVE_SCRIPT = [
  'failed=0',
  'while [ $# -gt 1 ]; do',
  `tc filter del dev "$1" ingress pref ${PREF}`,
  '[ -n "$(tc filter show dev "$1" ingress)" ] || tc qdisc del dev "$1" ingress',
  'ip link del dev "$2"',
  '[ ! -e "/proc/sys/net/ipv4/conf/$2" ] || failed=1',
  'shift 2',
  'done',
  'exit $failed',
].join('\n');

/**
 * Removes taps and redirects; what is gone already is fine, and so is a namespace that is gone or another by now.
 * @throws NetworkError when a tap still stands.
 */
export async function removeTaps(record: NetworkRecord, signal?: AbortSignal): Promise<void> {
  const taps = record.taps.filter(({ tap }) => tap.startsWith(TAP_PREFIX));
  if (taps.length === 0 || netnsIdentity(record.path) !== record.identity) return;
  const pairs = taps.flatMap(({ interface: name, tap }) => [name, tap]);
  try {
    await runIn(record, 'cannot take the network apart', ['sh', '-c', REMOVE_SCRIPT, 'sh', ...pairs], {
      signal,
    });
  } catch (error) {
    // Its owner may have removed the namespace meanwhile, and all with it.
    if (netnsIdentity(record.path) === record.identity) throw error;
  }
}
