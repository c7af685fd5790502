/** A shim's services on a played host, for tests: called as containerd calls them. Not shipped. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { type Client, Connection, createClient, Server } from 'ttrpc-ts';
import { SandboxService } from '../../gen/sandbox.ts';
import { TaskV2 } from '../../gen/task.ts';
import type { Spec } from '../../oci/spec.ts';
import { type PlayedHost, specOf } from '../../sandbox/testing/played-host.ts';
import type { ShimContext } from '../context.ts';
import type { Log } from '../log.ts';
import { addSandboxService } from '../sandbox-service.ts';
import { TaskService, taskHandlers } from '../task-service.ts';

export class PlayedShim {
  readonly host: PlayedHost;
  readonly service: TaskService;
  readonly task: Client<typeof TaskV2>;
  readonly sandbox: Client<typeof SandboxService>;
  /** How often the shim was told to end. */
  exits = 0;

  constructor(host: PlayedHost) {
    this.host = host;
    const steering = { setLevel() {}, recent: () => [], flush: async () => {} };
    const log: Log = Object.assign(host.context.log as (...line: Parameters<Log>) => void, steering);
    const context: ShimContext = { ...host.context, log, exit: () => void this.exits++ };
    this.service = new TaskService(context);
    const server = new Server();
    server.add(
      TaskV2,
      taskHandlers(this.service, () => {}),
    );
    addSandboxService(server, context, this.service, () => {});
    const [near, far] = duplexPair();
    server.accept(far);
    const connection = new Connection(near);
    this.task = createClient(TaskV2, connection);
    this.sandbox = createClient(SandboxService, connection);
  }

  /** A bundle as containerd writes it; of a container of the pod `s` unless its id is that. */
  bundle(id: string, spec: Partial<Spec> | string = {}): string {
    const bundle = this.host.folder(`bundle-${id}`);
    const annotations = {
      'io.kubernetes.cri.container-type': id === 's' ? 'sandbox' : 'container',
      'io.kubernetes.cri.sandbox-id': 's',
    };
    const text = typeof spec === 'string' ? spec : JSON.stringify({ annotations, ...specOf(spec) });
    writeFileSync(join(bundle, 'config.json'), text);
    return bundle;
  }

  create(id: string, spec: Partial<Spec> | string = {}) {
    return this.task.create({ id, bundle: this.bundle(id, spec) });
  }

  async run(id: string): Promise<void> {
    await this.create(id);
    await this.task.start({ id });
  }
}
