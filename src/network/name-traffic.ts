/**
 * Lets programs in the sandbox's network namespace talk to name servers. All frames that arrive there go to the guest,
 * so Docker's resolver, which asks other servers from inside the namespace, would never get an answer. So packets from
 * port 53 to the ports that this namespace uses also go to its own stack, and so do ARP and neighbour advertisements.
 */
import { type Namespace, runIn } from './namespace.ts';
import type { TapRecord } from './taps.ts';

/** A block of ports above a Linux guest's range (32768 to 60999), which a single mask matches. */
const FIRST_PORT = 0xf000;
const LAST_PORT = 0xffff;
const PORTS = `0x0035${FIRST_PORT.toString(16)} 0xfffff000`;

/** Priorities before those of the redirect to the guest (see taps.ts); one per protocol. */
const PREF = { arp: 2841, ip: 2842, ipv6: 2843 } as const;

/**
 * @param records interfaces whose frames are redirected to taps.
 * @throws NetworkError
 */
export async function admitNameAnswers(
  namespace: Namespace,
  records: readonly TapRecord[],
  signal?: AbortSignal,
): Promise<void> {
  if (records.length === 0) return;
  const range = `${FIRST_PORT} ${LAST_PORT}`;
  const script = `echo ${range} >/proc/sys/net/ipv4/ip_local_port_range && exec tc -batch -`;
  const what = `cannot let answers of name servers through on ${records.map((one) => one.interface).join(', ')}`;
  await runIn(namespace, what, ['sh', '-c', script], { input: nameTrafficBatch(records), signal });
}

/** The commands for `tc`. Pure. UDP goes to both stacks, because a guest may use these ports too. */
export function nameTrafficBatch(records: readonly TapRecord[]): string {
  return records
    .map(({ interface: name, tap }) => {
      const both = `action mirred egress mirror dev ${tap} pass`;
      const add = (protocol: keyof typeof PREF, match: string, action: string) =>
        `filter add dev ${name} parent ffff: protocol ${protocol} pref ${PREF[protocol]} u32 ${match} ${action}\n`;
      return [
        add('arp', 'match u32 0 0', both),
        add('ip', `match ip protocol 17 0xff match u32 ${PORTS} at 20`, both),
        // Only to this stack: the guest's would reset a connection it does not know.
        add('ip', `match ip protocol 6 0xff match u32 ${PORTS} at 20`, 'flowid :1'),
        add('ipv6', 'match ip6 protocol 58 0xff match u8 136 0xff at 40', both), // neighbour advertisements
        add('ipv6', `match ip6 protocol 17 0xff match u32 ${PORTS} at 40`, both),
        add('ipv6', `match ip6 protocol 6 0xff match u32 ${PORTS} at 40`, 'flowid :1'),
      ].join('');
    })
    .join('');
}
