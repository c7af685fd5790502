// The test image: busybox from Debian's busybox-static, as an archive for containerd and Docker, or as a plain folder.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, lchown, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { packTar, type TarEntry } from './tar.ts';

/** The image's name after `ctr images import`. */
export const imageName = 'bulkhead.test/busybox:latest';

/** The pause image. */
export const pauseImageName = 'bulkhead.test/pause:latest';

/** PATH in the image's configuration. */
export const imagePath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const passwd = 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n';
const group = 'root:x:0:\napp:x:1000:\nextra:x:2000:app\n';

/**
 * The files of the image. `busybox` must be the static one; a dynamic one could not run alone and is refused.
 */
export async function imageTree(busybox = '/bin/busybox'): Promise<TarEntry[]> {
  const binary = await readFile(busybox).catch((cause: unknown) => {
    throw new Error(`no busybox at ${busybox}: apt-get install busybox-static`, { cause });
  });
  if (binary.includes('/lib64/ld-linux') || binary.includes('/lib/ld-linux')) {
    throw new Error(`${busybox} is not static: apt-get install busybox-static`);
  }
  const { stdout } = await promisify(execFile)(busybox, ['--list'], { timeout: 10_000 });
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  const dirs = ['bin', 'dev', 'etc', 'home', 'mnt', 'proc', 'root', 'run', 'sys', 'usr', 'var'];
  return [
    ...dirs.map((path): TarEntry => ({ path, type: 'dir', mode: 0o755 })),
    { path: 'home/app', type: 'dir', mode: 0o755, uid: 1000, gid: 1000 },
    { path: 'tmp', type: 'dir', mode: 0o1777 },
    { path: 'bin/busybox', type: 'file', mode: 0o755, data: binary },
    ...applets
      .sort()
      .map((name): TarEntry => ({ path: `bin/${name}`, type: 'symlink', mode: 0o777, target: 'busybox' })),
    { path: 'etc/passwd', type: 'file', mode: 0o644, data: Buffer.from(passwd) },
    { path: 'etc/group', type: 'file', mode: 0o644, data: Buffer.from(group) },
  ];
}

/** The pause container's program: runs until SIGTERM and reaps the orphans of a shared pid namespace. */
const pauseScript = 'trap "exit 0" TERM INT; while :; do /bin/busybox sleep 3600 & wait $!; done';

/** Writes the image to `file` (atomically) as an OCI archive, for `docker load` too; returns the manifest's digest. */
export async function writeImage(file: string, busybox?: string): Promise<string> {
  const tree = await imageTree(busybox);
  return await writeArchive(file, imageName, [tree], { Env: [imagePath], Cmd: ['sh'] });
}

/** Like `writeImage`, for the pause image. */
export async function writePauseImage(file: string): Promise<string> {
  const paths = new Set(['bin', 'bin/busybox', 'dev', 'etc', 'proc', 'sys', 'run']);
  const tree = (await imageTree()).filter((entry) => paths.has(entry.path));
  const Entrypoint = ['/bin/busybox', 'sh', '-c', pauseScript];
  return await writeArchive(file, pauseImageName, [tree], { Env: [imagePath], Entrypoint });
}

/** Like `writeImage`, with another name and more layers on top. */
export async function writeLayeredImage(
  file: string,
  name: string,
  layers: readonly (readonly TarEntry[])[],
): Promise<string> {
  return await writeArchive(file, name, [await imageTree(), ...layers], { Env: [imagePath], Cmd: ['sh'] });
}

/** What an image consists of: its manifest, and everything by digest, the manifest too. */
export interface BuiltImage {
  readonly manifest: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** Makes an image of layers, the lowest first, and the `config` part of its configuration. Same input, same digest. */
export function buildImage(
  trees: readonly (readonly TarEntry[])[],
  imageConfig: Record<string, unknown>,
): BuiltImage {
  const blobs = new Map<string, Buffer>();
  const add = (bytes: Buffer, mediaType: string): BuiltImage['manifest'] => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layers = trees.map((tree) => add(packTar(tree), 'application/vnd.oci.image.layer.v1.tar'));
  const config = add(
    json({
      ...platform,
      created: '1970-01-01T00:00:00Z',
      config: imageConfig,
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    }),
    'application/vnd.oci.image.config.v1+json',
  );
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return { manifest: add(json({ schemaVersion: 2, mediaType, config, layers }), mediaType), blobs };
}

const platform = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' };
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

async function writeArchive(
  file: string,
  name: string,
  trees: readonly (readonly TarEntry[])[],
  imageConfig: Record<string, unknown>,
): Promise<string> {
  const { manifest, blobs } = buildImage(trees, imageConfig);
  const { config, layers } = JSON.parse(String(blobs.get(manifest.digest)));
  const annotations = {
    'io.containerd.image.name': name,
    'org.opencontainers.image.ref.name': 'latest',
  };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, platform, annotations }] };
  const blobPath = ({ digest }: { digest: string }): string => `blobs/${digest.replace(':', '/')}`;
  const forDocker = [{ Config: blobPath(config), RepoTags: [name], Layers: layers.map(blobPath) }];
  const archive = packTar([
    { path: 'oci-layout', type: 'file', mode: 0o644, data: json({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', type: 'file', mode: 0o644, data: json(index) },
    { path: 'manifest.json', type: 'file', mode: 0o644, data: json(forDocker) },
    { path: 'blobs', type: 'dir', mode: 0o755 },
    { path: 'blobs/sha256', type: 'dir', mode: 0o755 },
    ...[...blobs].map(
      ([digest, data]): TarEntry => ({ path: blobPath({ digest }), type: 'file', mode: 0o644, data }),
    ),
  ]);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.${process.pid}`, archive);
  await rename(`${file}.${process.pid}`, file);
  return manifest.digest;
}

/** Unpacks the image into an existing folder, for bundles made without containerd. Needs root, to set owners. */
export async function writeRootfs(dir: string, busybox?: string): Promise<void> {
  for (const entry of await imageTree(busybox)) {
    const path = join(dir, entry.path);
    if (entry.type === 'dir') await mkdir(path, { recursive: true });
    else if (entry.type === 'file') await writeFile(path, entry.data ?? '');
    else await symlink(entry.target ?? '', path);
    if (entry.type === 'symlink') {
      await lchown(path, entry.uid ?? 0, entry.gid ?? 0);
      continue;
    }
    await chown(path, entry.uid ?? 0, entry.gid ?? 0);
    await chmod(path, entry.mode);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = process.argv[2];
  if (file === undefined) throw new Error('usage: image.ts <file.tar>');
  console.log(`${imageName} ${await writeImage(file)} ${file}`);
}
