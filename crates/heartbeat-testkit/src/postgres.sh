# A PostgreSQL cluster in a temporary directory, for as long as standard input stays open, with a
# standby where one is asked for. Arguments: the directory of the server's programs, the port, the
# port of the standby, the server's settings. Each line of standard input is a command, answered by a
# line.
set -eu
programs=$1
port=$2
standby_port=$3
settings=$4
dir=$(mktemp -d "${TMPDIR:-/tmp}/heartbeat-postgres.XXXXXX")

fail() {
    cat "$dir"/*.log >&2 || true
    exit 1
}
stop() {
    for data in "$dir/data" "$dir/standby"; do
        if [ -f "$data/postmaster.pid" ]; then
            "$programs/pg_ctl" stop --silent --mode immediate --pgdata "$data" >/dev/null 2>&1 || true
        fi
    done
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM

start() {
    "$programs/pg_ctl" start --wait --silent --pgdata "$1" --log "$1.log" --options "-k $dir -p $2 \
        -c listen_addresses=127.0.0.1 $settings" </dev/null >/dev/null 2>&1 || fail
}
ask() {
    "$programs/psql" --host 127.0.0.1 --port "$port" --username postgres --no-psqlrc --quiet \
        --tuples-only --no-align --command "$1" </dev/null
}
# A copy of the primary that follows it, and for which every commit waits.
make_standby() {
    "$programs/pg_basebackup" --host 127.0.0.1 --port "$port" --username postgres \
        --pgdata "$dir/standby" --write-recovery-conf --checkpoint fast --wal-method stream \
        --no-sync </dev/null >"$dir/basebackup.log" 2>&1 || fail
    start "$dir/standby" "$standby_port"
    ask "ALTER SYSTEM SET synchronous_standby_names = '*'"
    ask "SELECT pg_reload_conf()" >/dev/null
    until [ "$(ask "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'")" = 1 ]; do
        sleep 0.1
    done
}
# The server and every process of it, as the power does.
kill_all() {
    server=$(head -n 1 "$dir/data/postmaster.pid")
    kill -KILL "$server" $(cat "/proc/$server/task/$server/children") 2>/dev/null || true
    while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
}

if ! "$programs/initdb" --pgdata "$dir/data" --username postgres --auth trust --no-sync --no-locale \
    --encoding UTF8 </dev/null >"$dir/initdb.log" 2>&1; then
    fail
fi
start "$dir/data" "$port"
echo "ready"
while read -r command; do
    case $command in
    stop-fast | stop-immediate)
        "$programs/pg_ctl" stop --wait --silent --mode "${command#stop-}" --pgdata "$dir/data" \
            </dev/null >/dev/null 2>&1 || fail
        ;;
    start) start "$dir/data" "$port" ;;
    standby) make_standby ;;
    kill) kill_all ;;
    promote)
        "$programs/pg_ctl" promote --wait --silent --pgdata "$dir/standby" </dev/null \
            >/dev/null 2>&1 || fail
        ;;
    *)
        echo "unknown command $command" >&2
        exit 1
        ;;
    esac
    echo "done"
done
