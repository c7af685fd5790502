// Owns the making of typed clients.

import type { BoundMethod, Connection } from './connection.ts';
import type { CallOptions, Client, ServiceSpec } from './service.ts';
import { encodeRoute } from './wire.ts';

type AnyCall = (input: never, options?: CallOptions) => unknown;

/** Makes the client of a service on a connection: one function per method. It holds no state of its own. */
export function createClient<S extends ServiceSpec>(service: S, connection: Connection): Client<S> {
  const client: Record<string, AnyCall> = {};
  for (const [key, spec] of Object.entries(service.methods)) {
    const method: BoundMethod = { service: service.name, spec, route: encodeRoute(service.name, spec.name) };
    client[key] = bind(method, connection);
  }
  return client as Client<S>;
}

function bind(method: BoundMethod, connection: Connection): AnyCall {
  switch (method.spec.kind) {
    case 'unary':
      return (request, options) => connection.unary(method, request, options);
    case 'client-stream':
      return (requests, options) => connection.clientStream(method, requests, options);
    case 'server-stream':
      return (request, options) => connection.serverStream(method, request, options);
    case 'bidi':
      return (requests, options) => connection.bidi(method, requests, options);
  }
}
