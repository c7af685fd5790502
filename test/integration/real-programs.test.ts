// A sample of `make test-programs`: package managers and databases, which ask the most of a file system.
import { after, before, describe, test } from 'node:test';
import { Programs } from '../programs/stand.ts';
import { debianRoot, SAMPLE_PACKAGES } from '../support/debian.ts';

let programs: Programs;
before(
  async () => {
    programs = await Programs.start(await debianRoot('small', SAMPLE_PACKAGES));
  },
  { timeout: 300_000 },
);
after(() => programs?.stop());

describe('programs of Debian do in a VM what they do on any machine', { timeout: 300_000 }, () => {
  test('apt-get, dpkg and what maintainer scripts call', () => programs.run('apt.sh', 'shared root'));
  test('the tools of /etc/passwd', () => programs.run('users.sh', 'shared root'));
  test('ACLs, extended attributes, tar', () => programs.run('attributes.sh', 'bind'));
  test('git, in a root on a disk', () => programs.run('git.sh', 'disk root'));
  test('sqlite with four writers', () => programs.run('sqlite.py', 'bind'));
});
