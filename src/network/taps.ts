/**
 * Connects a namespace's interfaces to a VM: each gets a tap, and the kernel's traffic control redirects every frame
 * that arrives at one of the two out of the other. The interface itself is not changed: it keeps its name, addresses
 * and counters, and whoever created it can remove it as usual.
 */
import { netnsIdentity } from '../host/netns.ts';
import { type Namespace, runIn } from './namespace.ts';
import { NetworkError } from './network-error.ts';
import { type Link, type OwnTap, TAP_PREFIX, tapOf } from './topology.ts';

/** What it takes to undo one; plain data, recorded before anything is created. */
export interface TapRecord {
  readonly interface: string;
  readonly tap: string;
}

/** What another process needs to undo all of them. */
export interface NetworkRecord extends Namespace {
  readonly taps: readonly TapRecord[];
}

export interface TapOptions {
  /** Uid and gid that may open the taps: the VMM's. */
  readonly owner: number;
  readonly signal?: AbortSignal | undefined;
}

/** The kernel's limit for a tap: 65535 less the Ethernet header. */
const MAX_TAP_MTU = 65521;

export function tapRecords(links: readonly Link[]): TapRecord[] {
  return links.map((link) => ({ interface: link.name, tap: tapOf(link) }));
}

/**
 * Creates the taps, which the VMM needs when it starts; frames flow after `redirectFrames`. Replaces leftovers of a
 * sandbox that is gone.
 * @param present our taps in the namespace.
 * @throws NetworkError with nothing created, also when another VM has one of the taps.
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
 * Redirects every frame that arrives at an interface out of its tap, and vice versa.
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
    // A tap that is busy now has become another VM's after our scan.
    const isOurs = !/resource busy/i.test((error as Error).message);
    if (isOurs) await removeTaps({ ...namespace, taps: tapRecords(links) }).catch(() => undefined);
    throw error;
  }
}

/** The commands for `ip` that create the taps. Pure. */
export function tapBatch(links: readonly Link[], owner: number): string {
  return links
    .map((link) => {
      const tap = tapOf(link);
      // Without a link-local address the host's stack stays silent on the tap.
      const silent = link.ipv6 ? ' addrgenmode none' : '';
      const mtu = Math.min(link.mtu, MAX_TAP_MTU);
      return `tuntap add dev ${tap} mode tap vnet_hdr user ${owner} group ${owner}\nlink set dev ${tap} mtu ${mtu}${silent} up\n`;
    })
    .join('');
}

/** Priority of our filters, which distinguishes them from others'. */
const PREF = 2845;

/**
 * The commands for `tc` that redirect every frame between the two. Pure. An interface may already have an ingress qdisc
 * with other programs' filters: they keep their place before ours.
 */
export function redirectBatch(records: readonly TapRecord[]): string {
  const redirect = (from: string, to: string) =>
    `qdisc replace dev ${from} ingress\n` +
    `filter add dev ${from} parent ffff: protocol all pref ${PREF} ` +
    `u32 match u32 0 0 action mirred egress redirect dev ${to}\n`;
  return records.map(({ interface: name, tap }) => redirect(name, tap) + redirect(tap, name)).join('');
}

// Arguments: interface, tap, interface, tap, ... Anything may be gone already; only a tap that remains is an error.
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
 * Removes taps and redirects; missing ones are fine, and so is a namespace that is gone or has been replaced.
 * @throws NetworkError when a tap remains.
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
    // Its owner may meanwhile have removed the namespace, and everything in it.
    if (netnsIdentity(record.path) === record.identity) throw error;
  }
}
