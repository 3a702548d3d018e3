#!/usr/bin/env bash
# Copies the jars of pom.xml into a cache and formats an empty storage beside them, once for each
# content of this folder. Says what it does on standard error; prints the cached folder on standard output.
#
#   lib/      the jars, and the logging configuration
#   storage/  a formatted log directory, with the SCRAM user sluice / sluice-secret-7f3a
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/../cache.sh
source "$here/../cache.sh"

fill() {
  local work=$1
  jars "$here/pom.xml" "$work/lib"
  cp "$here/log4j2.properties" "$work/lib/"

  say "formatting an empty storage"
  cat >"$work/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
listeners=PLAIN://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
advertised.listeners=PLAIN://127.0.0.1:9092
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs=$work/storage
EOF
  java -Dlog4j2.configurationFile="$work/lib/log4j2.properties" -cp "$work/lib/*" \
    kafka.tools.StorageTool format -t c2x1aWNlLXRlc3RzLWthZg -c "$work/server.properties" \
    --add-scram 'SCRAM-SHA-256=[name=sluice,password=sluice-secret-7f3a]' \
    --add-scram 'SCRAM-SHA-512=[name=sluice,password=sluice-secret-7f3a]' >/dev/null
  rm "$work/server.properties"
}

cached kafka "$here"/{pom.xml,log4j2.properties,install.sh}
