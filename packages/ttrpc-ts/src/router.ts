// Owns finding the handler for the bytes of a request.

import type { BoundHandler } from './server-call.ts';
import { Code, TtrpcError } from './status.ts';
import { decodeRequest, encodeRoute, type RequestEnvelope } from './wire.ts';

interface Route {
  /** Service and method as encoded at the beginning of a request. */
  readonly bytes: Buffer;
  readonly target: BoundHandler;
}

/**
 * The services of a server. Handlers are found by the encoded bytes of service and method, so that neither becomes a
 * string on every request. A route is learned from the first request for it, so there are never more routes than
 * methods.
 */
export class Router {
  readonly #services = new Map<string, ReadonlyMap<string, BoundHandler>>();
  readonly #routes = new Map<number, Route>();

  /** Throws if the service was already added. */
  add(service: string, methods: ReadonlyMap<string, BoundHandler>): void {
    if (this.#services.has(service)) throw new Error(`service ${service} was added already`);
    this.#services.set(service, methods);
  }

  /** Reads a request into `envelope`; returns its handler, or the error to answer with. */
  route(envelope: RequestEnvelope, buffer: Buffer, start: number, end: number): BoundHandler | TtrpcError {
    const routeEnd = endOfRoute(buffer, start, end);
    const known = routeEnd === 0 ? undefined : this.#known(buffer, start, routeEnd);
    try {
      if (known !== undefined) {
        decodeRequest(envelope, buffer, routeEnd, end);
        // Both fields may be repeated, and then the last one counts.
        if (envelope.service === '' && envelope.method === '') return known;
      }
      decodeRequest(envelope, buffer, start, end);
    } catch (error) {
      return new TtrpcError(Code.InvalidArgument, `request cannot be decoded: ${String(error)}`);
    }
    const target = this.#find(envelope.service, envelope.method);
    if (routeEnd !== 0 && !(target instanceof TtrpcError)) this.#learn(buffer, start, routeEnd, target);
    return target;
  }

  #find(service: string, method: string): BoundHandler | TtrpcError {
    const methods = this.#services.get(service);
    if (methods === undefined) return new TtrpcError(Code.Unimplemented, `service ${service}`);
    return methods.get(method) ?? new TtrpcError(Code.Unimplemented, `method ${method}`);
  }

  #known(buffer: Buffer, start: number, routeEnd: number): BoundHandler | undefined {
    const route = this.#routes.get(keyOf(buffer, start, routeEnd));
    if (route === undefined || route.bytes.length !== routeEnd - start) return undefined;
    const { bytes } = route;
    for (let i = bytes.length - 1, at = routeEnd - 1; i >= 0; i--, at--) {
      if (bytes[i] !== buffer[at]) return undefined;
    }
    return route.target;
  }

  #learn(buffer: Buffer, start: number, routeEnd: number, target: BoundHandler): void {
    const bytes = encodeRoute(target.service, target.method);
    // They differ if the fields were repeated later with other names.
    if (bytes.compare(buffer, start, routeEnd) !== 0) return;
    this.#routes.set(keyOf(buffer, start, routeEnd), { bytes, target });
  }
}

/** The end of service and method if a request begins with both, as every known peer writes it; otherwise 0. */
function endOfRoute(buffer: Buffer, start: number, end: number): number {
  if (end - start < 6 || buffer[start] !== 0x0a) return 0;
  const serviceLength = buffer[start + 1] as number;
  const methodAt = start + 2 + serviceLength;
  if (serviceLength >= 0x80 || methodAt + 2 > end || buffer[methodAt] !== 0x12) return 0;
  const methodLength = buffer[methodAt + 1] as number;
  const routeEnd = methodAt + 2 + methodLength;
  return methodLength === 0 || methodLength >= 0x80 || routeEnd > end ? 0 : routeEnd;
}

/** Distinguishes most methods; two with the same key share one slot in turn, which is only slower. */
function keyOf(buffer: Buffer, start: number, routeEnd: number): number {
  const last = (buffer[routeEnd - 1] as number) | ((buffer[routeEnd - 2] as number) << 8);
  const first = (buffer[start + 1] as number) ^ ((buffer[routeEnd - 3] as number) << 3);
  return (last | (first << 16)) ^ ((routeEnd - start) << 20);
}
