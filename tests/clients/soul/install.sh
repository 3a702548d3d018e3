#!/usr/bin/env bash
# Compiles Sync.java against the jars of pom.xml into a cache, once for each content of this folder. Says
# what it does on standard error; prints the cached folder on standard output. Run from there:
#
#   java -cp 'out:lib/*' Sync URL
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/../../cache.sh
source "$here/../../cache.sh"

fill() {
  jars "$here/pom.xml" "$1/lib"
  compile "$here/Sync.java" "$1/lib" "$1/out"
}

cached soul-client "$here"/{pom.xml,Sync.java,install.sh}
