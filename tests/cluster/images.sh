#!/usr/bin/env bash
# Makes an image archive of each binary, once for each content, and prints the archives' paths:
# images.sh BINARY...
#
#   sluice-operator, sluice-proxy   test.local/<name>:<version of the workspace>
#   sluice, pause                   test.local/producer:1, test.local/pause:1
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice
version=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml")

# Builds an image in a storage of its own, which is gone afterwards: build BINARY FILE TAG ARCHIVE
build() {
  local name=${1##*/} work
  work=$(mktemp -d "$cache/image-work-XXXXXX")
  # shellcheck disable=SC2064 # this work, and no later one
  trap "rm -rf '$work'" EXIT
  local store=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")
  printf 'images: building %s\n' "$3" >&2
  "$repository/images/root.sh" "$1" "$work/build/roots/$name"
  export TMPDIR=$work
  "${store[@]}" build --quiet --isolation chroot --target "$name" --build-context "build=$work/build" \
    --file "$2" --tag "$3" "$work/build" >/dev/null
  "${store[@]}" push --quiet "$3" "docker-archive:$work/archive:$3"
  mv "$work/archive" "$4"
}

image() {
  local name=${1##*/} file=$repository/images/Containerfile tag archive
  case $name in
    sluice) tag=producer:1 ;;
    pause) tag=pause:1 ;;
    *) tag=$name:$version ;;
  esac
  [[ $tag != *:1 ]] || file=$here/Containerfile
  archive=$cache/image-$name-$(
    cat "$1" "$file" "$repository/images/root.sh" "${BASH_SOURCE[0]}" - <<<"$tag" | sha256sum | cut -c1-16
  ).tar
  [[ -e $archive ]] || (build "$1" "$file" "test.local/$tag" "$archive")
  touch "$archive"
  # Every build of a binary makes a new one; only the latest few are worth their space.
  find "$cache" -maxdepth 1 -name "image-$name-????????????????.tar" -printf '%T@ %p\n' | sort -rn |
    tail -n +4 | cut -d' ' -f2- | xargs -r rm -f
  printf '%s\n' "$archive"
}

mkdir -p "$cache"
exec 9>"$cache/images.lock"
flock 9
for binary; do image "$binary"; done
