# shellcheck shell=bash
# Sourced by node.sh: what runs pods and carries their traffic.

containerd_config() {
  mkdir -p cni
  # Point to point: a service's answer passes the node even where both pods are on it, so its address is
  # translated back without help from the bridge code of the kernel.
  cat >cni/10-pods.conflist <<EOF
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.202.0.0/22"}]],
    "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$dir/cni-addresses"}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
  cat >containerd.toml <<EOF
version = 2
root = "$dir/containerd"
state = "$dir/run/containerd"
[grpc]
  address = "$dir/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "test.local/pause:1"
  # Without CAP_SYS_RESOURCE runc may not lower oom_score_adj.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
EOF
}

# How often it looks at mounted ConfigMaps stays as it is everywhere: tests are about that pace.
kubelet_config() {
  cat >kubelet.yaml <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
containerRuntimeEndpoint: unix://$dir/run/containerd.sock
podLogsDir: $dir/pod-logs
volumePluginDir: $dir/kubelet/volume-plugins
resolvConf: $dir/empty
clusterDNS: [10.201.0.10]
clusterDomain: cluster.local
maxPods: 250
kubeAPIQPS: 300
kubeAPIBurst: 600
failSwapOn: false
# A full disk of the machine is not this node's business.
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
evictionHard: {memory.available: 100Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0%}
EOF
}

worker() {
  kubelet_config
  keep kubelet "$dir/bin/cluster" kubelet --config=kubelet.yaml --kubeconfig=kubelet.kubeconfig \
    --root-dir="$dir/kubelet" --hostname-override=node0 --node-ip="$node"
  # The machine's limits of connection tracking are not ours to set.
  keep kubeproxy "$dir/bin/cluster" kubeproxy --kubeconfig=kubeproxy.kubeconfig --hostname-override=node0 \
    --cluster-cidr="$pods" --proxy-mode=iptables --conntrack-max-per-core=0 --conntrack-min=0 \
    --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
}
