//! The cluster's processes, kept by `tests/cluster/start.sh`, which ends them when this process ends.
//! It starts no second one: all tests of a process share one home.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::sched::{CloneFlags, setns};

use crate::paths;

/// Names any existing cluster to use instead.
const FOREIGN: &str = "SLUICE_TEST_KUBECONFIG";
/// Names the directory of a cluster of `tests/cluster` that runs already.
const RUNNING: &str = "SLUICE_CLUSTER";

/// Where the tests' cluster is.
#[derive(Debug)]
pub(super) enum Home {
    /// One of `tests/cluster`.
    Own {
        directory: PathBuf,
        /// Holds the pipe whose end ends the cluster, where this process started it.
        _keeper: Option<Child>,
    },
    /// Any other, and how to reach it.
    Foreign { kubeconfig: PathBuf },
}

impl Home {
    /// The one home of this process; the first caller starts it.
    pub(super) fn shared() -> &'static Self {
        static HOME: OnceLock<Home> = OnceLock::new();
        HOME.get_or_init(|| match (std::env::var_os(FOREIGN), std::env::var_os(RUNNING)) {
            (Some(kubeconfig), _) => Self::Foreign { kubeconfig: kubeconfig.into() },
            (None, Some(directory)) => Self::Own { directory: directory.into(), _keeper: None },
            (None, None) => Self::start(),
        })
    }

    fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("sluice-cluster-test-{}", std::process::id()));
        let mut keeper = Command::new(script("start.sh"))
            .arg(&directory)
            .args(binaries())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of reach of a Ctrl-C at the terminal: the end of its input ends it, and in order.
            .process_group(0)
            .spawn()
            .expect("start.sh runs");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut line).expect("start.sh answers");
        assert_eq!(line, "ready\n", "the cluster doesn't start; start.sh said why");
        Self::Own { directory, _keeper: Some(keeper) }
    }

    /// The file that says how to reach the API server.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Own { directory, .. } => directory.join("admin.kubeconfig"),
            Self::Foreign { kubeconfig } => kubeconfig.clone(),
        }
    }

    /// The directory of our own cluster.
    ///
    /// # Panics
    /// When the tests run against another one, where `what` can't be done.
    pub(super) fn directory(&self, what: &str) -> &Path {
        match self {
            Self::Own { directory, .. } => directory,
            Self::Foreign { .. } => panic!("{what} needs the cluster of tests/cluster; unset {FOREIGN}"),
        }
    }

    /// Moves the calling thread, and every thread and process it makes from now on, into the cluster's network.
    pub(super) fn enter(&self) {
        let Self::Own { directory, .. } = self else { return };
        let pid = std::fs::read_to_string(directory.join("pid")).expect("the cluster runs");
        let network = File::open(format!("/proc/{}/ns/net", pid.trim())).expect("the cluster runs");
        setns(network, CloneFlags::CLONE_NEWNET).expect("root may enter");
    }

    /// A command with the cluster's tools on its PATH.
    pub(super) fn command(&self, program: &str) -> Command {
        match self {
            Self::Own { directory, .. } => {
                let mut command = Command::new(script("enter"));
                command.env("SLUICE_CLUSTER", directory).arg(program);
                command
            }
            Self::Foreign { kubeconfig } => {
                let mut command = Command::new(program);
                command.env("KUBECONFIG", kubeconfig);
                command
            }
        }
    }

    /// Runs a script of `tests/cluster` for our own cluster.
    ///
    /// # Panics
    /// When it fails, or the tests run against another cluster.
    pub(super) fn run(&self, name: &str, arguments: &[&str]) {
        let directory = self.directory(name);
        let status = Command::new(script(name)).args(arguments).env("SLUICE_CLUSTER", directory).status();
        assert!(status.expect("the script runs").success(), "{name} failed");
    }
}

fn script(name: &str) -> PathBuf {
    paths::repository().join("tests/cluster").join(name)
}

/// What images are made of.
fn binaries() -> [PathBuf; 3] {
    ["sluice-operator", "sluice-proxy", "sluice"].map(paths::binary)
}
