//! A broker as a child process, kept by `tests/kafka/broker.sh`, which ends it when this process ends.
//! It never outlives the test process, even one that was killed.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Certificates, topics};
use crate::process::{Signal, signal};
use crate::{paths, ports, wait};

/// A user of [`Broker::secure`] by PLAIN and SCRAM; `install.sh` makes it.
pub const USER: &str = "sluice";
/// Its password.
pub const PASSWORD: &str = "sluice-secret-7f3a";

/// Listeners beside the plain one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listeners<'a> {
    /// A plain listener that advertises this port of 127.0.0.1, where a relay listens.
    pub advertise_relay: Option<u16>,
    /// A `SASL_SSL` listener (PLAIN and SCRAM) and one for TLS client certificates.
    pub certificates: Option<&'a Certificates>,
}

/// A node's place in its cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    /// From 1; the first is the controller too.
    pub(super) id: usize,
    /// The controller's port.
    pub(super) controller: u16,
    /// Further lines of its properties.
    pub(super) more: &'a str,
}

/// A turn to start brokers: a start takes all the machine has, and many at once would each take minutes.
pub(super) fn starting() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running broker; dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Broker {
    wrapper: Child,
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    pid: Option<u32>,
    directory: PathBuf,
    plain: u16,
    relayed: u16,
    sasl: u16,
    mutual: u16,
}

impl Broker {
    /// Starts a broker on free ports and waits until it serves.
    ///
    /// # Panics
    /// When it doesn't; the message ends with its log.
    #[must_use]
    pub fn start(listeners: Listeners<'_>) -> Self {
        let _turn = starting();
        let mut broker = Self::launch(listeners, Node { id: 1, controller: ports::free(), more: "" });
        broker.wait(1);
        broker
    }

    /// Starts a node on free ports and waits for nothing.
    pub(super) fn launch(listeners: Listeners<'_>, node: Node<'_>) -> Self {
        let home = paths::installed("tests/kafka/install.sh");
        let directory =
            tempfile::Builder::new().prefix("sluice-kafka-").tempdir().expect("a directory").keep();
        let [plain, relayed, sasl, mutual] = std::array::from_fn(|_| ports::free());
        let mut properties = properties(&directory, plain, node);
        extend(&mut properties, listeners, &directory, [relayed, sasl, mutual]);
        properties.push_str(node.more);
        std::fs::write(directory.join("server.properties"), properties).expect("a file");
        let mut wrapper = Command::new(paths::repository().join("tests/kafka/broker.sh"))
            .args([&home, &directory])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of reach of a Ctrl-C at the terminal: the end of its input ends it, and in order.
            .process_group(0)
            .spawn()
            .expect("broker.sh runs");
        let commands = wrapper.stdin.take();
        let replies = BufReader::new(wrapper.stdout.take().expect("piped"));
        let mut broker =
            Self { wrapper, commands, replies, pid: None, directory, plain, relayed, sasl, mutual };
        broker.command_start();
        broker
    }

