# shellcheck shell=bash
# Sourced by the install.sh scripts, which each define `fill DIR`: a folder of the cache is made once for each
# content of what it is made of, and by one process at a time.

# Prints the folder NAME-<hash of FILES>; `fill` makes it where it isn't there: cached NAME FILE...
cached() {
  name=$1
  shift
  local hash cache home
  hash=$(cat "$@" "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice
  home=$cache/$name-$hash
  mkdir -p "$cache"
  exec 9>"$cache/$name.lock"
  flock 9
  if [[ ! -d $home ]]; then
    # Not local: the trap runs when this function's own variables are gone.
    cache_work=$(mktemp -d "$cache/$name-XXXXXX")
    trap 'rm -rf "$cache_work"' EXIT
    fill "$cache_work"
    mv "$cache_work" "$home"
    trap - EXIT
    say "ready in $home"
  fi
  printf '%s\n' "$home"
}

say() { printf '%s: %s\n' "$name" "$*" >&2; }

# Copies the jars of a pom.xml and what they need: jars POM DIR
jars() {
  say "copying the jars of $1 from Maven"
  mvn -B -q -f "$1" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$2" >&2
}

# Compiles one class against jars: compile JAVA_FILE LIB_DIR OUT_DIR
compile() {
  say "compiling ${1##*/}"
  javac -proc:none -encoding UTF-8 -cp "$2/*" -d "$3" "$1" >&2
}
