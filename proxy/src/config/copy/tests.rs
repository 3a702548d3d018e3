use tokio::sync::{mpsc, watch};

use super::*;
use crate::config::effect::Effect;

fn fleet() -> FleetName {
    FleetName { namespace: "shop".to_owned(), name: "main".to_owned() }
}

/// A document, as far as a copy looks into it.
fn set(revision: u64) -> Set {
    let text = format!(r#"{{"fleet":{{"namespace":"shop","name":"main","uid":"u"}},"revision":{revision}}}"#);
    Set::pack("u".to_owned(), revision, text.as_bytes()).unwrap()
}

fn revision(directory: &Path) -> Option<u64> {
    read(directory, Some(&fleet())).unwrap().map(|set| set.revision)
}

#[test]
fn a_copy_is_read_as_it_was_written_and_replaced_whole() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("made/when/missing");
    assert!(read(&below, None).unwrap().is_none());
    for number in [1, 2] {
        write(&below, &set(number)).unwrap();
        let read = read(&below, Some(&fleet())).unwrap().unwrap();
        assert_eq!((read.fleet.as_str(), read.revision), ("u", number));
        assert!(read == set(number));
        assert_eq!(fs::read_dir(&below).unwrap().count(), 1, "nothing is left beside");
    }
}

#[test]
fn what_is_torn_or_garbage_is_told_and_no_copy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(NAME);
    write(directory.path(), &set(1)).unwrap();
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bad, why) in [
        (&good[..good.len() - 1], "SHA-256"),
        (&*flipped, "SHA-256"),
        (&good[..20], "no header"),
        (b"", "no header"),
        (b"{}\nx", "header"),
        (&[0xff; 4096], "no header"),
    ] {
        fs::write(&path, bad).unwrap();
        let error = read(directory.path(), None).unwrap_err();
        assert!(error.contains(why) && error.contains(NAME), "{error}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    read(directory.path(), None).unwrap_err();
}

#[test]
fn a_copy_of_another_fleet_is_none() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &set(1)).unwrap();
    let other = FleetName { name: "other".to_owned(), ..fleet() };
    let error = read(directory.path(), Some(&other)).unwrap_err();
    assert!(error.contains("shop/main, not of shop/other"), "{error}");
}

fn effect(source: ConfigSource, number: u64) -> Effect {
    let whole = Arc::new(Whole::Set(Arc::new(set(number))));
    Effect { whole, source, fleet: "u".to_owned(), revision: number }
}

/// A keeper of what the returned sender puts into effect.
fn keeper(directory: &Path) -> (Keeper, watch::Sender<Option<Effect>>) {
    let (sender, effects) = watch::channel(None);
    let exchange = Exchange { offers: mpsc::channel(1).0, effects };
    (Keeper::new(directory.to_owned(), exchange), sender)
}

async fn until(directory: &Path, wanted: u64) {
    for _ in 0..1_000 {
        if revision(directory) == Some(wanted) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("revision {wanted} is not kept: {:?}", revision(directory));
}

#[tokio::test]
async fn what_an_operator_brought_is_kept_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (keeper, sender) = keeper(directory.path());
    let stop = CancellationToken::new();
    let running = tokio::spawn(keeper.run(stop.clone()));
    sender.send_replace(Some(effect(ConfigSource::Operator, 1)));
    until(directory.path(), 1).await;
    sender.send_replace(Some(effect(ConfigSource::Mounted, 2)));
    stop.cancel();
    running.await.unwrap();
    assert_eq!(revision(directory.path()), Some(1));
}

#[tokio::test]
async fn copies_are_a_second_apart_and_the_last_is_written_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let (keeper, sender) = keeper(directory.path());
    let stop = CancellationToken::new();
    let running = tokio::spawn(keeper.run(stop.clone()));
    sender.send_replace(Some(effect(ConfigSource::Operator, 1)));
    until(directory.path(), 1).await;
    let began = std::time::Instant::now();
    sender.send_replace(Some(effect(ConfigSource::Operator, 2)));
    sender.send_replace(Some(effect(ConfigSource::Operator, 3)));
    until(directory.path(), 3).await;
    assert!(began.elapsed() >= INTERVAL / 2, "{:?}", began.elapsed());
    sender.send_replace(Some(effect(ConfigSource::Operator, 4)));
    // Whoever puts documents into effect may end first.
    drop(sender);
    stop.cancel();
    running.await.unwrap();
    assert_eq!(revision(directory.path()), Some(4));
}

#[tokio::test]
async fn where_no_copy_can_be_kept_the_keeper_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("file");
    fs::write(&taken, "").unwrap();
    let (mut keeper, sender) = keeper(&taken);
    sender.send_replace(Some(effect(ConfigSource::Operator, 1)));
    keeper.keep().await;
    assert!(keeper.failing);
    fs::remove_file(&taken).unwrap();
    keeper.keep().await;
    assert_eq!((keeper.failing, revision(&taken)), (false, Some(1)));
}
