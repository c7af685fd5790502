// A client of the Container Runtime Interface: proto/cri.proto by reflection, over a unix socket, every call with a limit.
import { join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { repoRoot } from '../../scripts/stand/paths.ts';
import type { CriMethods } from './cri-types.ts';

const toObject = { longs: Number, enums: String, defaults: true, arrays: true, objects: true } as const;
/** ExecSync answers with up to 16 MiB of each stream. */
const MAX_MESSAGE = 40 << 20;

const root = new protobuf.Root().loadSync(join(repoRoot, 'proto', 'cri.proto'));

interface Method {
  readonly path: string;
  readonly encode: (value: object) => Buffer;
  readonly decode: (bytes: Buffer) => object;
}

const methods = new Map<string, Method>(
  ['RuntimeService', 'ImageService'].flatMap((name) =>
    root.lookupService(`runtime.v1.${name}`).methodsArray.map((method): [string, Method] => {
      method.resolve();
      const request = method.resolvedRequestType!;
      const response = method.resolvedResponseType!;
      return [
        method.name,
        {
          path: `/runtime.v1.${name}/${method.name}`,
          encode: (value) => Buffer.from(request.encode(request.fromObject(value)).finish()),
          decode: (bytes) => response.toObject(response.decode(bytes), toObject),
        },
      ];
    }),
  ),
);

/** An error of a call, with the code's number (google.rpc.Code). */
export class CriError extends Error {
  readonly code: number;

  constructor(method: string, cause: ServiceError) {
    super(`${method}: ${cause.details || cause.message}`, { cause });
    this.code = cause.code;
  }
}

export class Cri {
  readonly #client: Client;

  /** @param socket path of containerd's gRPC socket. */
  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_MESSAGE,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 500,
    });
  }

  /** @throws CriError */
  call<M extends keyof CriMethods>(
    name: M,
    request: CriMethods[M]['request'],
    timeoutMs = 60_000,
  ): Promise<CriMethods[M]['response']> {
    const method = methods.get(name);
    if (method === undefined) throw new Error(`proto/cri.proto has no ${name}`);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.encode,
        method.decode,
        request,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error !== null) reject(new CriError(name, error));
          else resolve(response as CriMethods[M]['response']);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}
