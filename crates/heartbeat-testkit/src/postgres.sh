# A PostgreSQL cluster in a temporary directory, for as long as standard input stays open.
# Arguments: the directory of the server's programs, the port.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/heartbeat-postgres.XXXXXX")
server=
stop() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM
if ! "$1/initdb" --pgdata "$dir/data" --username postgres --auth trust --no-sync --no-locale \
    --encoding UTF8 >"$dir/initdb.log" 2>&1; then
    cat "$dir/initdb.log" >&2
    exit 1
fi
# What tests keep need not survive a power cut: nothing waits for the disk.
"$1/postgres" -D "$dir/data" -k "$dir" -p "$2" -c listen_addresses=127.0.0.1 \
    -c fsync=off -c full_page_writes=off -c max_connections=400 -c shared_buffers=64MB \
    -c deadlock_timeout=100ms >"$dir/log" 2>&1 &
server=$!
until "$1/pg_isready" --quiet --host "$dir" --port "$2"; do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$dir/log" >&2
        exit 1
    fi
    sleep 0.1
done
echo "ready"
# Ends with whoever started this, however it ends.
cat >/dev/null
