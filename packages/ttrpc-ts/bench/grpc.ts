// The same echo and blob stream over @grpc/grpc-js, with the same codecs.

import * as grpc from '@grpc/grpc-js';
import { bytesValue, int64 } from '../../../test/conformance/peer-service.ts';

const limits = { 'grpc.max_receive_message_length': 4 << 20, 'grpc.max_send_message_length': 4 << 20 };

function encodeBytes(value: Uint8Array): Buffer {
  const bytes = bytesValue.encode(value);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

const echo: grpc.MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/conformance.Peer/Echo',
  requestStream: false,
  responseStream: false,
  requestSerialize: encodeBytes,
  requestDeserialize: (bytes) => bytesValue.decode(bytes),
  responseSerialize: encodeBytes,
  responseDeserialize: (bytes) => bytesValue.decode(bytes),
};

const blobs: grpc.MethodDefinition<bigint, Uint8Array> = {
  path: '/conformance.Peer/Blobs',
  requestStream: false,
  responseStream: true,
  requestSerialize: (value) => Buffer.from(int64.encode(value)),
  requestDeserialize: (bytes) => int64.decode(bytes),
  responseSerialize: echo.responseSerialize,
  responseDeserialize: echo.responseDeserialize,
};

/** Serves echo and blobs on a unix socket. */
export async function startGrpcServer(path: string): Promise<void> {
  const server = new grpc.Server(limits);
  server.addService(
    { echo, blobs },
    {
      echo: (call: grpc.ServerUnaryCall<Uint8Array, Uint8Array>, reply: grpc.sendUnaryData<Uint8Array>) =>
        reply(null, call.request),
      async blobs(call: grpc.ServerWritableStream<bigint, Uint8Array>) {
        const blob = new Uint8Array(Number(call.request & 0xffffffffn));
        for (let i = call.request >> 32n; i > 0n; i--) {
          if (!call.write(blob)) {
            await new Promise<void>((resolve) => {
              call.once('drain', () => resolve());
            });
          }
        }
        call.end();
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

export interface EchoClient {
  echo(bytes: Uint8Array): Promise<Uint8Array>;
  blobs(request: bigint): AsyncIterable<Uint8Array>;
  close(): void;
}

/** A client of echo and blobs. */
export function grpcClient(path: string): EchoClient {
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), limits);
  return {
    echo: (bytes) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          echo.path,
          echo.requestSerialize,
          echo.responseDeserialize,
          bytes,
          (error, value) => {
            if (error !== null || value === undefined) reject(error);
            else resolve(value);
          },
        );
      }),
    blobs: (request) =>
      client.makeServerStreamRequest(
        blobs.path,
        blobs.requestSerialize,
        blobs.responseDeserialize,
        request,
      ) as AsyncIterable<Uint8Array>,
    close: () => client.close(),
  };
}
