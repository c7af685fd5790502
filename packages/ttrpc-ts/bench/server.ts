// The measured server: `node server.ts ttrpc|grpc <socket>`. Prints "listening".

import { Server } from 'ttrpc-ts';
import { PeerService, peerHandlers } from '../../../test/conformance/peer-service.ts';

const [kind, path] = process.argv.slice(2) as ['ttrpc' | 'grpc', string];
if (kind === 'ttrpc') {
  const server = new Server();
  server.add(PeerService, peerHandlers);
  await server.listen({ path });
} else {
  const { startGrpcServer } = await import('./grpc.ts');
  await startGrpcServer(path);
}
console.log('listening');
