# Redis with its append-only file: what was confirmed is there after a kill.
set -e
start() { redis-server --dir "$PWD" --port 7001 --appendonly yes --appendfsync always --daemonize yes --pidfile "$PWD/pid" --logfile "$PWD/log" >/dev/null; }
answers() { i=0; until [ "$(redis-cli -p 7001 ping 2>/dev/null)" = PONG ]; do i=$((i + 1)); [ $i -lt 100 ] || { cat log; exit 1; }; sleep 0.1; done; }
start; answers
i=0; while [ $i -lt 200 ]; do echo "SET key$i value$i"; i=$((i + 1)); done | redis-cli -p 7001 >/dev/null
redis-cli -p 7001 bgrewriteaof >/dev/null
redis-cli -p 7001 set last written >/dev/null
kill -9 "$(cat pid)"
start; answers
[ "$(redis-cli -p 7001 get last)" = written ]
[ "$(redis-cli -p 7001 get key199)" = value199 ]
redis-cli -p 7001 shutdown
