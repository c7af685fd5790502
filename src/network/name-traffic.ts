/**
 * Lets a program in the sandbox's network namespace talk to name servers. All frames that arrive there go to the guest,
 * and Docker's resolver, which asks other servers from inside the namespace, would never see an answer. So what comes
 * from port 53 to the ports that this namespace uses goes to its own stack (too), and so does what finds neighbours.
 */
import { type Namespace, runIn } from './namespace.ts';
import type { TapRecord } from './taps.ts';

/** A block of ports above the range of a Linux guest (32768 to 60999), which one comparison of bits finds. */
const FIRST_PORT = 0xf000;
const LAST_PORT = 0xffff;
const PORTS = `0x0035${FIRST_PORT.toString(16)} 0xfffff000`;

/** Before those that move the frames to the guest (see taps.ts); one per protocol. */
const PREF = { arp: 2841, ip: 2842, ipv6: 2843 } as const;

/**
 * @param records interfaces whose frames go to taps.
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
  const what = `cannot let answers of name servers through at ${records.map((one) => one.interface).join(', ')}`;
  await runIn(namespace, what, ['sh', '-c', script], { input: nameTrafficBatch(records), signal });
}

/** Commands of `tc` (pure). UDP goes to both stacks: a guest may use these ports too. */
export function nameTrafficBatch(records: readonly TapRecord[]): string {
  return records
    .map(({ interface: name, tap }) => {
      const both = `action mirred egress mirror dev ${tap} pass`;
      const add = (protocol: keyof typeof PREF, match: string, action: string) =>
        `filter add dev ${name} parent ffff: protocol ${protocol} pref ${PREF[protocol]} u32 ${match} ${action}\n`;
      return [
        add('arp', 'match u32 0 0', both),
        add('ip', `match ip protocol 17 0xff match u32 ${PORTS} at 20`, both),
        // A stack that has not asked would reset the connection.
        add('ip', `match ip protocol 6 0xff match u32 ${PORTS} at 20`, 'flowid :1'),
        add('ipv6', 'match ip6 protocol 58 0xff match u8 136 0xff at 40', both), // a neighbour's address
        add('ipv6', `match ip6 protocol 17 0xff match u32 ${PORTS} at 40`, both),
        add('ipv6', `match ip6 protocol 6 0xff match u32 ${PORTS} at 40`, 'flowid :1'),
      ].join('');
    })
    .join('');
}
