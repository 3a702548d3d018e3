//! The task that serves with a certificate which somebody else keeps: it looks at the files again and again, and goes on
//! with what it has while they are of no use.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::given::{Course, Given};
use super::secret::{AUTHORITIES, CERTIFICATE, KEY};
use super::state::Settings;
use super::{Broken, Bundle, Kept};
use crate::clock;
use crate::names;
use crate::telemetry::Metrics;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// The longest file that is read: no Secret is longer.
const LONGEST: u64 = 1 << 20;

/// Why there is no certificate in the files.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("{0} can't be read: {1}")]
    Unreadable(&'static str, io::Error),
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// The task.
pub struct Files {
    folder: PathBuf,
    settings: Settings,
    course: Course,
    /// The certificate that is served, by its digest.
    served: Option<String>,
    /// What was complained of last.
    complaint: Option<String>,
    configs: watch::Sender<Option<Arc<ServerConfig>>>,
    bundles: watch::Sender<Option<Bundle>>,
    metrics: Metrics,
}

impl Files {
    /// Serves with what is in `folder`, as a Secret of the type kubernetes.io/tls with ca.crt is mounted.
    #[must_use]
    pub fn new(folder: PathBuf, settings: Settings, metrics: Metrics) -> (Self, Kept) {
        let ((configs, served), (bundles, bundled)) = (watch::channel(None), watch::channel(None));
        let (course, served_now, complaint) = (Course::default(), None, None);
        let files =
            Self { folder, settings, course, served: served_now, complaint, configs, bundles, metrics };
        (files, Kept { configs: served, bundles: bundled })
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => self.look(clock::seconds()),
            }
        }
    }

    fn look(&mut self, now: u64) {
        let grace = self.settings.grace.as_secs();
        match read(&self.folder) {
            Ok(given) => {
                self.complaint = None;
                self.course.take(given, grace, now);
            }
            Err(error) => {
                self.complain(error.to_string());
                self.course.pass(grace, now);
            }
        }
        self.serve();
        let bundle = self.course.bundle();
        self.bundles.send_if_modified(|told| std::mem::replace(told, bundle.clone()) != bundle);
    }

    /// What goes on is said once. Files that are just being replaced may not fit each other.
    fn complain(&mut self, error: String) {
        if self.complaint.as_ref() != Some(&error) {
            tracing::warn!(folder = %self.folder.display(), error, "the given certificate can't be used; the last one stays");
        }
        self.complaint = Some(error);
    }

    fn serve(&mut self) {
        let Some(given) = self.course.served() else { return };
        if self.served.as_ref() == Some(&given.certificate.id) {
            return;
        }
        match given.config() {
            Ok(config) => {
                let until = given.certificate.span.until;
                tracing::info!(until, "the given certificate is served");
                self.warn_of_names(given);
                self.metrics.certificate_expires(until);
                self.configs.send_replace(Some(Arc::new(config)));
                self.served = Some(given.certificate.id.clone());
            }
            Err(error) => tracing::error!(%error, "a certificate can't be served"),
        }
    }

    /// A name with an asterisk is for others to judge.
    fn warn_of_names(&self, given: &Given) {
        let known = &given.certificate.names;
        if known.iter().any(|name| name.contains('*')) {
            return;
        }
        let (namespace, service) = (&self.settings.namespace, &self.settings.service);
        for service in [service.clone(), names::replicas_service(service)] {
            let name = format!("{service}.{namespace}.svc");
            if !known.contains(&name) {
                tracing::warn!(
                    name,
                    "the given certificate is not for a name that the operator is called by"
                );
            }
        }
    }
}

/// The files are small and in memory, where a Secret is mounted.
fn read(folder: &Path) -> Result<Given, LookError> {
    let part = |name: &'static str| {
        let mut text = Vec::new();
        let read = File::open(folder.join(name)).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
        read.map_err(|error| LookError::Unreadable(name, error))?;
        Ok((name.to_owned(), ByteString(text)))
    };
    let data: Result<BTreeMap<_, _>, LookError> =
        [CERTIFICATE, KEY, AUTHORITIES].map(part).into_iter().collect();
    Ok(Given::read(&data?)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::pki::authority::Authority;
    use crate::pki::secret;

    fn put(folder: &Path, authority: &Authority) {
        let pair = authority.sign(&["op.here.svc".to_owned()], clock::seconds()).unwrap();
        let data = secret::new_leaf(None, "tls", pair, &authority.certificate, &[]).data.unwrap();
        for (name, ByteString(text)) in data {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn files_are_served_and_served_on_while_they_are_broken() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            namespace: "here".to_owned(),
            service: "op".to_owned(),
            grace: Duration::from_secs(600),
        };
        let (mut files, mut kept) = Files::new(folder.path().to_owned(), settings, Metrics::new().unwrap());
        files.look(clock::seconds());
        assert!(kept.configs.borrow().is_none() && kept.bundles.borrow().is_none());

        let made = secret::new_authority(None, "ca", Authority::make("test", clock::seconds()).unwrap());
        let authority = Authority::read(&made.data.unwrap()).unwrap();
        put(folder.path(), &authority);
        files.look(clock::seconds());
        assert!(kept.configs.borrow_and_update().is_some());
        assert_eq!(&**kept.bundles.borrow().as_ref().unwrap(), authority.certificate.pem());

        fs::write(folder.path().join("tls.key"), "garbage").unwrap();
        files.look(clock::seconds());
        assert!(!kept.configs.has_changed().unwrap());

        put(folder.path(), &authority);
        files.look(clock::seconds());
        assert!(kept.configs.has_changed().unwrap(), "a renewed one is served");
    }
}
