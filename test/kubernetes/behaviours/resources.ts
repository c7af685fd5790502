// Limits, out of memory, resizes, evictions, probes.
import { type Behaviour, container, isTrue, type Json, statusOf } from '../side.ts';

const limits = (memory?: string, cpu?: string): Json => ({
  resources: {
    limits: { ...(memory === undefined ? {} : { memory }), ...(cpu === undefined ? {} : { cpu }) },
  },
});

/** Reads a limit with either version of cgroups. */
const memoryMax =
  'cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes';
const cpuMax =
  'cat /sys/fs/cgroup/cpu.max 2>/dev/null || echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us)';

/** Takes so many MiB of memory for a moment. */
const hold = (mib: number): string =>
  `dd if=/dev/zero of=/dev/null bs=${mib}M count=1 2>/dev/null; echo "took it: $?"`;

/** The status of the container after its end, from an end that is past, too. */
const lastEnd = (status: Json): string | undefined => {
  const one = statusOf(status);
  const end = one?.state.terminated ?? one?.lastState.terminated;
  return end && `${end.reason} ${end.exitCode}`;
};

const httpd = (script: string): string => `mkdir /www; echo ok >/www/ok; httpd -p 8080 -h /www; ${script}`;

export const resources: Record<string, Behaviour> = {
  'limits as the container sees them': async (side) =>
    (await side.output(`${memoryMax}; ${cpuMax}`, {}, limits('100Mi', '500m'))).replaceAll('\n', ', '),
  'out of memory: the container, not its neighbour': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [
        container(`sleep 2; exec tail /dev/zero`, limits('64Mi')),
        container('sleep 12; echo lives', { name: 'other', ...limits('64Mi') }),
      ],
    });
    const end = await pod.end();
    return `${end}; other: ${await pod.end('other')} ${await pod.logs('-c', 'other')}`;
  },
  'out of memory of a child: the container lives on': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [container(`${hold(200)}; sleep 1`, limits('64Mi'))],
    });
    return `${await pod.ended()}, ${await pod.end()}`;
  },
  'limits on one container only: the other takes 300 MiB': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      containers: [container(hold(300)), container('sleep 1000', { name: 'limited', ...limits('50Mi') })],
    });
    return `${await pod.end()}, ${await pod.logs('-c', 'main')}`;
  },
  'a request of memory without a limit: 1.2 GB taken': async (side) => {
    const request = { resources: { requests: { memory: '1500Mi' } } };
    const pod = await side.make({ restartPolicy: 'Never', containers: [container(hold(1200), request)] });
    return `${await pod.ended()}, ${await pod.end()}, ${await pod.logs()}`;
  },
  'limits of the pod (spec.resources)': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      resources: { limits: { memory: '100Mi', cpu: '500m' } },
      containers: [container(hold(200))],
    });
    await pod.ended();
    return `${await pod.end()}`.replace(/^\S+ (?!0)/, 'killed ');
  },
  'a CPU limit of 50m': async (side) => {
    const pod = await side.ready({ containers: [container(undefined, limits(undefined, '50m'))] });
    return await pod.sh('echo runs');
  },
  'in-place resize within the VM': async (side) => {
    const pod = await side.ready({ containers: [container(undefined, limits('200Mi', '300m'))] });
    // Requests are what the limits were, unless told.
    const smaller = { memory: '100Mi', cpu: '200m' };
    const patch = {
      spec: { containers: [{ name: 'main', resources: { limits: smaller, requests: smaller } }] },
    };
    await side.must(['patch', 'pod', pod.name, '--subresource=resize', '-p', JSON.stringify(patch)]);
    const told = await pod.until(
      'new limits',
      ({ status }) =>
        statusOf(status).resources?.limits?.memory === '100Mi' && statusOf(status).resources.limits,
    );
    return `${told.memory} ${told.cpu}; ${(await pod.sh(`${memoryMax}; ${cpuMax}`)).replaceAll('\n', ', ')}; ${statusOf((await pod.get()).status).restartCount} restarts`;
  },
  'in-place resize from 100Mi to 1Gi: 600 MiB taken': async (side) => {
    const pod = await side.ready({ containers: [container(undefined, limits('100Mi'))] });
    const patch = { spec: { containers: [{ name: 'main', ...limits('1Gi') }] } };
    await side.must(['patch', 'pod', pod.name, '--subresource=resize', '-p', JSON.stringify(patch)]);
    await pod.until('new limits', ({ status }) => statusOf(status).resources?.limits?.memory === '1Gi');
    const { code, stdout } = await pod.exec(['sh', '-c', hold(600)], { timeoutMs: 120_000 });
    return `${stdout.trim()}, exit ${code}`;
  },
  'ephemeral-storage: eviction': async (side) => {
    const script = 'dd if=/dev/zero of=/f bs=1M count=30; sleep 1000';
    const resources = { limits: { 'ephemeral-storage': '10Mi' } };
    const pod = await side.make({
      terminationGracePeriodSeconds: 0,
      containers: [container(script, { resources })],
    });
    return await pod.until('eviction', ({ status }) => status.phase === 'Failed' && status.reason, 240_000);
  },
  'eviction by the API': async (side) => {
    const pod = await side.ready();
    const eviction = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod.name, namespace: side.handler },
    };
    const path = `/api/v1/namespaces/${side.handler}/pods/${pod.name}/eviction`;
    await side.must(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) });
    await side.must(['wait', '--for=delete', `pod/${pod.name}`, '--timeout=60s'], { timeoutMs: 70_000 });
    return 'gone';
  },
  'quality of service classes': async (side) => {
    const resources = { limits: { memory: '64Mi', cpu: '100m' }, requests: { memory: '64Mi', cpu: '100m' } };
    const pod = await side.ready({ containers: [container(undefined, { resources })] });
    return (await pod.get()).status.qosClass;
  },
  'readiness probe by exec: there and back': async (side) => {
    const readinessProbe = { exec: { command: ['test', '-e', '/tmp/ok'] }, periodSeconds: 1 };
    const pod = await side.make({ containers: [container(undefined, { readinessProbe })] });
    await pod.until('start', ({ status }) => statusOf(status)?.state.running);
    const before = isTrue((await pod.get()).status, 'Ready');
    await pod.sh('touch /tmp/ok');
    await pod.ready();
    await pod.sh('rm /tmp/ok');
    await pod.until('no readiness', ({ status }) => !isTrue(status, 'Ready'));
    return `${before}, true, false; ${statusOf((await pod.get()).status).restartCount} restarts`;
  },
  'probes by HTTP and TCP': async (side) => {
    const probes = {
      readinessProbe: { httpGet: { path: '/ok', port: 8080 }, periodSeconds: 1 },
      livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
    };
    const pod = await side.ready({ containers: [container(httpd('sleep 1000'), probes)] });
    return `ready, ${statusOf((await pod.get()).status).restartCount} restarts`;
  },
  'failing liveness probe': async (side) => {
    const livenessProbe = { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 2 };
    const pod = await side.make({
      terminationGracePeriodSeconds: 1,
      containers: [container(undefined, { livenessProbe })],
    });
    const end = await pod.until(
      'restart',
      ({ status }) => statusOf(status)?.restartCount >= 1 && lastEnd(status),
    );
    return `${end}, restarted`;
  },
  'startup probe holds the others back': async (side) => {
    const pod = await side.ready({
      containers: [
        container('sleep 4; touch /tmp/up; sleep 1000', {
          startupProbe: {
            exec: { command: ['test', '-e', '/tmp/up'] },
            periodSeconds: 1,
            failureThreshold: 60,
          },
          livenessProbe: {
            exec: { command: ['test', '-e', '/tmp/up'] },
            periodSeconds: 1,
            failureThreshold: 1,
          },
        }),
      ],
    });
    return `ready, ${statusOf((await pod.get()).status).restartCount} restarts`;
  },
  'a probe that hangs, and its time limit': async (side) => {
    const livenessProbe = {
      exec: { command: ['sleep', '1000'] },
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 2,
    };
    const pod = await side.make({
      terminationGracePeriodSeconds: 1,
      containers: [container(undefined, { livenessProbe })],
    });
    await pod.until('restart', ({ status }) => statusOf(status)?.restartCount >= 1);
    return 'restarted';
  },
};
