#!/usr/bin/env bash
# Keeps one Kafka broker for a test process: broker.sh HOME DIR
#
# HOME is what install.sh printed; DIR holds server.properties, whose log.dirs is DIR/data. Takes one
# command a line on standard input and answers each with one line:
#
#   start  starts the broker              -> started PID
#   kill   ends it as a power cut would   -> killed
#
# The storage was formatted for node 1; another node of a cluster takes its id from server.properties.
#
# When standard input ends, the test process has gone, however it went: the broker is killed (a stopped
# one too) and DIR removed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$1
dir=$2
pid=

start() {
  "$here/kafka.sh" "$home" -XX:SharedArchiveFile="$home/classes.jsa" "$dir/server.properties" \
    </dev/null >>"$dir/broker.log" 2>&1 &
  pid=$!
  echo "started $pid"
}

stop() {
  if [[ -n $pid ]]; then
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=
  fi
}

trap 'stop; rm -rf "$dir"' EXIT
cp -r "$home/storage" "$dir/data"
node=$(sed -n 's/^node\.id=//p' "$dir/server.properties")
if [[ $node != 1 ]]; then
  # Kafka makes a directory id of its own where there is none; two nodes may not share one.
  sed -i -e "s/^node\.id=.*/node.id=$node/" -e '/^directory\.id=/d' "$dir/data/meta.properties"
  rm -f "$dir/data/bootstrap.checkpoint"
fi

while read -r command; do
  case $command in
    start) start ;;
    kill)
      stop
      echo killed
      ;;
  esac
done
