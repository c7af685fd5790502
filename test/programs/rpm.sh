# rpm: a package is built, installed into a root of its own, checked and removed.
set -e
printf 'Name: tiny\nVersion: 1\nRelease: 1\nSummary: t\nLicense: t\nBuildArch: noarch\n%%description\nt\n%%install\nmkdir -p %%{buildroot}/opt/tiny\necho text >%%{buildroot}/opt/tiny/file\n%%files\n/opt/tiny\n' >tiny.spec
rpmbuild --quiet --define "_topdir $PWD/build" -bb tiny.spec
rpm --root "$PWD/root" --initdb
rpm --root "$PWD/root" -i build/RPMS/noarch/tiny-1-1.noarch.rpm
[ "$(cat root/opt/tiny/file)" = text ]
rpm --root "$PWD/root" -V tiny
rpm --root "$PWD/root" -e tiny
[ ! -e root/opt/tiny ]
