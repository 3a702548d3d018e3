#!/usr/bin/env bash
# Prepares the whole file system of an image around one binary: root.sh BINARY DIR
#
# The binary without its debug information, the shared libraries it needs, the user it runs as, where names
# are looked up, and the machine's CA bundle. No shell, no package manager.
set -euo pipefail

binary=$1
root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs"
strip --strip-debug -o "$root/usr/bin/$(basename "$binary")" "$binary"
# A static binary has none.
libraries=$(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*') || true
for library in $libraries; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
echo 'nonroot:x:65532:65532::/:/sbin/nologin' >"$root/etc/passwd"
echo 'nonroot:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
