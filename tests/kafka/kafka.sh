#!/usr/bin/env bash
# Becomes a broker with a small heap and what starts quickly: kafka.sh HOME OPTION PROPERTIES
#
# HOME is where install.sh put it; OPTION is one more of Java's.
set -euo pipefail

exec java -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto "$2" \
  -Dlog4j2.configurationFile="$1/lib/log4j2.properties" -cp "$1/lib/*" kafka.Kafka "$3"
