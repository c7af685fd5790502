// The output and input of one process in the guest, in the form that the shim's stdio uses.
import { Code } from 'ttrpc-ts';
import { AgentError } from './agent-error.ts';

/** Streams of one process. Reads wait until there is data; an empty read is EOF. */
export interface GuestStreams {
  /** At most `length` bytes; empty at EOF. */
  readStdout(length: number): Promise<Uint8Array>;
  readStderr(length: number): Promise<Uint8Array>;
  /** Returns how many of the bytes the guest took, at least one. */
  writeStdin(data: Uint8Array): Promise<number>;
  closeStdin(): Promise<void>;
  /** Stops reading: pending reads end, and further output is discarded. */
  release(): Promise<void>;
}

/** Checks an answer to a read: the guest must not send more than was requested. */
export function checkRead(data: Uint8Array, length: number): Uint8Array {
  if (data.length <= length) return data;
  throw new AgentError(
    Code.Internal,
    `the guest agent sent ${data.length} bytes of output where ${length} were asked for`,
  );
}

/** Checks an answer to a write: neither more than was sent, nor nothing, which would be retried forever. */
export function checkWritten(count: number, length: number): number {
  if (count <= length && (count > 0 || length === 0)) return count;
  throw new AgentError(
    Code.Internal,
    `the guest agent says that it took ${count} of ${length} bytes of input`,
  );
}
