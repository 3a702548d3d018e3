# shellcheck shell=bash
# Sourced by node.sh: the network, mounts and cgroups that only this cluster sees.

network() {
  ip link set lo up
  # A bridge with an address stands for a network card; not every kernel has dummy devices.
  ip link add node0 type bridge
  ip address add "$node/24" dev node0
  ip link set node0 up
  ip route add default dev node0
  sysctl -qw net.ipv4.ip_forward=1
}

# What the container runtime and its plugins write outside of DIR ends in it too, or nowhere.
mounts() {
  mkdir -p var/upper var/work
  mount -t overlay -o "lowerdir=/var,upperdir=$dir/var/upper,workdir=$dir/var/work" overlay /var
  mount -t tmpfs -o mode=755 tmpfs /run
  printf 'nameserver 10.201.0.10\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' >resolv.conf
  : >empty
  local resolver
  resolver=$(realpath -m /etc/resolv.conf)
  # It may have been a link into /run.
  [[ $resolver != /run/* ]] || { mkdir -p "${resolver%/*}" && : >"$resolver"; }
  [[ ! -e $resolver ]] || mount --bind resolv.conf "$resolver"
}

# The groups that all pods are in; the sweeper removes them.
cgroups() {
  local root
  while read -r root; do
    mkdir -p "$root/$cgroup"
  done < <(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts)
}
