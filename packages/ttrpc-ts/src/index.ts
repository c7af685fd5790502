// ttrpc-ts: ttrpc for Node.js. The whole public API of the package.

export { createClient } from './client.ts';
export { type ConnectAddress, type ConnectOptions, connect } from './connect.ts';
export { Connection, type ConnectionOptions } from './connection.ts';
export type { CallEvent } from './diagnostics.ts';
export { maxMessageBytes } from './frame.ts';
export type { ClientInterceptor, OutgoingCall, ServerInterceptor } from './interceptor.ts';
export type { ConnectionLimits } from './limits.ts';
export { type IncomingConnection, type ListenAddress, Server, type ServerOptions } from './server.ts';
export type {
  Awaitable,
  CallContext,
  CallOptions,
  Client,
  ClientMethod,
  Codec,
  Handler,
  Handlers,
  Input,
  Metadata,
  MethodKind,
  MethodSpec,
  Output,
  ReceivedMetadata,
  ServiceSpec,
} from './service.ts';
export { Code, codeName, type StatusDetail, TtrpcError, type TtrpcErrorOptions } from './status.ts';
