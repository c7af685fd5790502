# apt and dpkg: a package of a local repository is installed, configured, replaced and removed.
set -e
build() { # build VERSION
  mkdir -p p/DEBIAN p/usr/share/tiny/deep
  printf 'Package: tiny\nVersion: %s\nArchitecture: all\nMaintainer: t <t@t>\nDescription: t\n' "$1" >p/DEBIAN/control
  printf '#!/bin/sh\nset -e\nid tiny-%s 2>/dev/null || useradd --system tiny-%s\necho configured\n' "$1" "$1" >p/DEBIAN/postinst
  chmod 755 p/DEBIAN/postinst
  i=0; while [ $i -lt 50 ]; do echo "$1" >p/usr/share/tiny/deep/$i; i=$((i + 1)); done
  dpkg-deb --build --root-owner-group p "repo/tiny_$1_all.deb" >/dev/null
}
mkdir -p repo
build 1; build 2
(cd repo; for deb in *.deb; do
  dpkg-deb -f "$deb"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >Packages)
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo "deb [trusted=yes] file:$PWD/repo ./" >/etc/apt/sources.list
apt-get -q update
apt-get -q install -y tiny=1
[ "$(cat /usr/share/tiny/deep/7)" = 1 ]
apt-get -q install -y tiny
[ "$(cat /usr/share/tiny/deep/7)" = 2 ]
apt-get -q purge -y tiny
[ ! -e /usr/share/tiny ]
dpkg -i repo/tiny_1_all.deb
[ -z "$(dpkg --audit)" ]
