// The output and input of one process in the guest, in the form in which the shim's stdio pulls and pushes it.
import { Code } from 'ttrpc-ts';
import { AgentError } from './agent-error.ts';

/** Streams of one process. Reads block until there is data; a read of nothing is the end. */
export interface GuestStreams {
  /** At most `length` bytes; empty at the end of the output. */
  readStdout(length: number): Promise<Uint8Array>;
  readStderr(length: number): Promise<Uint8Array>;
  /** How many of the bytes the guest took, at least one. */
  writeStdin(data: Uint8Array): Promise<number>;
  closeStdin(): Promise<void>;
  /** Nobody reads any more: reads under way end, and what is still written is thrown away. */
  release(): Promise<void>;
}

/** Checks an answer to a read: the guest may not fill our memory with more than it was asked for. */
export function checkRead(data: Uint8Array, length: number): Uint8Array {
  if (data.length <= length) return data;
  throw new AgentError(
    Code.Internal,
    `the guest agent sent ${data.length} bytes of output where ${length} were asked for`,
  );
}

/** Checks an answer to a write: neither more than was sent nor nothing at all, which would be asked for ever. */
export function checkWritten(count: number, length: number): number {
  if (count <= length && (count > 0 || length === 0)) return count;
  throw new AgentError(
    Code.Internal,
    `the guest agent says that it took ${count} of ${length} bytes of input`,
  );
}
