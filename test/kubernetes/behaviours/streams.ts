// Logs, exec, attach, cp, port-forward, debug; and what the node tells about pods.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor, within } from '../../../scripts/stand/wait.ts';
import { Terminal } from '../../support/pty.ts';
import { type Behaviour, container, isTrue, type Json, type Side, statusOf } from '../side.ts';

const MIB = 1 << 20;

/** Bytes that no pattern makes shorter. */
function bytes(count: number): Buffer {
  const blocks = Array.from({ length: count / 32 }, (_, n) =>
    createHash('sha256').update(String(n)).digest(),
  );
  return Buffer.concat(blocks);
}

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

/** A user's kubectl at a terminal. */
const atTerminal = (side: Side, args: readonly string[]): Promise<Terminal> =>
  Terminal.start(side.kubectlCommand(args), { ...side.node.containerd.env, TERM: 'dumb' }, 31, 97);

export const streams: Record<string, Behaviour> = {
  'logs of both streams, --tail, --timestamps': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [container('echo out; echo err >&2; sleep 1; echo last')],
    });
    await pod.ended();
    const stamps = (await pod.logs('--timestamps'))
      .split('\n')
      .filter((line) => /^\d{4}-\d\d-\d\dT\S+Z /.test(line));
    const all = (await pod.logs()).split('\n').sort().join(' ');
    return `${all}; tail: ${await pod.logs('--tail=1')}; ${stamps.length} stamps`;
  },
  'logs --follow to the end': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [container('for n in 1 2 3 4 5; do echo $n; sleep 1; done')],
    });
    await pod.until(
      'start',
      ({ status }) => statusOf(status)?.started !== undefined && status.phase !== 'Pending',
    );
    return (await pod.logs('--follow')).replaceAll('\n', ' ');
  },
  'logs --previous': async (side) => {
    const volumeMounts = [{ name: 'v', mountPath: '/v' }];
    const script = 'test -e /v/lived && exec sleep 1000; touch /v/lived; echo first life; exit 1';
    const pod = await side.make({
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [container(script, { volumeMounts })],
    });
    await pod.until(
      'second life',
      ({ status }) => statusOf(status)?.restartCount === 1 && isTrue(status, 'Ready'),
    );
    return await pod.logs('--previous');
  },
  'logs: a line of 200,000 characters, and 100,000 lines': async (side) => {
    const script = 'head -c 150000 /dev/zero | base64 -w 0; echo; seq 1 100000';
    const pod = await side.make({ restartPolicy: 'Never', containers: [container(script)] });
    await pod.ended();
    const lines = (await pod.logs()).split('\n');
    return `${lines.length} lines, first ${lines[0]!.length}, last ${lines.at(-1)}`;
  },
  'exec: exit code, and streams apart': async (side) => {
    const pod = await side.ready();
    const { code, stdout, stderr } = await pod.exec(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    return `${code}, ${stdout.trim()}, ${stderr.split('\n')[0]}`;
  },
  'exec: a missing command': async (side) => {
    const pod = await side.ready();
    const { code, stderr } = await pod.exec(['/no/such']);
    return `${code}, names it: ${stderr.includes('/no/such')}`;
  },
  'exec: a MiB in, the same out': async (side) => {
    const pod = await side.ready();
    const data = bytes(MIB).toString('base64');
    const { stdout } = await pod.exec(['cat'], { flags: ['-i'], input: data, timeoutMs: 120_000 });
    return sha256(stdout) === sha256(data) ? 'the same' : `${stdout.length} of ${data.length}`;
  },
  'exec: 20 MiB out': async (side) => {
    const pod = await side.ready();
    const { stdoutBytes } = await pod.exec(['head', '-c', String(20 * MIB), '/dev/zero'], {
      timeoutMs: 120_000,
    });
    return String(stdoutBytes.length);
  },
  'exec: ten at once': async (side) => {
    const pod = await side.ready();
    const all = await Promise.all(Array.from({ length: 10 }, (_, n) => pod.sh(`sleep 1; echo ${n}`)));
    return all.join(' ');
  },
  'exec -it: a terminal, its size, and an exit code': async (side) => {
    const pod = await side.ready();
    const terminal = await atTerminal(side, ['exec', '-it', pod.name, '--', 'sh']);
    await terminal.expect(/# /);
    terminal.type('tty; stty size; exit 5\r');
    const code = await within('end of the terminal', 30_000, terminal.exited);
    const tty = /^\/dev\/pts\/\d+/m.test(terminal.output) ? 'a terminal' : 'none';
    return `${tty}, ${/^\d+ \d+/m.exec(terminal.output)?.[0]}, exit ${code}`;
  },
  'exec -it: a missing command': async (side) => {
    const pod = await side.ready();
    const terminal = await atTerminal(side, ['exec', '-it', pod.name, '--', '/no/such']);
    const code = await within('end of the terminal', 30_000, terminal.exited);
    return `names it: ${terminal.output.includes('/no/such')}, exit ${code}`;
  },
  'attach -i: what is typed arrives, and the output comes': async (side) => {
    const script = 'echo ready; while read line; do echo "got $line"; done; echo end';
    const pod = await side.ready({
      restartPolicy: 'Never',
      containers: [container(script, { stdin: true, stdinOnce: true })],
    });
    const { stdout } = await side.kubectl(['attach', '-i', pod.name], { input: 'one\ntwo\n' });
    const phase = await pod.ended();
    return `${stdout.includes('got two')}, ${phase}, ${(await pod.logs('--tail=2')).replaceAll('\n', ' ')}`;
  },
  'run --rm -i': async (side) => {
    const name = side.name('run');
    const spec = { runtimeClassName: side.handler, automountServiceAccountToken: false };
    const overrides = JSON.stringify({ apiVersion: 'v1', spec });
    const image = ['--image=bulkhead.test/busybox:latest', '--image-pull-policy=Never', '--restart=Never'];
    const args = [
      'run',
      name,
      '--rm',
      '-i',
      '--quiet',
      `--overrides=${overrides}`,
      ...image,
      '--',
      'sh',
      '-c',
      'cat; exit 3',
    ];
    const { code, stdout } = await side.kubectl(args, { input: 'hello\n', timeoutMs: 120_000 });
    return `${stdout.trim().split('\n')[0]}, exit ${code}`;
  },
  'cp: a folder in and out': async (side) => {
    const pod = await side.ready();
    const dir = join(side.node.dir, side.handler, pod.name);
    mkdirSync(join(dir, 'in', 'sub'), { recursive: true });
    writeFileSync(join(dir, 'in', 'sub', 'file'), bytes(MIB));
    await side.must(['cp', join(dir, 'in'), `${pod.name}:/tmp/there`]);
    await side.must(['cp', `${pod.name}:/tmp/there`, join(dir, 'out')]);
    return sha256(readFileSync(join(dir, 'out', 'sub', 'file'))) === sha256(bytes(MIB))
      ? 'the same'
      : 'other bytes';
  },
  'port-forward: two connections, then to a port that nobody has': async (side) => {
    const pod = await side.ready({
      containers: [container('mkdir /www; echo hello >/www/f; httpd -p 8080 -h /www; sleep 1000')],
    });
    await waitFor('server', async () => (await pod.sh('netstat -ltn')).includes(':8080'), 20_000, 300);
    const port = side.handler === 'runc' ? 7101 : 7102;
    const [program, ...args] = side.kubectlCommand([
      'port-forward',
      pod.name,
      `${port}:8080`,
      `${port + 10}:9`,
    ]);
    const child = spawn(program!, args, {
      env: side.node.containerd.env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await within('forwarding', 30_000, once(child.stdout!, 'data'));
      const nc = ['busybox', 'nc', '-w', '10', '127.0.0.1'];
      const ask = async (of: number) => {
        const { stdout } = await side.node.inside([...nc, String(of)], { input: 'GET /f HTTP/1.0\r\n\r\n' });
        return stdout.split('\n').at(-2) ?? '';
      };
      return `${await ask(port)}, ${await ask(port)}, "${await ask(port + 10)}"`;
    } finally {
      child.kill('SIGKILL');
    }
  },
  'debug: an ephemeral container with --target': async (side) => {
    const pod = await side.ready({ containers: [container('exec sleep 4321')] });
    const args = [
      'debug',
      pod.name,
      '--image=bulkhead.test/busybox:latest',
      '--image-pull-policy=Never',
      '--target=main',
      '-c',
      'dbg',
      '--profile=general',
    ];
    await side.must([
      ...args,
      '--',
      'sh',
      '-c',
      'ps -o args | grep "^sleep 4321"; ls /proc/1/root/etc/passwd; exit 6',
    ]);
    const end = await pod.end('dbg');
    return `${end}; ${(await pod.logs('-c', 'dbg')).replaceAll('\n', ' ')}`;
  },
  'stats/summary: what is told of the pod': async (side) => {
    const pod = await side.ready({
      containers: [
        container('while :; do :; done', { resources: { limits: { cpu: '300m', memory: '64Mi' } } }),
      ],
    });
    return await waitFor(
      'statistics',
      async () => {
        const { pods } = JSON.parse(
          await side.must(['get', '--raw', '/api/v1/nodes/node/proxy/stats/summary']),
        );
        const stats = pods.find((one: Json) => one.podRef.name === pod.name);
        const told = (part: Json, name: string) =>
          part === undefined || Object.keys(part).length <= 1 ? [] : [name];
        const c = stats?.containers[0];
        if (!c?.cpu?.usageNanoCores || !c.memory?.workingSetBytes) return undefined;
        const names = ['cpu', 'memory', 'network', 'ephemeral-storage', 'process_stats', 'swap'].flatMap(
          (name) => told(stats[name], name),
        );
        const own = ['cpu', 'memory', 'rootfs', 'logs', 'swap'].flatMap((name) => told(c[name], name));
        return `pod: ${names.join(' ')}; container: ${own.join(' ')}; interfaces: ${(stats.network?.interfaces ?? []).map((one: Json) => one.name).join(' ')}`;
      },
      60_000,
      1_000,
    );
  },
  'metrics/cadvisor: interfaces of the pod': async (side) => {
    const pod = await side.ready();
    return await waitFor(
      'metrics',
      async () => {
        const text = await side.must(['get', '--raw', '/api/v1/nodes/node/proxy/metrics/cadvisor']);
        const lines = text.split('\n').filter((line) => line.includes(`pod="${pod.name}"`));
        const interfaces = new Set(
          lines.flatMap(
            (line) => /^container_network_receive_bytes.*interface="([^"]+)"/.exec(line)?.[1] ?? [],
          ),
        );
        return (
          lines.some((line) => line.startsWith('container_memory_working_set_bytes')) &&
          interfaces.size > 0 &&
          [...interfaces].sort().join(' ')
        );
      },
      60_000,
      1_000,
    ).catch((error: unknown) => (side.handler === 'runc' ? Promise.reject(error) : 'none'));
  },
};
