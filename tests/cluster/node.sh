#!/usr/bin/env bash
# The first process of the cluster's namespaces: node.sh DIR KAFKA_HOME CGROUP
#
# Starts the parts of the node and brings back each one that ends. DIR/run/NAME.up says that a part is up,
# DIR/run/NAME.pid is its process. Only start.sh runs this.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$1
kafka=$2
cgroup=$3
node=10.200.0.1
services=10.201.0.0/16
pods=10.202.0.0/16

cd "$dir"
# shellcheck source=SCRIPTDIR/node/system.sh
source "$here/node/system.sh"
# shellcheck source=SCRIPTDIR/node/control.sh
source "$here/node/control.sh"
# shellcheck source=SCRIPTDIR/node/worker.sh
source "$here/node/worker.sh"
# shellcheck source=SCRIPTDIR/node/services.sh
source "$here/node/services.sh"

# Runs a command again whenever it ends: keep NAME COMMAND...
keep() {
  local name=$1
  shift
  while :; do
    "$@" >>"logs/$name.log" 2>&1 </dev/null &
    echo $! >"run/$name.pid"
    wait $! || echo "node: $name ended with $?"
    sleep 0.2
  done &
}

# Waits until a command succeeds; who waits for us sets the limit: up NAME COMMAND...
up() {
  local name=$1
  shift
  until "$@" >/dev/null 2>&1; do sleep 0.1; done
  : >"run/$name.up"
  echo "node: $name up after ${SECONDS}s"
}

network
mounts
cgroups
kafka_config
keep kafka kafka_broker
containerd_config
keep containerd containerd -c "$dir/containerd.toml"
keys
keep etcd "$dir/bin/cluster" etcd --data-dir "$dir/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster default=http://127.0.0.1:2380
control_plane
up containerd ctr -a run/containerd.sock version
up apiserver kubectl get --raw /readyz
worker
kubectl apply -f "$here/node/objects.yaml"
dns_config
keep coredns "$dir/bin/cluster" coredns -conf "$dir/Corefile"
up coredns curl -fsS http://$node:8181/ready
up kafka serves_kafka
up worker kubectl wait --for=condition=Ready node/node0 --timeout=5s
up defaults kubectl get serviceaccount -n kafka default
: >run/node.up
wait
