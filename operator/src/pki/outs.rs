//! Who has to have a bundle before a new authority signs: namespaces with fleets, and the API server that calls webhooks.

use std::future::pending;

use futures_util::future::select_all;
use tokio::sync::watch;

use super::Bundle;

/// Which bundle each of those has, of whom there is at least one.
#[derive(Debug)]
pub struct Outs(Vec<watch::Receiver<Option<Bundle>>>);

impl Outs {
    /// These.
    #[must_use]
    pub const fn new(outs: Vec<watch::Receiver<Option<Bundle>>>) -> Self {
        Self(outs)
    }

    /// The bundle that all of them have.
    pub(super) fn everywhere(&mut self) -> Option<Bundle> {
        let mut all = self.0.iter_mut().map(|out| out.borrow_and_update().clone());
        let first = all.next().flatten()?;
        all.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    /// Ends when one of them has another.
    pub(super) async fn changed(&mut self) {
        let changes = self.0.iter_mut().map(|out| {
            Box::pin(async move {
                if out.changed().await.is_err() {
                    pending::<()>().await;
                }
            })
        });
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            pending::<()>().await;
        }
        select_all(changes).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bundle_is_everywhere_once_all_have_the_same() {
        let [spaces, hooks] = [(), ()].map(|()| watch::Sender::new(None));
        let mut outs = Outs::new(vec![spaces.subscribe(), hooks.subscribe()]);
        let (old, new): (Bundle, Bundle) = ("old".into(), "new".into());
        assert_eq!(outs.everywhere(), None);
        spaces.send_replace(Some(Bundle::clone(&new)));
        assert_eq!(outs.everywhere(), None);
        hooks.send_replace(Some(old));
        outs.changed().await;
        assert_eq!(outs.everywhere(), None);
        hooks.send_replace(Some(Bundle::clone(&new)));
        outs.changed().await;
        assert_eq!(outs.everywhere(), Some(new));
    }
}
