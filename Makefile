# The commands of this repository. `make run` tries the product, `make test` proves it; both set up
# what they need and say what they do.

CARGO ?= cargo

# Many tests mostly wait, for a timeout or a broker: more of them at a time than there are cores.
export RUST_TEST_THREADS ?= 8

# What images are made of.
BINARIES = sluice-operator sluice-proxy sluice

.PHONY: run cluster cluster-install cluster-stop test lint build unit suite soak bench audit generate \
	setup-run setup-cluster setup-test help

run: setup-run ## Start Sluice on examples/local (SLUICE_KAFKA=host:port puts records into that Kafka)
	@echo "make: building sluice and sluice-proxy (some minutes the first time)"
	$(CARGO) build --locked -p sluice -p sluice-proxy
	exec target/debug/sluice dev examples/local

cluster: setup-cluster ## Start a one-node Kubernetes with a Kafka and the images of Sluice loaded
	$(CARGO) build --locked $(BINARIES:%=-p %)
	tests/cluster/up $(BINARIES:%=target/debug/%)

cluster-install: ## Install Sluice in that cluster, its default fleet on that Kafka
	tests/cluster/enter helm upgrade --install sluice charts/sluice --namespace sluice-system --create-namespace \
		--set image.registry=test.local --set defaultFleet.kafka.bootstrapServers=kafka.kafka:9092 --wait

cluster-stop: ## End that cluster and leave nothing of it
	tests/cluster/down

test: setup-test lint unit suite ## Run every check and every suite

lint: ## Format, lints, shell scripts, the chart
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	shellcheck -x .ci/run .ci/setup images/*.sh tests/*.sh tests/kafka/*.sh tests/clients/*/*.sh \
		tests/cluster/*.sh tests/cluster/up tests/cluster/down tests/cluster/enter tests/cluster/load \
		tests/cluster/restart-apiserver
	helm=$$(tests/cluster/install.sh)/helm && $$helm lint --strict --quiet charts/sluice

# All targets at once, so that binaries and tests share one build of every dependency.
build: ## Build everything, as the tests use it
	$(CARGO) build --locked --workspace --all-targets

# A suite of its own is named here or below.
unit: build ## Only the tests beside the code
	$(CARGO) test --locked --workspace --lib --bins --test generated --test waiting

# Tests take turns on the cluster, and those that need it alone come last, each waiting on a thread of its own.
suite: setup-test build ## Only the suites against real parts: Kafka, Kubernetes, released clients, child processes
	$(CARGO) test --locked --workspace --test suite
	RUST_TEST_THREADS=40 $(CARGO) test --locked --workspace --test cluster

soak: setup-test build ## Let operators die for five minutes while configuration changes: no proxy goes back, every change arrives
	SLUICE_SOAK=300 $(CARGO) test --locked --workspace --test cluster while_operators_die -- --nocapture

bench: setup-test ## Measure Sluice beside a bare hyper server, what a topic in trouble costs the others, what proxies cost the operator
	$(CARGO) build --locked --release -p sluice-proxy -p sluice-bench
	target/release/sluice-bench
	$(CARGO) build --locked --workspace --all-targets
	$(CARGO) test --locked --workspace --test cluster -- scale its_first_report a_changed_limit --nocapture

audit: setup-run ## Licenses, bans and sources of every dependency (deny.toml)
	@command -v cargo-deny >/dev/null || { echo "make: installing cargo-deny"; $(CARGO) install --locked cargo-deny; }
	$(CARGO) deny --locked check licenses bans sources

generate: ## Write what is made of the resource types: definitions, templates, references
	$(CARGO) run --locked -p sluice-crds --bin crdgen

setup-run:
	@.ci/setup run

setup-cluster:
	@.ci/setup cluster

setup-test:
	@.ci/setup test

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18
