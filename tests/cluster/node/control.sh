# shellcheck shell=bash
# Sourced by node.sh: identities, the API server and what watches it.

# Who may talk to the API server, each with a token of its own: identity FILE USER UID GROUP
identity() {
  local token
  token=$(openssl rand -hex 16)
  printf '%s,%s,%s,"%s"\n' "$token" "$2" "$3" "$4" >>tokens.csv
  cat >"$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$node:6443", certificate-authority: "$dir/pki/ca.crt"}}]
users: [{name: "$2", user: {token: $token}}]
contexts: [{name: test, context: {cluster: test, user: "$2"}}]
current-context: test
EOF
}

keys() {
  local curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  mkdir pki
  openssl req -x509 "${curve[@]}" -days 30 -subj /CN=test-ca -keyout pki/ca.key -out pki/ca.crt
  openssl req "${curve[@]}" -subj /CN=kube-apiserver -keyout pki/api.key -out pki/api.csr
  openssl x509 -req -in pki/api.csr -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 30 -out pki/api.crt \
    -extfile <(echo "subjectAltName=IP:$node,IP:10.201.0.1,IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc")
  # Service accounts' tokens are signed with RSA, as they are in most clusters.
  openssl genrsa -out pki/accounts.key 2048

  identity admin admin admin system:masters
  identity controllers system:kube-controller-manager controllers ''
  identity scheduler system:kube-scheduler scheduler ''
  identity kubeproxy system:kube-proxy kubeproxy ''
  identity coredns coredns coredns ''
  identity kubelet system:node:node0 node0 system:nodes
  export KUBECONFIG=$dir/admin.kubeconfig KUBECACHEDIR=$dir/cache PATH=$dir/bin:$PATH
}

control_plane() {
  cat >audit-policy.yaml <<'EOF'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
EOF
  # The audit log is read as one file: it is never rotated (megabytes).
  keep apiserver "$dir/bin/cluster" apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address="$node" \
    --service-cluster-ip-range="$services" --tls-cert-file=pki/api.crt --tls-private-key-file=pki/api.key \
    --token-auth-file=tokens.csv --authorization-mode=Node,RBAC --allow-privileged \
    --enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement \
    --service-account-key-file=pki/accounts.key --service-account-signing-key-file=pki/accounts.key \
    --service-account-issuer=https://kubernetes.default.svc --kubelet-preferred-address-types=InternalIP \
    --shutdown-watch-termination-grace-period=1s \
    --audit-policy-file=audit-policy.yaml --audit-log-path="$dir/audit.log" --audit-log-maxsize=1000000
  # The limits of requests leave room for hundreds of objects at once.
  keep controllers "$dir/bin/cluster" controllers --kubeconfig=controllers.kubeconfig --leader-elect=false \
    --use-service-account-credentials --service-account-private-key-file=pki/accounts.key --root-ca-file=pki/ca.crt \
    --cluster-signing-cert-file=pki/ca.crt --cluster-signing-key-file=pki/ca.key \
    --allocate-node-cidrs --cluster-cidr="$pods" --node-cidr-mask-size=22 --kube-api-qps=300 --kube-api-burst=600
  keep scheduler "$dir/bin/cluster" scheduler --kubeconfig=scheduler.kubeconfig --leader-elect=false \
    --kube-api-qps=300 --kube-api-burst=600
}