    /// The process that keeps it; the broker is its child.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.wrapper.id()
    }

    /// Where its data and its log lie while it lives.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `host:port` of the plain listener.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.plain)
    }

    /// `host:port` of the listener that advertises a relay; the relay's upstream.
    #[must_use]
    pub fn relayed(&self) -> String {
        format!("127.0.0.1:{}", self.relayed)
    }

    /// `host:port` of the listener that wants TLS and a SASL login.
    #[must_use]
    pub fn secure(&self) -> String {
        format!("localhost:{}", self.sasl)
    }

    /// `host:port` of the listener that wants a client's certificate.
    #[must_use]
    pub fn mutual(&self) -> String {
        format!("localhost:{}", self.mutual)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        assert_eq!(self.command("kill"), "killed");
        self.pid = None;
    }

    /// Starts it again on the same data and ports, and waits until it serves.
    ///
    /// # Panics
    /// When it doesn't within a minute.
    pub fn restart(&mut self) {
        let _turn = starting();
        self.command_start();
        self.wait(1);
    }

    fn command_start(&mut self) {
        let reply = self.command("start");
        self.pid = reply.strip_prefix("started ").and_then(|pid| pid.parse().ok());
        assert!(self.pid.is_some(), "broker.sh said {reply:?}");
    }

    /// Waits until it serves and knows of so many brokers.
    pub(super) fn wait(&mut self, brokers: usize) {
        let address = self.address();
        let serves = wait::holds(Duration::from_secs(60), || {
            TcpStream::connect(&address).is_ok() && topics::brokers(&address) >= brokers
        });
        assert!(serves, "the broker doesn't serve: {}", self.log());
    }

    /// Stops it in its tracks (SIGSTOP): connections stay open and nothing answers.
    pub fn pause(&self) {
        signal(self.pid.expect("it runs"), Signal::SIGSTOP);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        signal(self.pid.expect("it runs"), Signal::SIGCONT);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("broker.log")).unwrap_or_default()
    }

    fn command(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("open until dropped");
        writeln!(commands, "{command}").expect("broker.sh listens");
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("broker.sh answers");
        reply.trim().to_owned()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The end of its input makes broker.sh kill the broker and remove its data.
        drop(self.commands.take());
        let _ = self.wrapper.wait();
    }
}

fn properties(directory: &Path, plain: u16, node: Node<'_>) -> String {
    let data = directory.join("data");
    let Node { id, controller, .. } = node;
    let (roles, listener) = match id {
        1 => ("broker,controller", format!("CONTROLLER://127.0.0.1:{controller},")),
        _ => ("broker", String::new()),
    };
    format!(
        "process.roles={roles}\n\
         node.id={id}\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAIN\n\
         log.dirs={}\n\
         num.partitions=2\n\
         default.replication.factor=1\n\
         min.insync.replicas=1\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         auto.create.topics.enable=false\n\
         num.network.threads=2\n\
         num.io.threads=2\n\
         listeners={listener}PLAIN://127.0.0.1:{plain}",
        data.display()
    )
}

/// Adds the wanted listeners; `listeners=` is the last line so far.
fn extend(text: &mut String, wanted: Listeners<'_>, directory: &Path, [relayed, sasl, mutual]: [u16; 3]) {
    let mut advertised = String::new();
    if let Some(port) = wanted.advertise_relay {
        write!(text, ",RELAY://127.0.0.1:{relayed}").expect("a string takes all");
        write!(advertised, ",RELAY://127.0.0.1:{port}").expect("a string takes all");
    }
    if wanted.certificates.is_some() {
        write!(text, ",SASL://127.0.0.1:{sasl},MUTUAL://127.0.0.1:{mutual}").expect("a string takes all");
        write!(advertised, ",SASL://localhost:{sasl},MUTUAL://localhost:{mutual}")
            .expect("a string takes all");
    }
    let plain = text.rsplit("PLAIN://").next().unwrap_or_default();
    let plain = plain.split(',').next().unwrap_or_default().to_owned();
    write!(
        text,
        "\nadvertised.listeners=PLAIN://{plain}{advertised}\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,RELAY:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL\n"
    )
    .expect("a string takes all");
    if let Some(certificates) = wanted.certificates {
        text.push_str(&security(certificates, directory));
    }
}

fn security(certificates: &Certificates, directory: &Path) -> String {
    let keys = directory.join("broker.pem");
    let ca = directory.join("ca.pem");
    std::fs::write(&keys, certificates.broker_keystore()).expect("a file");
    std::fs::write(&ca, certificates.authority()).expect("a file");
    let login = "org.apache.kafka.common.security";
    format!(
        "ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n\
         listener.name.mutual.ssl.client.auth=required\n\
         listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         listener.name.sasl.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";\n\
         listener.name.sasl.scram-sha-256.sasl.jaas.config={login}.scram.ScramLoginModule required;\n\
         listener.name.sasl.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;\n",
        keys.display(),
        ca.display()
    )
}
