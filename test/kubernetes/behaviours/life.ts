// Life cycle: starts, ends, restarts, init containers, sidecars, hooks, controllers.
import { type Behaviour, container, isTrue, type Json, type Pod, statusOf } from '../side.ts';

/** A volume that lasts as long as the pod. */
const empty = { volumes: [{ name: 'v', emptyDir: {} }] };
const volumeMounts = [{ name: 'v', mountPath: '/v' }];

/** Deletes a pod and gives how its container ended and what it wrote; the pod's object stays until both are known. */
async function farewell(pod: Pod): Promise<string> {
  const { side, name } = pod;
  const logs = pod.logs('--follow');
  await side.must(['delete', 'pod', name, '--wait=false']);
  const end = await pod.end();
  await side.must(['patch', 'pod', name, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  return `${end}; ${(await logs).replaceAll('\n', ' ')}`;
}
const kept = { finalizers: ['bulkhead.test/keep'] };

const deleted =
  (script: string, spec: Json = {}): Behaviour =>
  async (side) =>
    await farewell(await side.ready({ ...spec, containers: [container(script)] }, kept));

export const life: Record<string, Behaviour> = {
  'ends with 0': async (side) => {
    const pod = await side.make({ restartPolicy: 'Never', containers: [container('exit 0')] });
    return `${await pod.ended()}, ${await pod.end()}`;
  },
  'ends with 3': async (side) => {
    const pod = await side.make({ restartPolicy: 'Never', containers: [container('exit 3')] });
    return `${await pod.ended()}, ${await pod.end()}`;
  },
  'killed by a signal of its own': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [container('sh -c "kill -9 $$"; kill -SEGV $$')],
    });
    return `${await pod.ended()}, ${await pod.end()}`;
  },
  'restartPolicy OnFailure': async (side) => {
    const script = 'echo x >>/v/n; test $(wc -l </v/n) = 2';
    const pod = await side.make({
      ...empty,
      restartPolicy: 'OnFailure',
      containers: [container(script, { volumeMounts })],
    });
    const phase = await pod.ended();
    return `${phase}, ${statusOf((await pod.get()).status).restartCount} restart`;
  },
  'restartPolicy Always, main process killed from inside': async (side) => {
    const pod = await side.ready({ containers: [container('trap "exit 9" USR1; sleep 1000 & wait')] });
    await pod.sh('(sleep 1; kill -USR1 1) >/dev/null 2>&1 &');
    const last = await pod.until('restart', ({ status }) => {
      const one = statusOf(status);
      return one.restartCount === 1 && one.state.running && one.lastState.terminated;
    });
    return `${last.reason} ${last.exitCode}, running again`;
  },
  'crash loop': async (side) => {
    const pod = await side.make({ containers: [container('exit 1')] });
    return await pod.until('back-off', ({ status }) => {
      const reason = statusOf(status)?.state.waiting?.reason;
      return reason !== 'ContainerCreating' && reason;
    });
  },
  'command that does not exist': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [container('', { command: ['/no/such'] })],
    });
    const phase = await pod.ended();
    const { terminated } = statusOf((await pod.get()).status).state;
    return `${phase}, ${terminated.reason} ${terminated.exitCode}, names it: ${terminated.message.includes('/no/such')}`;
  },
  'image that is not there': async (side) => {
    const pod = await side.make({ containers: [container('', { image: 'bulkhead.test/none:latest' })] });
    return await pod.until(
      'refusal',
      ({ status }) =>
        statusOf(status)?.state.waiting?.reason !== 'ContainerCreating' &&
        statusOf(status)?.state.waiting?.reason,
    );
  },
  'SIGTERM, and its exit code': deleted('trap "echo got TERM; exit 7" TERM; echo up; sleep 1000 & wait'),
  'SIGKILL after the grace period': deleted(
    'trap "echo ignored" TERM; echo up; while :; do sleep 1 & wait; done',
    { terminationGracePeriodSeconds: 2 },
  ),
  activeDeadlineSeconds: async (side) => {
    const pod = await side.make({ activeDeadlineSeconds: 8, terminationGracePeriodSeconds: 1 });
    return `${await pod.ended()}, ${(await pod.get()).status.reason}`;
  },
  'termination message': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [
        container('echo -n from the file >/dev/termination-log'),
        container('echo last words; exit 1', {
          name: 'logs',
          terminationMessagePolicy: 'FallbackToLogsOnError',
        }),
      ],
    });
    await pod.ended();
    const { status } = await pod.get();
    return ['main', 'logs'].map((name) => statusOf(status, name).state.terminated.message?.trim()).join('; ');
  },
  'init containers in order': async (side) => {
    const pod = await side.make({
      ...empty,
      restartPolicy: 'Never',
      initContainers: [1, 2, 3].map((n) =>
        container(`echo ${n} >>/v/order`, { name: `init${n}`, volumeMounts }),
      ),
      containers: [container('cat /v/order', { volumeMounts })],
    });
    await pod.ended();
    return (await pod.logs()).replaceAll('\n', ' ');
  },
  'failing init container': async (side) => {
    const initContainers = [container('exit 4', { name: 'init' })];
    const pod = await side.make({ restartPolicy: 'Never', initContainers });
    const phase = await pod.ended();
    const { status } = await pod.get();
    return `${phase}, init ${await pod.end('init')}, main ${Object.keys(statusOf(status).state)}`;
  },
  'sidecar: starts first, ends last, does not hold a Job': async (side) => {
    const sidecar = container(
      'trap "echo ends >>/v/order; exit 0" TERM; echo starts >>/v/order; touch /tmp/up; sleep 1000 & wait',
      {
        ...{ name: 'sidecar', restartPolicy: 'Always', volumeMounts },
        startupProbe: { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1 },
      },
    );
    const pod = await side.make({
      ...empty,
      ...{ restartPolicy: 'Never', initContainers: [sidecar] },
      containers: [container('echo main >>/v/order; cat /v/order', { volumeMounts })],
    });
    const phase = await pod.ended();
    return `${phase}; ${(await pod.logs()).replaceAll('\n', ' ')}; sidecar ${await pod.end('sidecar')}`;
  },
  'postStart and preStop hooks': async (side) => {
    const lifecycle = {
      postStart: { exec: { command: ['sh', '-c', 'echo post-start >/proc/1/fd/1'] } },
      preStop: { exec: { command: ['sh', '-c', 'echo pre-stop >/proc/1/fd/1; sleep 1'] } },
    };
    const containers = [container('trap "echo TERM; exit 0" TERM; sleep 1000 & wait', { lifecycle })];
    return await farewell(await side.ready({ containers }, kept));
  },
  'failing postStart hook': async (side) => {
    const lifecycle = { postStart: { exec: { command: ['false'] } } };
    const pod = await side.make({
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [container(undefined, { lifecycle })],
    });
    await pod.ended();
    return (await pod.events()).includes('FailedPostStartHook') ? 'FailedPostStartHook' : 'not told';
  },
  'environment from fields, ConfigMap and Secret': async (side) => {
    const metadata = { name: side.name('c') };
    await side.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { FROM_CONFIG: 'a' } });
    await side.create({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: { FROM_SECRET: 'b' } });
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const env = [
      ...[field('NODE', 'spec.nodeName'), field('IP', 'status.podIP')],
      { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
    ];
    const envFrom = [{ configMapRef: { name: metadata.name } }, { secretRef: { name: metadata.name } }];
    const resources = { limits: { memory: '100Mi' } };
    const script =
      'ip -4 address show eth0 | grep -q " $IP/" && echo "$NODE $LIMIT $FROM_CONFIG $FROM_SECRET"';
    return await side.output(script, {}, { env, envFrom, resources });
  },
  'names: hostname, subdomain, hostAliases, dnsConfig': async (side) => {
    const spec = {
      ...{ hostname: 'me', subdomain: 'sub', dnsPolicy: 'None' },
      hostAliases: [{ ip: '192.0.2.7', hostnames: ['seven'] }],
      dnsConfig: {
        nameservers: ['192.0.2.9'],
        searches: ['example.test'],
        options: [{ name: 'ndots', value: '3' }],
      },
    };
    return (await side.output('hostname; hostname -f; grep seven /etc/hosts; cat /etc/resolv.conf', spec))
      .replace(/\s+/g, ' ')
      .replace(`.${side.handler}.`, '.NAMESPACE.');
  },
  'two containers: one network, one IPC, two file systems': async (side) => {
    const pod = await side.ready({
      containers: [
        container('echo from-main | nc -l -p 7000; echo shared >/dev/shm/f; touch /only-main; sleep 1000'),
        container(undefined, { name: 'other' }),
      ],
    });
    return await pod
      .sh('nc 127.0.0.1 7000; sleep 1; cat /dev/shm/f; test -e /only-main || echo not there', 'other')
      .then((text) => text.replaceAll('\n', ' '));
  },
  shareProcessNamespace: async (side) => {
    const containers = [container('exec sleep 4321'), container(undefined, { name: 'other' })];
    const pod = await side.ready({ shareProcessNamespace: true, containers });
    return (
      await pod.sh(
        'ps -o pid,args | grep "[s]leep 4321" | wc -l; test "$$" != 1 && ps | grep -c "[p]ause\\|sleep 3600"',
        'other',
      )
    ).split('\n')[0]!;
  },
  'ports: a pod reaches another, and itself by its address': async (side) => {
    const server = await side.ready(
      { containers: [container('while :; do echo hello | nc -l -p 80; done')] },
      {},
      'server',
    );
    const ip = (await server.get()).status.podIP;
    const there = await side.output(`nc -w 5 ${ip} 80 </dev/null`, {}, {});
    return `${there}, ${await server.sh(`nc -w 5 ${ip} 80 </dev/null`)}`;
  },
  'Job with three completions': async (side) => {
    const name = side.name('job');
    const template = side.template({ restartPolicy: 'Never', containers: [container('sleep 1')] });
    await side.create({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name },
      spec: { completions: 3, parallelism: 2, template },
    });
    await side.must(['wait', '--for=condition=Complete', `job/${name}`, '--timeout=120s'], {
      timeoutMs: 130_000,
    });
    return `${await side.must(['get', 'job', name, '-o', 'jsonpath={.status.succeeded}'])} succeeded`;
  },
  'Deployment: rollout of two, then of a change': async (side) => {
    const name = side.name('deployment');
    const labels = { app: name };
    const template = side.template({ terminationGracePeriodSeconds: 1 }, labels);
    const spec = { replicas: 2, selector: { matchLabels: labels }, template };
    await side.create({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec });
    const rollout = () =>
      side.must(['rollout', 'status', `deployment/${name}`, '--timeout=120s'], { timeoutMs: 130_000 });
    await rollout();
    await side.must(['set', 'env', `deployment/${name}`, 'CHANGED=yes']);
    await rollout();
    const changed = await side.must(['exec', `deployment/${name}`, '--', 'sh', '-c', 'echo $CHANGED']);
    return `changed: ${changed.trim()}, ${await side.must(['get', 'deployment', name, '-o', 'jsonpath={.status.readyReplicas}'])} ready`;
  },
  'StatefulSet keeps names': async (side) => {
    const name = side.name('set');
    const labels = { app: name };
    const spec = {
      replicas: 1,
      serviceName: name,
      selector: { matchLabels: labels },
      template: side.template({}, labels),
    };
    await side.create({ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name }, spec });
    const pod = side.pod(`${name}-0`);
    const uid = await pod
      .until('readiness', (one) => isTrue(one.status, 'Ready') && one.metadata.uid)
      .catch(() => pod.until('readiness', (one) => isTrue(one.status, 'Ready') && one.metadata.uid));
    await pod.delete();
    await pod.until('another', (one) => one.metadata.uid !== uid && isTrue(one.status, 'Ready'));
    return (await pod.sh('hostname')).replace(name, 'NAME');
  },
};

/** Asked alone: pods of others would have a part of the time. */
export const many: Record<string, Behaviour> = {
  'ten pods at once': async (side) => {
    const pods = await Promise.all(Array.from({ length: 10 }, (_, n) => side.make({}, {}, `many${n}`)));
    await Promise.all(pods.map((pod) => pod.ready(300_000)));
    const names = await Promise.all(pods.map((pod) => pod.sh('hostname')));
    return `${new Set(names).size} answer`;
  },
};
