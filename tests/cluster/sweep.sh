#!/usr/bin/env bash
# Removes what a cluster leaves once its keeper has gone, which is when standard input ends:
# sweep.sh DIR CGROUP
#
# The kernel has ended all processes by then, or is about to; this waits for that and ends none itself.
set -euo pipefail

dir=$1
cgroup=$2
cat >/dev/null

# Runs a command until it succeeds, for a minute at most.
retry() {
  local attempts=0
  until "$@" 2>/dev/null; do
    ((++attempts < 600)) || return 1
    sleep 0.1
  done
}

gone() { [[ ! -s $dir/pid || ! -e /proc/$(<"$dir/pid") ]]; }

empty() {
  local root
  while read -r root; do
    [[ ! -d $root/$cgroup ]] || find "$root/$cgroup" -depth -type d -exec rmdir {} + || return 1
  done < <(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts)
}

retry gone || true
retry empty || true
retry rm -rf "$dir"
