//! Three brokers, the first of them the controller, so that topics have followers that can be stopped.
//! A broker that is stopped stays in its place as long as a test wants: nobody is told that it is gone.

use std::process::Command;

use super::Certificates;
use super::broker::{Broker, Listeners, Node, starting};
use crate::{paths, ports};

/// How many brokers.
const NODES: usize = 3;

/// Neither the controller nor a leader gives up a silent broker within ten minutes. Who comes over the plain
/// listener may do everything, everybody else what nobody forbade.
const PROPERTIES: &str = "broker.session.timeout.ms=600000\n\
    replica.lag.time.max.ms=600000\n\
    authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
    allow.everyone.if.no.acl.found=true\n\
    super.users=User:ANONYMOUS\n";

/// A running cluster; dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Broker>,
}

impl Cluster {
    /// Starts it, with a login beside the plain listener, and waits until all its brokers serve.
    ///
    /// # Panics
    /// When they don't.
    #[must_use]
    pub fn start(certificates: Option<&Certificates>) -> Self {
        let (listeners, controller) = (Listeners { advertise_relay: None, certificates }, ports::free());
        let _turn = starting();
        let launch = |id| Broker::launch(listeners, Node { id, controller, more: PROPERTIES });
        let mut brokers: Vec<_> = (1..=NODES).map(launch).collect();
        brokers.iter_mut().for_each(|broker| broker.wait(NODES));
        Self { brokers }
    }

    /// The plain listeners, as `bootstrap.servers`.
    #[must_use]
    pub fn addresses(&self) -> String {
        self.join(Broker::address)
    }

    /// The listeners that want TLS and a SASL login.
    #[must_use]
    pub fn secure(&self) -> String {
        self.join(Broker::secure)
    }

    /// A broker by its number, from 1.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn broker(&self, id: usize) -> &Broker {
        &self.brokers[id - 1]
    }

    /// Takes a user's rights on a topic away, or gives them back.
    ///
    /// # Panics
    /// When Kafka refuses.
    pub fn forbid(&self, user: &str, topic: &str, forbidden: bool) {
        let home = paths::installed("tests/kafka/install.sh");
        let status = Command::new("java")
            .arg("-cp")
            .arg(home.join("lib/*"))
            .arg(paths::repository().join("tests/kafka/Acl.java"))
            .args([
                self.addresses().as_str(),
                &format!("User:{user}"),
                topic,
                if forbidden { "deny" } else { "allow" },
            ])
            .status()
            .expect("java runs");
        assert!(status.success(), "Acl.java failed");
    }

    fn join(&self, address: impl Fn(&Broker) -> String) -> String {
        self.brokers.iter().map(address).collect::<Vec<_>>().join(",")
    }
}
