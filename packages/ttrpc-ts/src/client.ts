// Owns the creation of typed clients.

import type { BoundMethod, Connection } from './connection.ts';
import { wrapCall } from './interceptor.ts';
import type { CallOptions, Client, ServiceSpec } from './service.ts';
import { encodeRoute } from './wire.ts';

type AnyCall = (input: unknown, options?: CallOptions) => unknown;

/** Creates the client of a service on a connection: one function per method. It has no state of its own. */
export function createClient<S extends ServiceSpec>(service: S, connection: Connection): Client<S> {
  const client: Record<string, AnyCall> = {};
  for (const [key, spec] of Object.entries(service.methods)) {
    const method: BoundMethod = {
      service: service.name,
      method: spec.name,
      kind: spec.kind,
      spec,
      route: encodeRoute(service.name, spec.name),
    };
    client[key] = intercepted(method, connection, bind(method, connection));
  }
  return client as Client<S>;
}

function bind(method: BoundMethod, connection: Connection): AnyCall {
  switch (method.kind) {
    case 'unary':
      return (request, options) => connection.unary(method, request, options);
    case 'client-stream':
      return (input, options) => connection.clientStream(method, input as AsyncIterable<unknown>, options);
    case 'server-stream':
      return (request, options) => connection.serverStream(method, request, options);
    case 'bidi':
      return (input, options) => connection.bidi(method, input as AsyncIterable<unknown>, options);
  }
}

function intercepted(bound: BoundMethod, connection: Connection, call: AnyCall): AnyCall {
  const { interceptors } = connection;
  if (interceptors.length === 0) return call;
  const { service, method, kind } = bound;
  const wrapped = wrapCall(interceptors, kind, ({ input, options }) => call(input, options));
  return (input, options = {}) => wrapped({ service, method, kind, input, options });
}
