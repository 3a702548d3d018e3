#!/usr/bin/env bash
# Keeps one Kafka broker for a test process: broker.sh HOME DIR
#
# HOME is what install.sh printed; DIR holds server.properties, whose log.dirs is DIR/data. Takes one
# command a line on standard input and answers each with one line:
#
#   start  starts the broker              -> started PID
#   kill   ends it as a power cut would   -> killed
#
# When standard input ends, the test process has gone, however it went: the broker is killed (a stopped
# one too) and DIR removed.
set -euo pipefail

home=$1
dir=$2
pid=

start() {
  java -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
    -Dlog4j2.configurationFile="$home/lib/log4j2.properties" \
    -cp "$home/lib/*" kafka.Kafka "$dir/server.properties" </dev/null >>"$dir/broker.log" 2>&1 &
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

while read -r command; do
  case $command in
    start) start ;;
    kill)
      stop
      echo killed
      ;;
  esac
done
