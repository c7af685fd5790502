// Bounds on what a guest may cost the host through its agent: frames, bytes, sizes, and queued data.
import type { ClientInterceptor, Connection, ConnectionLimits, ServiceSpec } from 'ttrpc-ts';
import type { Pace } from '../host/paced-reading.ts';

/** An honest agent sends only answers, and reads what it is sent. */
export const connectionLimits: ConnectionLimits = { strayFrames: 256, queueBytes: 8 << 20 };

/** Pace for small chunks; faster ones are read in fewer and larger chunks. */
export const channelPace: Pace = { burst: 4_000, perSecond: 2_000, pauseMs: 1, smallBytes: 4_096 };

/** Largest answer, in bytes: decoded, a message of many small parts takes some fifty times its size. */
const ANSWER_BYTES = 64 * 1024;
const FIELD_BYTES = 64;
const largerAnswers: ReadonlyMap<string, number> = new Map([
  // As much data as one read may request.
  ['ReadStdout', (1 << 20) + FIELD_BYTES],
  ['ReadStderr', (1 << 20) + FIELD_BYTES],
  ['ReadConnection', ANSWER_BYTES + FIELD_BYTES],
  ['NextQuery', ANSWER_BYTES + FIELD_BYTES],
  // Grows with the number of devices and huge page sizes of the guest.
  ['StatsContainer', 4 * ANSWER_BYTES],
]);

/** Bounds the size of a service's answers: decoding a larger one fails. */
export function withBoundedAnswers<S extends ServiceSpec>(service: S): S {
  const bounded = Object.entries(service.methods).map(([key, spec]) => {
    const limit = largerAnswers.get(spec.name) ?? ANSWER_BYTES;
    const decode = (bytes: Uint8Array): unknown => {
      if (bytes.length > limit) throw new RangeError(`it has ${bytes.length} bytes of at most ${limit}`);
      return spec.response.decode(bytes);
    };
    return [key, { ...spec, response: { encode: spec.response.encode, decode } }];
  });
  return { ...service, methods: Object.fromEntries(bounded) } as S;
}

/** Calls that carry client data of any amount. */
const bulk: ReadonlySet<string> = new Set(['WriteStdin', 'WriteConnection']);

/** Holds bulk data back while the guest does not read, so that there is room for calls that control it. */
export function bulkWaits(connection: () => Connection): ClientInterceptor {
  return {
    single: async (call, next) => {
      // Checked again just before sending, because all waiters wake up together.
      if (bulk.has(call.method)) while (connection().isBlocked) await connection().drained();
      return next(call);
    },
  };
}
