#!/usr/bin/env bash
# Compiles Report.java against the jars of pom.xml into a cache, once for each content of this folder. Says
# what it does on standard error; prints the cached folder on standard output. Run from there:
#
#   java -cp 'out:lib/*' Report ...
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/../../cache.sh
source "$here/../../cache.sh"

fill() {
  jars "$here/pom.xml" "$1/lib"
  compile "$here/Report.java" "$1/lib" "$1/out"
}

cached java-client "$here"/{pom.xml,Report.java,install.sh}
