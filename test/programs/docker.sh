# A Docker daemon in a privileged container, with overlay2: an image is imported and a container of it runs.
set -e
mount -t tmpfs tmpfs /run
# Its own processes leave the group that is to have groups below it; one that has ended meanwhile cannot.
mkdir -p /sys/fs/cgroup/init
for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true; done
dockerd --data-root "$PWD/docker" --storage-driver overlay2 >log 2>&1 &
daemon=$!
i=0; until docker info >info 2>&1; do i=$((i + 1)); [ $i -lt 300 ] || { tail -20 log; exit 1; }; sleep 0.2; done
grep 'Storage Driver: overlay2' info
programs='/bin/sh /bin/cat /bin/rm /bin/ls'
# shellcheck disable=SC2046,SC2086
tar -ch $programs $(ldd $programs | grep -o '/lib[^ ]*' | sort -u) 2>/dev/null | docker import - inner >/dev/null
[ "$(docker run --rm --network none inner /bin/sh -c 'echo inner >/file; rm /bin/rm; cat /file')" = inner ]
docker run --name kept --network none inner /bin/sh -c 'echo kept >/file'
docker commit kept again >/dev/null
[ "$(docker run --rm --network none again /bin/cat /file)" = kept ]
docker run --rm inner /bin/sh -c 'ls /sys/class/net' | grep -q eth0
kill "$daemon"; wait "$daemon"
