#!/usr/bin/env bash
# Compiles Report.java against the jars of pom.xml into a cache, once for each content of this folder. Says
# what it does on standard error; prints the cached folder on standard output. Run from there:
#
#   java -cp 'out:lib/*' Report ...
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { printf 'java client: %s\n' "$*" >&2; }

hash=$(cat "$here/pom.xml" "$here/Report.java" "$here/install.sh" | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice
home=$cache/java-client-$hash
mkdir -p "$cache"

exec 9>"$cache/java-client.lock"
flock 9

if [[ ! -d $home ]]; then
  work=$(mktemp -d "$cache/java-client-XXXXXX")
  trap 'rm -rf "$work"' EXIT

  say "copying the jars of $here/pom.xml from Maven"
  mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" >&2

  say "compiling Report.java"
  javac -proc:none -encoding UTF-8 -cp "$work/lib/*" -d "$work/out" "$here/Report.java" >&2

  mv "$work" "$home"
  trap - EXIT
  say "ready in $home"
fi
printf '%s\n' "$home"
