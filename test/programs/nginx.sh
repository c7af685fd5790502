# nginx serves a file, from a folder that is made and changed under it.
set -e
mkdir www; chmod 755 . www; head -c 1000000 /dev/urandom >www/data
cat >conf <<END
user www-data; pid $PWD/pid; error_log $PWD/error;
events { worker_connections 64; }
http { access_log off; sendfile on; server { listen 127.0.0.1:8080; root $PWD/www; } }
END
nginx -c "$PWD/conf"
curl -sf http://127.0.0.1:8080/data | cmp - www/data
echo new >www/next; mv www/next www/data
[ "$(curl -sf http://127.0.0.1:8080/data)" = new ]
kill "$(cat pid)"
