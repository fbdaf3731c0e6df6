#!/bin/bash
# start | stop | ready-url    The site as Label Studio's compose file serves it: nginx (static files, gzip) -> two web processes -> PostgreSQL.
# Needs nginx and a PostgreSQL that answers at DATABASE_URL.
#   BENCH_HOME     scratch folder, as for the harness          DATABASE_URL   postgresql://whetstone:…@127.0.0.1:55432/whetstone
#   WEB_WORKERS    2                                           WEB_PORT       8190
#   PYTHON         a Python with this project installed        JOB_WORKER     1: a Celery worker and its broker, too (exports)
# The first start makes the schema, an admin and the admin's token, which it leaves in BENCH_HOME/run/whetstone-token.
set -eu
: "${BENCH_HOME:?}" "${WEB_WORKERS:=2}" "${WEB_PORT:=8190}" "${JOB_WORKER:=1}"
UP=$((WEB_PORT + 1)); RUN=$BENCH_HOME/run; HERE=$(cd "$(dirname "$0")/../.." && pwd); : "${PYTHON:=$HERE/.venv/bin/python}"
export WHETSTONE_DATA_DIR=${WHETSTONE_DATA_DIR:-$BENCH_HOME/whetstone-data} WHETSTONE_DEBUG=0 PYTHONPATH=$HERE
export WHETSTONE_SECRET_KEY=${WHETSTONE_SECRET_KEY:-a-secret-of-the-benchmark-only-a-secret-of-the-benchmark-only}
export DJANGO_SETTINGS_MODULE=annotation.project.settings
case "$1" in
start)
  : "${DATABASE_URL:?}"
  mkdir -p "$RUN" "$BENCH_HOME/logs" "$WHETSTONE_DATA_DIR"
  cd "$HERE"
  if [ ! -s "$RUN/whetstone-token" ]; then
    "$PYTHON" manage.py migrate -v 0
    "$PYTHON" manage.py collectstatic --no-input -v 0
    "$PYTHON" manage.py shell -v 0 > "$RUN/whetstone-token" <<'P'
from annotation.people.models import User
from annotation.people.services import issue_token
admin, made = User.objects.get_or_create(username="bench-admin", defaults={"is_staff": True, "is_superuser": True})
admin.set_password("Bench-Pass-admin-7")
admin.save()
print(issue_token(user=admin, name="bench", scopes=["read", "manage", "research"])[1])
P
  fi
  setsid "$PYTHON" -m uvicorn annotation.project.asgi:application --host 127.0.0.1 --port $UP --workers "$WEB_WORKERS" \
    --log-level warning --no-access-log --timeout-graceful-shutdown 3 > "$BENCH_HOME/logs/whetstone-web.log" 2>&1 < /dev/null &
  echo $! > "$RUN/whetstone-web.pid"
  if [ "$JOB_WORKER" = 1 ]; then
    setsid "$PYTHON" -m celery -A annotation.project.celery worker -Q default,train -c 1 -l WARNING -B -s "$RUN/whetstone-beat" \
      > "$BENCH_HOME/logs/whetstone-worker.log" 2>&1 < /dev/null &
    echo $! > "$RUN/whetstone-worker.pid"
  fi
  cat > "$RUN/whetstone-nginx.conf" <<N
user root; worker_processes 2; pid $RUN/whetstone-nginx.pid; error_log $BENCH_HOME/logs/whetstone-nginx.log warn;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types; default_type application/octet-stream; access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path $RUN/ngw_body; proxy_temp_path $RUN/ngw_proxy; fastcgi_temp_path $RUN/ngw_f; uwsgi_temp_path $RUN/ngw_u; scgi_temp_path $RUN/ngw_s;
  gzip on; gzip_vary on; gzip_proxied any; gzip_comp_level 6;
  gzip_types text/plain text/css text/xml text/javascript application/json application/javascript application/rss+xml application/atom+xml image/svg+xml;
  upstream web { server 127.0.0.1:$UP; keepalive 32; }
  server {
    listen 127.0.0.1:$WEB_PORT; client_max_body_size 350m;
    location /static/ { alias $WHETSTONE_DATA_DIR/static/; expires max; }
    location / {
      proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host \$http_host;
      proxy_set_header X-Real-IP \$remote_addr; proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
      proxy_read_timeout 600; proxy_send_timeout 600;
    }
  }
}
N
  nginx -c "$RUN/whetstone-nginx.conf" ;;
stop)
  for f in whetstone-nginx whetstone-web whetstone-worker; do [ -f "$RUN/$f.pid" ] && kill -TERM "$(cat "$RUN/$f.pid")" 2>/dev/null || true; done
  for f in whetstone-nginx whetstone-web whetstone-worker; do p=$(cat "$RUN/$f.pid" 2>/dev/null || true); n=0
    while [ -n "$p" ] && kill -0 "$p" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.2; n=$((n+1)); done; rm -f "$RUN/$f.pid"; done ;;
ready-url) echo "http://127.0.0.1:$WEB_PORT/healthz" ;;
esac
