// A registry of container images on 127.0.0.1, for pulls only, with the images that critest asks for, made here: what it finds at
// registry.k8s.io and gcr.io is busybox with other users or files, and nginx. Run as a program, so that it can be in another network.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../../scripts/stand/command.ts';
import { fetchDebian } from '../../scripts/stand/fetch-debian.ts';
import { type BuiltImage, buildImage, imagePath, imageTree } from '../../scripts/stand/image.ts';
import type { TarEntry } from '../../scripts/stand/tar.ts';

export const registryAddress = '127.0.0.1:5000';

const file = (path: string, data: string | Buffer, mode = 0o644): TarEntry => {
  return { path, type: 'file', mode, data: Buffer.from(data) };
};

/** Commands that specs run and Debian's busybox does not have, as far as they are asked. */
const commands: readonly TarEntry[] = [
  file('bin/pgrep', '#!/bin/sh\nexec pidof "$@"\n', 0o755),
  file('bin/ipcs', '#!/bin/sh\nexec cat /proc/sysvipc/shm\n', 0o755),
];

/** The test image with its commands as links, so that one can be masked without all others. */
async function busyboxTree(): Promise<TarEntry[]> {
  return (await imageTree()).map((entry) =>
    entry.type === 'symlink' ? { ...entry, type: 'link', mode: 0o755, target: 'bin/busybox' } : entry,
  );
}

/** A set-user-ID program. */
async function nnp(): Promise<TarEntry> {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'bulkhead-nnp-'));
  const program = join(dir.path, 'nnp');
  await mustRun('cc', ['-static', '-O1', '-o', program, join(import.meta.dirname, 'nnp.c')]);
  return file('nnp', readFileSync(program), 0o4755);
}

/** Users as the busybox of these images has them; 1000 and its group are those of `test-image-predefined-group`. */
const users: readonly TarEntry[] = [
  file(
    'etc/passwd',
    ['root:x:0:0', 'www-data:x:33:33', 'default-user:x:1000:1000', 'nobody:x:65534:65534']
      .map((start) => `${start}::/:/bin/sh\n`)
      .join(''),
  ),
  file(
    'etc/group',
    'root:x:0:\nwww-data:x:33:\ndefault-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\nnogroup:x:65534:\n',
  ),
];

const NGINX_PACKAGES = ['nginx', 'nginx-common', 'libc6', 'libcrypt1', 'libpcre2-8-0', 'libssl3', 'zlib1g'];

/** nginx on a port, in the foreground. */
const nginxConfig = (port: number): string => `user www-data;
pid /var/run/nginx.pid;
daemon off;
events {}
http { server { listen ${port}; location / { root /usr/share/nginx/html; } } }
`;

/** Debian's nginx and its libraries, unpacked; to be called before where there is no way to Debian. */
export const nginxFiles = (): Promise<string> =>
  fetchDebian({ name: 'nginx', suite: 'bookworm', packages: NGINX_PACKAGES, witness: 'usr/sbin/nginx' });

async function nginx(port: number): Promise<BuiltImage> {
  const root = await nginxFiles();
  const dirs = ['var/run', 'var/log', 'var/log/nginx', 'var/lib', 'var/lib/nginx'];
  const layer = [
    ...[
      'usr/sbin/nginx',
      'usr/share/nginx',
      'lib',
      'lib64',
      'usr/lib/x86_64-linux-gnu',
      'usr/lib/aarch64-linux-gnu',
    ].flatMap((path) => entriesOf(root, join(root, path))),
    ...dirs.map((path): TarEntry => ({ path, type: 'dir', mode: 0o755 })),
    file('etc/nginx/nginx.conf', nginxConfig(port)),
  ];
  return buildImage([await busyboxTree(), users, layer], { Env: [imagePath], Cmd: ['/usr/sbin/nginx'] });
}

/** A folder of the host as entries, without what a program needs only to be read by people. */
function entriesOf(root: string, path: string): TarEntry[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  const name = relative(root, path);
  if (stat === undefined || name.length > 100) return [];
  if (stat.isSymbolicLink())
    return [{ path: name, type: 'symlink', mode: 0o777, target: readlinkSync(path) }];
  if (stat.isFile()) return [{ path: name, type: 'file', mode: stat.mode & 0o777, data: readFileSync(path) }];
  const inner = readdirSync(path)
    .sort()
    .flatMap((entry) => entriesOf(root, join(path, entry)));
  return [{ path: name, type: 'dir', mode: 0o755 }, ...inner];
}

/** Images by the name that follows the registry's; tags are not told apart. */
async function images(): Promise<Map<string, BuiltImage>> {
  const tree = await busyboxTree();
  const busybox = (config: object = {}, ...more: TarEntry[]): BuiltImage =>
    buildImage([tree, [...users, ...commands, ...more]], { Env: [imagePath], Cmd: ['sh'], ...config });
  const httpd = ['sh', '-c', 'mkdir /www; echo ok >/www/index.html; echo httpd; exec httpd -f -p 80 -h /www'];
  const plain = [
    'test-image-latest',
    'test-image-tag',
    'test-image-tags',
    'test-image-1',
    'test-image-2',
    'test-image-3',
  ];
  const asUser = {
    'test-image-user-uid': '1002',
    'test-image-user-username': 'www-data',
    'test-image-user-uid-group': '1003:1004',
    'test-image-user-username-group': 'www-data:1004',
    'test-image-predefined-group': '1000',
  };
  const staged = [
    ...plain.map((name) => [name, busybox({}, file(name, name))] as const),
    ...Object.entries(asUser).map(([name, User]) => [name, busybox({ User })] as const),
    [`hostnet-nginx-${process.arch === 'x64' ? 'amd64' : process.arch}`, await nginx(12003)] as const,
  ];
  return new Map([
    ['e2e-test-images/busybox', busybox()],
    ['e2e-test-images/nginx', await nginx(80)],
    ['e2e-test-images/httpd', busybox({ Cmd: httpd })],
    ['e2e-test-images/nonewprivs', busybox({ Cmd: ['/nnp'] }, await nnp())],
    ['pause', busybox({}, file('pause', ''))],
    ...staged.map(([name, image]) => [`k8s-staging-cri-tools/${name}`, image] as const),
  ]);
}

async function serve(): Promise<void> {
  const all = await images();
  const server = createServer((request, response) => {
    const [, name, kind, ref] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? '') ?? [];
    const image = all.get(name ?? '');
    const digest = ref?.startsWith('sha256:') ? ref : image?.manifest.digest;
    const bytes = image?.blobs.get(digest ?? '');
    if (request.url === '/v2/') response.end();
    else if (bytes === undefined) response.writeHead(404).end();
    else {
      const type = kind === 'manifests' ? image!.manifest.mediaType : 'application/octet-stream';
      response.writeHead(200, {
        'Content-Type': type,
        'Content-Length': bytes.length,
        'Docker-Content-Digest': digest,
      });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    }
  });
  const [host, port] = registryAddress.split(':');
  server.listen(Number(port), host, () => console.log('listening'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve();
