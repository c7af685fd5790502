/** The two ends of a unix socket, for tests. Not shipped. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Both are closed after the test. */
export async function socketPair(t: TestContext): Promise<[Socket, Socket]> {
  const dir = mkdtempSync(join(tmpdir(), 'bulkhead-pair-'));
  const server = createServer().listen(join(dir, 'socket'));
  await once(server, 'listening');
  const near = connect(join(dir, 'socket'));
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  rmSync(dir, { recursive: true });
  t.after(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}
