#!/usr/bin/env bash
# Runs a one-node Kubernetes until it is told to end: start.sh DIR BINARY...
#
# DIR is made, holds all that the cluster writes, and is gone with it. Images of the BINARYs are loaded
# (images.sh names them). Prints `ready` once pods run, names resolve and Kafka serves; DIR/logs says why
# not. SIGTERM, SIGINT, or the end of standard input where that is a pipe, ends it.
#
# However this process ends, nothing stays: the kernel ends the cluster's processes with it, and a
# sweeper, which waits for that, removes the rest.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(realpath -m "$1")
shift

fail() {
  printf 'cluster: %s\n' "$*" >&2
  exit 1
}

((EUID == 0)) || fail "only root can start one: it makes namespaces and containers"
case $dir/ in
  /run/* | /var/*) fail "$dir: the cluster has a /run and a /var of its own; choose another place" ;;
esac
bin=$("$here/install.sh")
kafka=$("$here/../kafka/install.sh")

mkdir -m 700 "$dir" || fail "$dir is there: another cluster runs, or is being swept"
mkdir "$dir/logs" "$dir/run"
ln -s "$bin" "$dir/bin"
echo $$ >"$dir/keeper"
cgroup=sluice-$$-$RANDOM

# The sweeper reads the end of this pipe once nobody is left who could write to it; so nothing that runs
# longer than a moment may hold it.
exec 7> >(exec setsid "$here/sweep.sh" "$dir" "$cgroup" >/dev/null 2>&1)

keeper=$$
node=
end() {
  trap '' TERM INT
  [[ -z $node ]] || kill -KILL "$node" 2>/dev/null || true
}
trap end EXIT
trap 'exit 0' TERM INT

until_input_ends() {
  cat >/dev/null
  kill -TERM "$keeper" 2>/dev/null
}
if [[ -p /dev/stdin ]]; then
  exec {input}<&0
  until_input_ends <&"$input" 7>&- &
  exec {input}<&-
fi

# Each ends with the one before it: this process, unshare, the first process of the namespaces.
setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
  "$here/node.sh" "$dir" "$kafka" "$cgroup" </dev/null >>"$dir/logs/node.log" 2>&1 7>&- &
node=$!
until pgrep -P "$node" >"$dir/pid"; do
  kill -0 "$node" 2>/dev/null || fail "no namespaces: $(tail -n 5 "$dir/logs/node.log")"
  sleep 0.02
done

"$here/images.sh" "$bin/pause" "$@" >"$dir/images" 7>&- || fail "no images"

deadline=$((SECONDS + 180))
wait_for() { # wait_for FILE
  until [[ -e $dir/run/$1 ]]; do
    kill -0 "$node" 2>/dev/null || fail "the node ended: $(tail -n 5 "$dir/logs/node.log")"
    ((SECONDS < deadline)) || fail "no $1 within 3 minutes: $(tail -n 5 "$dir/logs/node.log")"
    sleep 0.1
  done
}
wait_for containerd.up
mapfile -t archives <"$dir/images"
SLUICE_CLUSTER=$dir "$here/load" "${archives[@]}" 7>&-
wait_for node.up
echo ready
wait "$node"
