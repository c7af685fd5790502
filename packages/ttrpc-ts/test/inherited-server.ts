// A server on the listening socket that it inherits as descriptor 3. Started by calls.test.ts.

import { Server } from '../src/index.ts';
import { handlers, NumService } from './support.ts';

const server = new Server();
server.add(NumService, handlers);
await server.listen({ fd: 3 });
