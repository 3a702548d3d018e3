#!/usr/bin/env bash
# Compiles Formats.java against the jars of pom.xml into a cache, once for each content of this folder. Says
# what it does on standard error; prints the cached folder on standard output. Run from there:
#
#   java -cp 'out:lib/*' Formats
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/../../cache.sh
source "$here/../../cache.sh"

fill() {
  jars "$here/pom.xml" "$1/lib"
  compile "$here/Formats.java" "$1/lib" "$1/out"
}

cached formats-client "$here"/{pom.xml,Formats.java,install.sh}
