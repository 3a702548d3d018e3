#!/usr/bin/env bash
# Copies the jars of pom.xml into a cache and formats an empty storage beside them, once for each
# content of this folder. Says what it does on standard error; prints the cached folder on standard output.
#
#   lib/         the jars, and the logging configuration
#   storage/     a formatted log directory, with the SCRAM user sluice / sluice-secret-7f3a
#   classes.jsa  a started broker's classes, which others map instead of loading them: two fifths less CPU a start
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/../cache.sh
source "$here/../cache.sh"

# Of a broker on a port and the next one, with its data in a directory: properties PORT DATA
properties() {
  cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(($1 + 1))
listeners=PLAIN://127.0.0.1:$1,CONTROLLER://127.0.0.1:$(($1 + 1))
advertised.listeners=PLAIN://127.0.0.1:$1
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs=$2
EOF
}

fill() {
  local work=$1
  jars "$here/pom.xml" "$work/lib"
  cp "$here/log4j2.properties" "$work/lib/"

  say "formatting an empty storage"
  properties 9092 "$work/storage" >"$work/server.properties"
  java -Dlog4j2.configurationFile="$work/lib/log4j2.properties" -cp "$work/lib/*" \
    kafka.tools.StorageTool format -t c2x1aWNlLXRlc3RzLWthZg -c "$work/server.properties" \
    --add-scram 'SCRAM-SHA-256=[name=sluice,password=sluice-secret-7f3a]' \
    --add-scram 'SCRAM-SHA-512=[name=sluice,password=sluice-secret-7f3a]' >/dev/null
  rm "$work/server.properties"
}

# Starts a broker once and keeps its classes: archive HOME. They hold for jars in this place and this Java; where there
# are none, brokers only start slower.
archive() {
  local home=$1 work port pid
  say "keeping the classes of a started broker"
  work=$(mktemp -d)
  # Below those that systems give to whoever asks for any.
  port=$((20000 + RANDOM % 10000))
  properties "$port" "$work/data" >"$work/server.properties"
  cp -r "$home/storage" "$work/data"
  "$here/kafka.sh" "$home" -XX:ArchiveClassesAtExit="$work/classes.jsa" "$work/server.properties" \
    </dev/null >"$work/log" 2>&1 &
  pid=$!
  for _ in {1..300}; do
    { kill -0 "$pid" && ! : <"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || break
    sleep 0.1
  done
  kill "$pid" 2>/dev/null || true
  wait "$pid" || true
  mv "$work/classes.jsa" "$home/" || say "there are none: $(tail -1 "$work/log")"
  rm -rf "$work"
}

name=kafka
home=$(cached kafka "$here"/{pom.xml,log4j2.properties,kafka.sh,install.sh})
[[ -e $home/classes.jsa ]] || archive "$home"
printf '%s\n' "$home"
