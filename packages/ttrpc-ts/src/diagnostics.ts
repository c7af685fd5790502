// Owns the tracing events: four channels of node:diagnostics_channel, which cost nothing without subscribers.

import { type Channel, channel } from 'node:diagnostics_channel';
import type { MethodKind } from './service.ts';
import type { TtrpcError } from './status.ts';

/**
 * What is published on `ttrpc-ts:client:start`, `ttrpc-ts:client:end`, `ttrpc-ts:server:start` and
 * `ttrpc-ts:server:end`. The start and end of a call publish the same object, so it can be the key of a WeakMap.
 */
export interface CallEvent {
  readonly service: string;
  readonly method: string;
  readonly kind: MethodKind;
  readonly streamId: number;
  /** As of `performance.now()`. */
  readonly startTime: number;
  /** Set at the end. */
  durationMs: number | undefined;
  /** Set at the end of a call that failed. */
  error: TtrpcError | undefined;
}

/** The two channels of one side. */
export interface CallChannels {
  readonly start: Channel;
  readonly end: Channel;
}

export const clientChannels: CallChannels = {
  start: channel('ttrpc-ts:client:start'),
  end: channel('ttrpc-ts:client:end'),
};

export const serverChannels: CallChannels = {
  start: channel('ttrpc-ts:server:start'),
  end: channel('ttrpc-ts:server:end'),
};

/** Publishes the start of a call; undefined without subscribers. */
export function publishStart(
  channels: CallChannels,
  call: { readonly service: string; readonly method: string; readonly kind: MethodKind },
  streamId: number,
): CallEvent | undefined {
  if (!channels.start.hasSubscribers && !channels.end.hasSubscribers) return undefined;
  const event: CallEvent = {
    service: call.service,
    method: call.method,
    kind: call.kind,
    streamId,
    startTime: performance.now(),
    durationMs: undefined,
    error: undefined,
  };
  channels.start.publish(event);
  return event;
}

/** Publishes the end of a call. */
export function publishEnd(channels: CallChannels, event: CallEvent, error: TtrpcError | undefined): void {
  event.durationMs = performance.now() - event.startTime;
  event.error = error;
  channels.end.publish(event);
}
