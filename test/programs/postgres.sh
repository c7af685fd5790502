# PostgreSQL: a cluster is made, loaded by pgbench, ended at once without a farewell, and mends itself.
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
mkdir data; chown postgres data; chmod 700 data
as() { su postgres -s /bin/sh -c "cd /tmp; PATH=$bin:\$PATH PGHOST=/tmp PGDATA=$PWD/data; export PATH PGHOST PGDATA; $1"; }
as 'initdb -A trust --no-instructions >/dev/null'
as 'pg_ctl -w -t 120 -o "-k /tmp" -l $PGDATA/log start >/dev/null' || { cat data/log; exit 1; }
as 'pgbench -q -i -s 1 postgres' 2>&1 | tail -1
as 'pgbench -n -c 4 -t 50 postgres' | grep 'transactions actually processed: 200/200'
before=$(as "psql -At -c 'select count(*) from pgbench_history' postgres")
as 'pg_ctl -m immediate stop >/dev/null'
as 'pg_ctl -w -t 120 -o "-k /tmp" -l $PGDATA/log start >/dev/null' || { cat data/log; exit 1; }
[ "$(as "psql -At -c 'select count(*) from pgbench_history' postgres")" = "$before" ]
as 'pg_ctl -m fast stop >/dev/null'
