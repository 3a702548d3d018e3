//! A test's turn on the cluster: clients and commands, beside other tests or alone.
//! It undoes nothing that a test did outside of its namespaces.

use std::fmt::Write as _;
use std::future::Future;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::runtime::Runtime;

use super::Namespace;
use super::home::Home;
use super::queue::Turn;
use crate::wait;

/// How long the API server may be away.
const RESTART: Duration = Duration::from_secs(90);
/// A wait that is longer is shown.
const TOLD: Duration = Duration::from_secs(2);
/// Between two questions to an API server: at first, and when it takes long.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// A turn on the cluster, for the test thread that took it: its network is the cluster's from now on.
/// A test takes one turn and keeps it; the second of one thread may wait for ever.
pub struct Cluster {
    home: &'static Home,
    client: Client,
    runtime: Runtime,
    _turn: Turn,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A turn beside other tests; the first starts the cluster.
    ///
    /// # Panics
    /// When it doesn't start.
    #[must_use]
    pub fn shared() -> Self {
        Self::take(Turn::beside())
    }

    /// A turn with no other test beside it, once none waits that has one: for what all of them would feel.
    ///
    /// # Panics
    /// When the cluster doesn't start.
    #[must_use]
    pub fn alone() -> Self {
        Self::take(Turn::alone())
    }

    /// Keeps the cluster free of other tests while this lives, without starting or using it: for a test that takes all
    /// that the machine has.
    #[must_use]
    pub fn nobody() -> impl Sized {
        Turn::alone()
    }

    fn take(turn: Turn) -> Self {
        let home = Home::shared();
        home.enter();
        // Its threads are made here, so they are in the cluster's network too.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(home.kubeconfig()).expect("a kubeconfig");
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(file, &options).await;
            Client::try_from(config.expect("a whole kubeconfig")).expect("a client")
        });
        Self { home, client, runtime, _turn: turn }
    }

    /// A client of the API server, as its administrator.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs a call of the client to its end.
    pub fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    pub(super) fn home(&self) -> &'static Home {
        self.home
    }

    /// A namespace of the test's own.
    #[must_use]
    pub fn namespace(&self, prefix: &str) -> Namespace<'_> {
        Namespace::create(self, prefix, &[])
    }

    /// A namespace with further labels.
    #[must_use]
    pub fn labelled_namespace(&self, prefix: &str, labels: &[(&str, &str)]) -> Namespace<'_> {
        Namespace::create(self, prefix, labels)
    }

    /// A command with kubectl, helm and kcat on its PATH and the cluster's names and network.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.home.command(program)
    }

    /// What kubectl prints.
    ///
    /// # Panics
    /// When it fails, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What kubectl prints, or what it says when it fails.
    ///
    /// # Errors
    /// When it fails.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        output(self.command("kubectl").args(arguments), "")
    }

    /// What helm prints.
    ///
    /// # Panics
    /// When it fails, with what it said.
    pub fn helm(&self, arguments: &[&str]) -> String {
        self.try_helm(arguments).unwrap_or_else(|error| panic!("helm {arguments:?}: {error}"))
    }

    /// What helm prints, or what it says when it fails.
    ///
    /// # Errors
    /// When it fails.
    pub fn try_helm(&self, arguments: &[&str]) -> Result<String, String> {
        output(self.command("helm").args(arguments), "")
    }

    /// Applies manifests, and takes over fields that somebody else has set.
    ///
    /// # Panics
    /// When one is refused.
    pub fn apply(&self, manifests: &str) {
        self.try_apply(manifests).unwrap_or_else(|error| panic!("{error}\n{manifests}"));
    }

    /// Applies manifests, or says why one is refused.
    ///
    /// # Errors
    /// When one is refused.
    pub fn try_apply(&self, manifests: &str) -> Result<String, String> {
        output(
            self.command("kubectl").args(["apply", "--server-side", "--force-conflicts", "-f", "-"]),
            manifests,
        )
    }

    /// Ends the API server with a signal, `TERM` or `KILL`, and waits until it serves again.
    ///
    /// # Panics
    /// When it doesn't soon.
    pub fn restart_api_server(&self, signal: &str) {
        let pid = self.home.directory("a restart of the API server").join("run/apiserver.pid");
        let read = || std::fs::read_to_string(&pid).unwrap_or_default();
        let before = read();
        self.home.run("restart-apiserver", &[signal]);
        wait::until("another API server", RESTART, || !read().is_empty() && read() != before);
        eventually("the API server to serve", RESTART, || self.try_kubectl(&["get", "--raw", "/readyz"]));
    }

    /// Loads the images of binaries anew; pods that run keep theirs.
    pub fn load_images(&self, archives: &[&str]) {
        self.home.run("load", archives);
    }
}

/// Asks until there is an answer: less and less often, since each question takes CPU from what is waited for.
///
/// # Panics
/// When there is none within `within`, with what was said last.
pub fn eventually<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => {
                if began.elapsed() > TOLD {
                    println!("{what}: after {:.1?}", began.elapsed());
                }
                return answer;
            }
            Err(state) if began.elapsed() >= within => panic!("{what}: not within {within:?}; last: {state}"),
            Err(_) => std::thread::sleep((began.elapsed() / 10).clamp(PAUSES[0], PAUSES[1])),
        }
    }
}

/// Runs a command with something on its standard input.
pub(super) fn output(command: &mut Command, input: &str) -> Result<String, String> {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the command runs");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // From a thread of its own: neither side waits for the other to read first.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the command ends");
    // A command that fails early does not read its input, which is no failure of its own.
    let _ = writer.join();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    write!(text, "{}", String::from_utf8_lossy(&output.stderr)).expect("a string takes all");
    Err(text)
}
