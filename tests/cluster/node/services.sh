# shellcheck shell=bash
# Sourced by node.sh: names and Kafka, as processes of the node behind Services (objects.yaml).

dns_config() {
  cat >Corefile <<EOF
.:53 {
  errors
  ready $node:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $dir/coredns.kubeconfig test
  }
  cache 5
}
EOF
}

# Kafka advertises the node's address, which pods, and tests in this network, reach without names.
kafka_config() {
  local login=org.apache.kafka.common.security
  mkdir -p kafka
  cat >kafka/server.properties <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listeners=CONTROLLER://127.0.0.1:9093,PLAIN://$node:9092,LOGIN://$node:9094
advertised.listeners=PLAIN://$node:9092,LOGIN://$node:9094
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,LOGIN:SASL_PLAINTEXT
listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.login.plain.sasl.jaas.config=$login.plain.PlainLoginModule required user_sluice="sluice-secret-7f3a";
listener.name.login.scram-sha-256.sasl.jaas.config=$login.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required;
log.dirs=$dir/kafka/data
num.partitions=2
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
auto.create.topics.enable=false
EOF
}

# The keeper of a broker takes commands until its input ends, which is with the cluster.
kafka_broker() {
  { echo start && exec sleep infinity; } | "$here/../kafka/broker.sh" "$kafka" "$dir/kafka"
}

serves_kafka() { kcat -b "$node:9092" -m 2 -L; }
