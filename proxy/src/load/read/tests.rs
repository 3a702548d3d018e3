use super::super::share;
use super::*;

/// A recorded tree in a directory: `== path`, then what the file holds.
fn tree(recorded: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in recorded.split("== ").skip(1) {
        let (path, content) = file.split_once('\n').unwrap();
        put(&directory, path, content);
    }
    directory
}

fn put(directory: &tempfile::TempDir, path: &str, content: &str) {
    let path = directory.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn read(recorded: &str) -> Reading {
    Files::below(tree(recorded).path()).read()
}

fn level(micros: u64, quota: Option<f64>) -> Level {
    Level { used: Duration::from_micros(micros), quota }
}

/// Waits in microseconds, by thread.
fn waits(reading: &Reading) -> Vec<(u32, u128)> {
    reading.waits.iter().flatten().map(|(thread, wait)| (*thread, wait.as_micros())).collect()
}

#[test]
fn version_1_from_the_root_on() {
    let reading = read(include_str!("recorded/v1-nested.txt"));
    let micros = reading.levels.iter().map(|level| (level.used.as_micros(), level.quota));
    let wanted = [(51_577, Some(0.2)), (52_835, Some(1.5)), (53_041, None)];
    assert_eq!(micros.collect::<Vec<_>>(), wanted, "the root is the machine and no level");
    assert_eq!((reading.cores, waits(&reading)), (1.0, vec![(25_975, 164_430)]));
    assert_eq!(reading.process, Some(Duration::from_millis(50)));
}

#[test]
fn version_1_in_a_container_without_a_namespace() {
    let reading = read(include_str!("recorded/v1-container.txt"));
    assert_eq!(reading.levels, [level(10_100_000, Some(2.0))]);
    assert_eq!((reading.cores, waits(&reading)), (8.0, vec![(1, 2_000), (9, 4_000)]));
}

#[test]
fn version_2_in_a_container_with_a_namespace() {
    let reading = read(include_str!("recorded/v2-container.txt"));
    assert_eq!(reading.levels, [level(10_100_000, Some(0.5))]);
    assert_eq!((reading.cores, waits(&reading)), (4.0, vec![(1, 2_000)]));
}

#[test]
fn version_2_from_the_root_on() {
    let reading = read(include_str!("recorded/v2-nested.txt"));
    let wanted = [level(10_100_000, None), level(20_200_000, Some(2.0)), level(55_500_000_000, None)];
    assert_eq!(reading.levels, wanted, "the root is the machine and no level");
    assert_eq!(reading.cores, 2.0, "of its own cpuset");
}

#[test]
fn a_process_in_no_cgroup_of_its_own_is_told_by_its_own_times() {
    for recorded in [
        include_str!("recorded/v1-root.txt"),
        include_str!("recorded/v1-unshared.txt"),
        include_str!("recorded/none.txt"),
    ] {
        let reading = read(recorded);
        assert_eq!((reading.levels.len(), reading.process.is_some()), (0, true));
        assert!(reading.cores >= 1.0);
        assert_eq!(waits(&reading), []);
    }
}

#[test]
fn what_was_used_between_two_readings_is_a_share_of_what_is_allowed() {
    let tree = tree(include_str!("recorded/v2-container.txt"));
    let mut files = Files::below(tree.path());
    let before = files.read();
    put(&tree, "sys/fs/cgroup/cpu.stat", "usage_usec 10400000\n");
    put(&tree, "proc/self/task/1/schedstat", "10000000 252000000 44\n");
    let after = Reading { at: before.at + Duration::from_secs(1), ..files.read() };
    let percent = |share: Option<f64>| share.map(|share| (share * 100.0).round());
    assert_eq!(percent(share::cpu(&before, &after)), Some(60.0));
    assert_eq!(percent(share::cpu_wait(&before, &after)), Some(25.0));
}

#[test]
fn a_process_that_is_moved_is_found_again() {
    let tree = tree(include_str!("recorded/v2-nested.txt"));
    let mut files = Files::below(tree.path());
    assert_eq!(files.read().levels.len(), 3);
    put(&tree, "proc/self/cgroup", "0::/kubepods.slice\n");
    let levels: Vec<_> = (0..PLACES_HOLD).map(|_| files.read().levels.len()).collect();
    assert_eq!((levels[0], levels.last()), (3, Some(&1)));
}

#[test]
fn this_machine_can_be_read() {
    let reading = Files::below("/").read();
    assert!(reading.process.is_some() && reading.cores >= 1.0, "{reading:?}");
}
