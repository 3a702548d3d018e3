#!/usr/bin/env bash
# Compiles Produce.java, which needs no jar, into a cache, once for each content of this folder. Says what it does on
# standard error; prints the cached folder on standard output. Run from there:
#
#   java -cp out Produce ...
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/../../cache.sh
source "$here/../../cache.sh"

fill() {
  mkdir "$1/lib"
  compile "$here/Produce.java" "$1/lib" "$1/out"
}

cached producers "$here"/{Produce.java,install.sh}
