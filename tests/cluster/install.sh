#!/usr/bin/env bash
# Builds what a test cluster is made of into a cache, once for each content of this folder: install.sh
# Says what it does on standard error; prints the cached folder on standard output.
#
#   cluster         etcd, the parts of Kubernetes and CoreDNS, each a subcommand (main.go)
#   kubectl, helm   for the PATH
#   pause           the only program of a pod's sandbox
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/../cache.sh
source "$here/../cache.sh"

# The version that go.mod names, without its v.
kubernetes=$(sed -n 's/^\tk8s\.io\/kubernetes v//p' "$here/go.mod")

# Sets a variable of a Go package at link time: define PACKAGE.VARIABLE VALUE
define() { printf -- '-X %s=%s ' "$1" "$2"; }

fill() {
  local work=$1 minor
  minor=${kubernetes#*.}
  minor=${minor%.*}
  export CGO_ENABLED=0

  say "building Kubernetes $kubernetes (10 minutes the first time)"
  go build -C "$here" -trimpath -buildvcs=false -o "$work/" -ldflags "-s -w $(
    define k8s.io/component-base/version.gitVersion "v$kubernetes"
    define k8s.io/component-base/version.gitMajor 1
    define k8s.io/component-base/version.gitMinor "$minor"
    define k8s.io/client-go/pkg/version.gitVersion "v$kubernetes"
  )" . ./kubectl >&2

  say "building helm"
  # Without a cluster, helm holds charts against the version it was built for.
  go build -C "$here/helm" -trimpath -buildvcs=false -o "$work/helm" -ldflags "-s -w $(
    define helm.sh/helm/v3/internal/version.version "$(sed -n 's/^\thelm\.sh\/helm\/v3 \(v[^ ]*\).*/\1/p' "$here/helm/go.mod")"
    for package in chartutil lint/rules; do
      define "helm.sh/helm/v3/pkg/$package.k8sVersionMajor" 1
      define "helm.sh/helm/v3/pkg/$package.k8sVersionMinor" "$minor"
    done
  )" helm.sh/helm/v3/cmd/helm >&2

  cc -static -Os -s -o "$work/pause" "$here/pause.c"
}

cached cluster "$here"/{main.go,kubectl/main.go,go.mod,go.sum,helm/go.mod,helm/go.sum,pause.c,install.sh}
