// Volumes of every kind that needs no other machine: contents, owners, modes, updates, limits, mounts that come later.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, run } from '../../../scripts/stand/command.ts';
import { waitFor } from '../../../scripts/stand/wait.ts';
import { type Behaviour, container, type Json, type Side, statusOf } from '../side.ts';

const mount = (more: Json = {}) => [{ name: 'v', mountPath: '/v', ...more }];
const volume = (source: Json) => [{ name: 'v', ...source }];
const oneLine = (text: string) => text.trim().replace(/\s*\n\s*/g, ' ');

/** What a script says in a pod with one volume at /v. */
async function asked(
  side: Side,
  source: Json,
  script: string,
  spec: Json = {},
  mounting: Json = {},
): Promise<string> {
  const { container: own, ...pod } = spec;
  const text = await side.output(
    script,
    { volumes: volume(source), ...pod },
    { volumeMounts: mount(mounting), ...own },
  );
  return oneLine(text);
}

/** A folder of the host that goes with the node. */
function hostFolder(side: Side, name: string): string {
  const dir = join(side.node.dir, 'host', side.handler, side.name(name));
  mkdirSync(dir, { recursive: true });
  return dir;
}

async function config(side: Side, kind: 'ConfigMap' | 'Secret', data: Json): Promise<string> {
  const name = side.name('data');
  const values = kind === 'Secret' ? { stringData: data } : { data };
  await side.create({ apiVersion: 'v1', kind, metadata: { name }, ...values });
  return name;
}

/** Reads a changing file until it is as it should be: the kubelet takes its time to see a change. */
const becomes = (what: string, read: () => Promise<string>, wanted: string): Promise<string> =>
  waitFor(what, async () => (await read()) === wanted && wanted, 100_000, 1_000);

/** Sees a change of a ConfigMap or Secret. */
const updated =
  (kind: 'ConfigMap' | 'Secret'): Behaviour =>
  async (side) => {
    const name = await config(side, kind, { key: 'old' });
    const source = kind === 'Secret' ? { secret: { secretName: name } } : { configMap: { name } };
    const pod = await side.ready({
      volumes: volume(source),
      containers: [container(undefined, { volumeMounts: mount() })],
    });
    const before = await pod.sh('cat /v/key');
    const data =
      kind === 'Secret' ? { stringData: { key: 'new', more: 'x' } } : { data: { key: 'new', more: 'x' } };
    await side.must(['patch', kind, name, '--type=merge', '-p', JSON.stringify(data)]);
    return `${before}, then ${await becomes('new value', () => pod.sh('cat /v/key'), 'new')}, ${await pod.sh('ls /v | tr "\\n" " "')}`;
  };

/** A PersistentVolume of this node and a claim of it. */
async function claim(side: Side, path: string, volumeMode: 'Filesystem' | 'Block'): Promise<Json> {
  const name = `${side.handler}-${side.name('pv')}`;
  const terms = {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'Exists' }] }],
  };
  const common = { accessModes: ['ReadWriteOnce'], storageClassName: name, volumeMode };
  await side.create({
    ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name } },
    spec: { ...common, capacity: { storage: '16Mi' }, local: { path }, nodeAffinity: { required: terms } },
  });
  const resources = { requests: { storage: '16Mi' } };
  const metadata = { name, namespace: side.handler };
  await side.create({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata,
    spec: { ...common, resources },
  });
  return { persistentVolumeClaim: { claimName: name } };
}

