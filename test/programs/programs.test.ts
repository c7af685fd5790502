// `make test-programs`: what people run in containers, from Debian, where its files are on each kind of root and in a bind.
import { after, before, describe, test } from 'node:test';
import { debianRoot } from '../support/debian.ts';
import { type Place, Programs } from './stand.ts';

const PACKAGES = [
  ...[
    'git',
    'python3',
    'python3-venv',
    'acl',
    'attr',
    'ca-certificates',
    'gcc',
    'make',
    'libc6-dev',
    'postgresql',
  ],
  ...['redis-server', 'nginx-light', 'rpm', 'curl', 'docker.io', 'docker-cli', 'iptables', 'procps'],
];
const ROOTS: readonly Place[] = ['shared root', 'disk root'];
const ALL: readonly Place[] = [...ROOTS, 'bind'];

let programs: Programs;
before(async () => {
  programs = await Programs.start(await debianRoot('full', PACKAGES));
});
after(() => programs?.stop());

const cases: [file: string, in_: readonly Place[]][] = [
  ['apt.sh', ROOTS],
  ['users.sh', ROOTS],
  ['attributes.sh', ALL],
  ['git.sh', ALL],
  ['make.sh', ALL],
  ['venv.sh', ALL],
  ['sqlite.py', ALL],
  ['postgres.sh', ALL],
  ['redis.sh', ALL],
  ['nginx.sh', ALL],
  ['rpm.sh', ALL],
];
for (const [file, where] of cases) {
  describe(file, () => {
    for (const place of where) test(place, { timeout: 300_000 }, () => programs.run(file, place));
  });
}

test('docker.sh: its data in a bind', { timeout: 300_000 }, () =>
  programs.run('docker.sh', 'bind', { privileged: true }),
);