export const volumes: Record<string, Behaviour> = {
  'emptyDir: two containers, and a restart': async (side) => {
    const volumeMounts = mount();
    const first = container('echo x >>/v/n; sleep 2; test $(wc -l </v/n) = 3 && exec sleep 1000', {
      volumeMounts,
    });
    const pod = await side.make({
      volumes: volume({ emptyDir: {} }),
      containers: [first, container(undefined, { name: 'other', volumeMounts })],
    });
    await pod.until(
      'third life',
      ({ status }) => statusOf(status)?.restartCount === 2 && statusOf(status).state.running,
    );
    await waitFor('three lines', async () => (await pod.sh('wc -l </v/n', 'other')) === '3', 30_000, 500);
    return `${await pod.sh('wc -l </v/n', 'other')}; ${await pod.sh('stat -c "%a %u %g" /v', 'other')}`;
  },
  'emptyDir in memory: limit': (side) =>
    asked(
      side,
      { emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
      'df -k /v | tail -1 | awk "{print \\$2}"; stat -f -c %T /v; dd if=/dev/zero of=/v/f bs=1M count=9 2>&1 | grep -o "No space.*"',
    ),
  'emptyDir in memory: no sizeLimit, 700 MB written': async (side) => {
    const pod = await side.make({
      restartPolicy: 'Never',
      volumes: volume({ emptyDir: { medium: 'Memory' } }),
      containers: [
        container(
          'dd if=/dev/zero of=/v/f bs=1M count=700 2>&1 | grep -o "No space.*"; echo alive; rm /v/f',
          { volumeMounts: mount() },
        ),
      ],
    });
    await pod.ended();
    return oneLine(await pod.logs());
  },
  'emptyDir on disk: eviction over its limit': async (side) => {
    const script = 'dd if=/dev/zero of=/v/f bs=1M count=30; sleep 1000';
    const pod = await side.make({
      terminationGracePeriodSeconds: 0,
      volumes: volume({ emptyDir: { sizeLimit: '10Mi' } }),
      containers: [container(script, { volumeMounts: mount() })],
    });
    return await pod.until('eviction', ({ status }) => status.phase === 'Failed' && status.reason, 240_000);
  },
  'configMap: files, items, modes': async (side) => {
    const name = await config(side, 'ConfigMap', { a: '1', b: '2' });
    const configMap = {
      name,
      defaultMode: 0o640,
      items: [
        { key: 'a', path: 'dir/a' },
        { key: 'b', path: 'b', mode: 0o400 },
      ],
    };
    return await asked(
      side,
      { configMap },
      'cat /v/dir/a /v/b; stat -L -c "%a %u:%g" /v/dir/a /v/b; touch /v/x 2>&1 | grep -o "Read-only.*"',
    );
  },
  'configMap: a change is seen': updated('ConfigMap'),
  'configMap: optional, and not there': (side) =>
    asked(side, { configMap: { name: 'nowhere', optional: true } }, 'ls -A /v | wc -l'),
  'configMap: subPath': async (side) => {
    const name = await config(side, 'ConfigMap', { key: 'value' });
    return await asked(
      side,
      { configMap: { name } },
      'cat /etc/app.conf; stat -c %F /etc/app.conf',
      {},
      { mountPath: '/etc/app.conf', subPath: 'key' },
    );
  },
  'secret: files, modes': async (side) => {
    const secretName = await config(side, 'Secret', { password: 'hunter2' });
    return await asked(
      side,
      { secret: { secretName, defaultMode: 0o400 } },
      'cat /v/password; echo; stat -L -c "%a %u:%g" /v/password',
    );
  },
  'secret: a change is seen': updated('Secret'),
  'roots of configMap, secret, projected, downwardAPI': async (side) => {
    const configMap = { name: await config(side, 'ConfigMap', { key: 'value' }) };
    const secretName = side.name('data');
    await side.create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secretName },
      stringData: { key: 'value' },
    });
    const downwardAPI = { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] };
    const sources = {
      c: { configMap },
      s: { secret: { secretName } },
      p: { projected: { sources: [{ downwardAPI }] } },
      d: { downwardAPI },
    };
    const names = Object.keys(sources);
    const all = Object.entries(sources).map(([name, source]) => ({ name, ...source }));
    const volumeMounts = names.map((name) => ({ name, mountPath: `/${name}` }));
    const script = `stat -c "%a %u:%g" ${names.map((name) => `/${name}`).join(' ')}`;
    const plain = await side.output(script, { volumes: all }, { volumeMounts });
    const pod = await side.make(
      {
        restartPolicy: 'Never',
        volumes: all,
        securityContext: { fsGroup: 2000 },
        containers: [container(script, { volumeMounts })],
      },
      {},
      'group',
    );
    await pod.ended();
    return `${oneLine(plain)}; fsGroup: ${oneLine(await pod.logs())}`;
  },
  'projected: token, configMap and downwardAPI together': async (side) => {
    const name = await config(side, 'ConfigMap', { key: 'value' });
    const sources = [
      { serviceAccountToken: { path: 'token', expirationSeconds: 600 } },
      { configMap: { name } },
      { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
    ];
    return (
      await asked(
        side,
        { projected: { sources } },
        'ls /v; grep -c "^ey" /v/token; cat /v/key; echo; cat /v/name',
      )
    ).replace(side.handler, 'NAMESPACE');
  },
  'service account token where programs look for it': async (side) =>
    (
      await side.output(
        'cd /var/run/secrets/kubernetes.io/serviceaccount && ls && cat namespace && head -c 2 token',
        { automountServiceAccountToken: true },
      )
    )
      .replace(side.handler, 'NAMESPACE')
      .replaceAll('\n', ' '),
  'downwardAPI: a changed label is seen': async (side) => {
    const items = [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }];
    const pod = await side.ready(
      {
        volumes: volume({ downwardAPI: { items } }),
        containers: [container(undefined, { volumeMounts: mount() })],
      },
      { labels: { colour: 'red' } },
    );
    const before = await pod.sh('cat /v/labels');
    await side.must(['label', 'pod', pod.name, '--overwrite', 'colour=blue']);
    return `${before}, then ${await becomes('blue', () => pod.sh('cat /v/labels'), 'colour="blue"')}`;
  },
  'fsGroup, supplementalGroups': (side) =>
    asked(side, { emptyDir: {} }, 'stat -c "%a %u:%g" /v; id -G; touch /v/f; stat -c "%u:%g" /v/f', {
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000, supplementalGroups: [3000] },
    }),
  'subPath of an emptyDir, subPathExpr': (side) =>
    asked(side, { emptyDir: {} }, 'echo x >/v/f; ls -A /all; ls /all/*', {
      container: {
        env: [{ name: 'WHO', value: 'me' }],
        volumeMounts: [...mount({ subPathExpr: 'of-$(WHO)' }), { name: 'v', mountPath: '/all' }],
      },
    }),
  'hostPath: folder, both ways': async (side) => {
    const path = hostFolder(side, 'dir');
    writeFileSync(join(path, 'in'), 'from the host\n');
    const answer = await asked(
      side,
      { hostPath: { path, type: 'Directory' } },
      'cat /v/in; echo from the pod >/v/out; chown 5:6 /v/out',
    );
    return `${answer}; ${oneLine((await mustRun('stat', ['-c', '%u:%g %s', join(path, 'out')])).stdout)}`;
  },
  'hostPath: file, and a folder that is missing': async (side) => {
    const dir = hostFolder(side, 'file');
    writeFileSync(join(dir, 'f'), 'a file\n');
    const file = await asked(
      side,
      { hostPath: { path: join(dir, 'f'), type: 'File' } },
      'cat /v; echo more >>/v; wc -l </v',
    );
    const missing = await side.make(
      {
        volumes: volume({ hostPath: { path: join(dir, 'none'), type: 'Directory' } }),
        containers: [container(undefined, { volumeMounts: mount() })],
      },
      {},
      'missing',
    );
    await missing.until(
      'refusal',
      ({ status }) => statusOf(status)?.state.waiting?.reason === 'ContainerCreating',
    );
    await waitFor('event', async () => (await missing.events()).includes('FailedMount'), 60_000, 500);
    return `${file}; missing: FailedMount`;
  },
  'hostPath: read-only, and recursively': async (side) => {
    const path = hostFolder(side, 'ro');
    mkdirSync(join(path, 'sub'));
    await mustRun('mount', ['-t', 'tmpfs', 'tmpfs', join(path, 'sub')]);
    side.defer(() => run('umount', ['-l', join(path, 'sub')]));
    const script = 'touch /v/f 2>&1 | grep -o "Read-only.*"; touch /v/sub/f 2>&1 | grep -o "Read-only.*"';
    return await asked(
      side,
      { hostPath: { path } },
      script,
      {},
      { readOnly: true, recursiveReadOnly: 'Enabled' },
    );
  },
  'hostPath: a mount that comes later (HostToContainer), and goes': async (side) => {
    const path = hostFolder(side, 'later');
    mkdirSync(join(path, 'sub'));
    await mustRun('mount', ['--bind', path, path]);
    side.defer(() => run('umount', ['-l', path]));
    await mustRun('mount', ['--make-shared', path]);
    const pod = await side.ready({
      volumes: volume({ hostPath: { path } }),
      containers: [container(undefined, { volumeMounts: mount({ mountPropagation: 'HostToContainer' }) })],
    });
    await mustRun('mount', ['-t', 'tmpfs', 'tmpfs', join(path, 'sub')]);
    side.defer(() => run('umount', ['-l', join(path, 'sub')]));
    writeFileSync(join(path, 'sub', 'f'), 'there\n');
    const seen = await waitFor(
      'mount',
      async () => (await pod.exec(['cat', '/v/sub/f'])).stdout.trim() || undefined,
      20_000,
      500,
    ).catch(() => 'not seen');
    const { code, stderr } = await run('umount', [join(path, 'sub')]);
    return `${seen}; umount on the host: ${code === 0 ? 'goes' : stderr.trim().replace(path, 'PATH')}`;
  },
  'hostPath: a mount of the container (Bidirectional)': async (side) => {
    const path = hostFolder(side, 'both');
    mkdirSync(join(path, 'sub'));
    await mustRun('mount', ['--bind', path, path]);
    side.defer(() => run('umount', ['-l', path]));
    await mustRun('mount', ['--make-shared', path]);
    side.defer(() => run('umount', ['-l', join(path, 'sub')]));
    const securityContext = { privileged: true };
    const pod = await side.make({
      volumes: volume({ hostPath: { path } }),
      containers: [
        container(undefined, { securityContext, volumeMounts: mount({ mountPropagation: 'Bidirectional' }) }),
      ],
    });
    const { state } = await pod.until('answer', ({ status }) => {
      const one = statusOf(status);
      return (one?.state.running || /Error/.test(one?.state.waiting?.reason ?? '')) && one;
    });
    if (state.waiting)
      return `${state.waiting.reason}: ${/mount [^,]*$/.exec(state.waiting.message)?.[0] ?? state.waiting.message}`;
    await pod.sh('mount -t tmpfs tmpfs /v/sub && echo x >/v/sub/f');
    return `host sees ${(await run('cat', [join(path, 'sub', 'f')])).stdout.trim()}`;
  },
  'PersistentVolume (local), file system': async (side) => {
    const path = hostFolder(side, 'local');
    chmodSync(path, 0o770);
    const source = await claim(side, path, 'Filesystem');
    return await asked(side, source, 'echo x >/v/f; stat -c "%a %u:%g" /v /v/f', {
      securityContext: { fsGroup: 2000 },
    });
  },
  'PersistentVolume (local), raw block device': async (side) => {
    const image = join(hostFolder(side, 'block'), 'image');
    await mustRun('truncate', ['-s', '16M', image]);
    const device = oneLine((await mustRun('losetup', ['--find', '--show', image])).stdout);
    side.defer(() => run('losetup', ['-d', device]));
    const source = await claim(side, device, 'Block');
    const script =
      'test -b /dev/disk && echo device; blockdev --getsize64 /dev/disk; echo written | dd of=/dev/disk conv=fsync 2>/dev/null && head -c 7 /dev/disk';
    const text = await side.output(
      script,
      { volumes: volume(source) },
      { volumeDevices: [{ name: 'v', devicePath: '/dev/disk' }] },
    );
    return `${oneLine(text)}; on the host: ${(await mustRun('head', ['-c', '7', image])).stdout}`;
  },
  'image volume': (side) =>
    asked(
      side,
      { image: { reference: 'bulkhead.test/busybox:latest', pullPolicy: 'Never' } },
      'ls /v/bin/busybox; touch /v/x 2>&1 | grep -o "Read-only.*"',
    ),
  'image volume with subPath': (side) =>
    asked(
      side,
      { image: { reference: 'bulkhead.test/busybox:latest', pullPolicy: 'Never' } },
      'ls /v | tr "\\n" " "',
      {},
      { subPath: 'etc' },
    ),
};
