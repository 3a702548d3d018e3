//! `sluice dev` and `sluice validate` as a newcomer meets them: the printed curl, edits, mistakes, Ctrl-C.
//! It runs on a copy of `examples/local`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sluice_tests::dev::Dev;
use sluice_tests::http::{self, report};
use sluice_tests::kafka;
use sluice_tests::paths;
use sluice_tests::ports;
use sluice_tests::process::{self, Signal};
use sluice_tests::wait;

use crate::support::kafka as kafka_address;

const SOON: Duration = Duration::from_secs(30);
/// The promise is one second; a busy machine gets five.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The curl command that local mode prints, in one line.
fn printed_curl(dev: &Dev) -> String {
    wait::for_some("the curl to try", SOON, || {
        let text = dev.output().text().replace("\\\n", " ");
        let line = text.lines().find(|line| line.trim_start().starts_with("curl "))?;
        Some(line.trim().to_owned())
    })
}

/// Runs the printed curl until it succeeds; returns its answer.
fn try_it(dev: &Dev) -> String {
    let command = printed_curl(dev);
    assert!(
        command.contains(&dev.http()) || command.contains(&dev.http().replace("127.0.0.1", "localhost")),
        "{command}"
    );
    wait::for_some("code 0", SOON, || {
        let output = Command::new("sh").args(["-c", &format!("{command} --silent")]).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        answer.contains(r#""code":"0""#).then_some(answer)
    })
}

fn code(dev: &Dev, group_id: &str, stream_id: &str) -> String {
    http::exchange(&dev.http(), &report(group_id, stream_id, "x")).code()
}

fn find(directory: &Path, name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(find(&path, name));
        } else if path.to_string_lossy().ends_with(name) {
            found.push(path);
        }
    }
    found
}

fn data_stream(name: &str, more: &str) -> String {
    format!(
        "apiVersion: sluice.dev/v1alpha1\nkind: DataStream\nmetadata:\n  name: {name}\n  namespace: default\n\
         spec:\n  groupId: extra\n  streamId: {name}\n{more}"
    )
}

#[test]
fn the_printed_curl_puts_a_record_into_a_file() {
    let dev = Dev::on_the_example(&[]);
    let answer = try_it(&dev);
    assert!(serde_json::from_str::<serde_json::Value>(&answer).is_ok(), "{answer}");
    let files = find(dev.directory(), ".ndjson");
    assert_eq!(files.len(), 1, "{files:?}");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sent = printed_curl(&dev);
    assert!(sent.contains(line["value"].as_str().unwrap()), "{line} from {sent}");
    let stream = line["streamId"].as_str().unwrap().to_owned();
    wait::until("a line on what was accepted", SOON, || {
        let output = dev.output().text();
        output.lines().any(|line| line.contains(&stream) && line.contains("accepted") && line.contains('1'))
    });
}

#[test]
fn an_edit_takes_effect_at_once_and_a_mistake_is_one_line() {
    let dev = Dev::on_the_example(&[]);
    let _ = try_it(&dev);
    let file = dev.yaml("extra.yaml");
    std::fs::write(&file, data_stream("one", "")).unwrap();
    wait::until("the new stream", AT_ONCE, || code(&dev, "extra", "one") == "0");
    std::fs::write(&file, data_stream("one", "  successCode: 1\n")).unwrap();
    wait::until("the new success code", AT_ONCE, || code(&dev, "extra", "one") == "1");

    let other = dev.yaml("mistake.yaml");
    for (text, field) in [
        (data_stream("two", "  succesCode: 1\n"), "succesCode"),
        (data_stream("two", "  successCode: 2\n"), "successCode"),
        (data_stream("two", "  limits: {maxBodyBytes: lots}\n"), "maxBodyBytes"),
        (data_stream("two", "  sink: {name: nowhere}\n"), "nowhere"),
        ("kind: [".to_owned(), "mistake.yaml"),
    ] {
        let before = lines_about(&dev, "mistake.yaml").len();
        std::fs::write(&other, &text).unwrap();
        wait::until(&format!("a line about {field}"), AT_ONCE, || {
            lines_about(&dev, "mistake.yaml").iter().skip(before).any(|line| line.contains(field))
        });
        std::thread::sleep(Duration::from_millis(1_500));
        let lines = lines_about(&dev, "mistake.yaml").split_off(before);
        assert_eq!(lines.len(), 1, "said once, in one line: {lines:?}");
        assert_eq!(code(&dev, "extra", "one"), "1", "everything else goes on");
    }
    std::fs::write(&other, data_stream("two", "")).unwrap();
    wait::until("the corrected stream", AT_ONCE, || code(&dev, "extra", "two") == "0");
    std::fs::remove_file(&file).unwrap();
    wait::until("the removed stream", AT_ONCE, || code(&dev, "extra", "one") == "115");
    assert_eq!(code(&dev, "extra", "two"), "0");
}

#[test]
fn a_mistake_that_is_removed_is_told_as_gone_and_one_that_is_mended_as_fixed() {
    let dev = Dev::on_the_example(&[]);
    let _ = try_it(&dev);
    let file = dev.yaml("mistake.yaml");
    let about = "mistake.yaml: DataStream default/two";
    let broken = data_stream("two", "  key: {fromHeader: Cookie}\n");
    let says = |words: &str| lines_about(&dev, about).iter().any(|line| line.contains(words));
    std::fs::write(&file, &broken).unwrap();
    wait::until("the mistake", AT_ONCE, || says("spec.key.fromHeader: this header holds"));
    std::fs::remove_file(&file).unwrap();
    wait::until("that it is gone", AT_ONCE, || says("gone: "));
    assert!(!says("fixed: "), "{}", dev.printed());

    std::fs::write(&file, &broken).unwrap();
    wait::until("the mistake again", AT_ONCE, || lines_about(&dev, about).len() == 3);
    std::fs::write(&file, data_stream("two", "  key: {fromHeader: X-Order}\n")).unwrap();
    wait::until("that it is fixed", AT_ONCE, || says("fixed: "));
}

#[test]
fn a_changed_port_is_refused_and_the_old_one_stays() {
    let dev = Dev::on_the_example(&[]);
    let _ = try_it(&dev);
    let file = dev.yaml("fleet.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    let port = dev.http().rsplit(':').next().unwrap().to_owned();
    std::fs::write(&file, before.replace(&port, "46999")).unwrap();
    let says =
        |words: &str| lines_about(&dev, "fleet.yaml: ProxyFleet").iter().any(|line| line.contains(words));
    wait::until("the mistake", AT_ONCE, || says("spec.listeners.http.port: the port can't be changed"));
    let _ = try_it(&dev);
    std::fs::write(&file, before).unwrap();
    wait::until("that it is fixed", AT_ONCE, || says("fixed: "));
}

/// What a producer that asks for the nodes of a group is answered.
fn nodes(manager: &str, group: &str) -> serde_json::Value {
    let target = format!("/inlong/manager/openapi/dataproxy/getIpList/{group}");
    let answer = http::exchange(manager, &http::post(&target, "", "ip=192.0.2.2&protocolType=HTTP"));
    serde_json::from_str(answer.text()).unwrap()
}

#[test]
fn a_producer_that_asks_for_nodes_is_told_of_the_proxy_that_runs_and_of_none_that_left() {
    let manager = format!("127.0.0.1:{}", ports::free());
    let dev = Dev::on_the_example(&["--manager", &manager]);
    let _ = try_it(&dev);
    wait::until("the proxy to be listed", SOON, || {
        let answer = nodes(&manager, "demo");
        let node = &answer["data"]["nodeList"][0];
        let address = format!("{}:{}", node["ip"].as_str().unwrap_or_default(), node["port"]);
        address == dev.http()
    });
    assert_eq!(nodes(&manager, "nobody")["success"], false);
    std::fs::remove_file(dev.yaml("fleet.yaml")).unwrap();
    wait::until("it to be listed no more", SOON, || nodes(&manager, "demo")["success"] == false);
}

#[test]
fn a_manager_s_address_that_was_named_and_is_taken_ends_local_mode() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut dev = Dev::on_the_example(&["--manager", &address]);
    assert_eq!(dev.exit(SOON).and_then(|status| status.code()), Some(1));
    assert!(dev.errors().text().contains(&format!("can't listen on {address}: ")), "{}", dev.printed());
}

fn lines_about(dev: &Dev, words: &str) -> Vec<String> {
    dev.printed().lines().filter(|line| line.contains(words)).map(ToOwned::to_owned).collect()
}

#[test]
fn with_a_kafka_the_record_lies_in_the_topic() {
    let dev = Dev::on_the_example(&["--kafka", &kafka_address()]);
    let _ = try_it(&dev);
    let sent = printed_curl(&dev);
    let field = |name: &str| {
        let rest = sent.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{name} in {sent}")).1;
        rest.split(['&', '\'', '"', ' ']).next().unwrap().to_owned()
    };
    let topic = format!("{}.{}", field("groupId"), field("streamId"));
    let stored = kafka::read(&kafka_address(), &topic);
    assert_eq!(stored.len(), 1);
    assert!(sent.contains(std::str::from_utf8(&stored[0].value).unwrap()), "{sent}");
    assert!(find(dev.directory(), ".ndjson").is_empty(), "no file beside Kafka");
}

#[test]
fn ctrl_c_drains_and_leaves_no_process() {
    let mut dev = Dev::on_the_example(&[]);
    let _ = try_it(&dev);
    let children = process::descendants(dev.pid());
    assert!(!children.is_empty(), "a proxy is a process of its own");
    dev.signal(Signal::SIGINT);
    let status = dev.exit(Duration::from_secs(15)).expect("it ends");
    assert!(status.success(), "{status}");
    assert!(children.into_iter().all(|pid| !process::is_alive(pid)));
}

#[test]
fn a_killed_local_mode_leaves_no_proxy() {
    let mut dev = Dev::on_the_example(&[]);
    let _ = try_it(&dev);
    let children = process::descendants(dev.pid());
    assert!(!children.is_empty(), "a proxy is a process of its own");
    dev.signal(Signal::SIGKILL);
    assert!(dev.exit(SOON).is_some());
    wait::until("no proxy", Duration::from_secs(10), || children.iter().all(|pid| !process::is_alive(*pid)));
}

/// Runs `sluice validate`; returns its exit code and all it printed.
fn validate(files: &[&Path]) -> (Option<i32>, String) {
    let output = Command::new(paths::binary("sluice")).arg("validate").args(files).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

#[test]
fn validate_accepts_the_example_and_names_file_field_and_reason_otherwise() {
    let example = find(&paths::repository().join("examples/local"), ".yaml");
    let example: Vec<_> = example.iter().map(PathBuf::as_path).collect();
    let (exit, printed) = validate(&example);
    assert_eq!(exit, Some(0), "{printed}");

    let directory = tempfile::tempdir().unwrap();
    for (text, field, reason) in [
        (data_stream("two", "  succesCode: 1\n"), "spec", "succesCode"),
        (data_stream("two", "  successCode: 2\n"), "spec.successCode", "2"),
        (data_stream("two", "  output: Avro\n"), "spec.output", "Avro"),
        (data_stream("two", "").replace("kind: DataStream", "kind: DataSteam"), "kind", "DataSteam"),
        (data_stream("two", "").replace("groupId: extra", "groupId: 'a b'"), "spec.groupId", "a b"),
    ] {
        let file = directory.path().join("bad.yaml");
        std::fs::write(&file, &text).unwrap();
        let (exit, printed) = validate(&[&file]);
        assert_eq!(exit, Some(1), "{text}\n{printed}");
        let line =
            printed.lines().find(|line| line.contains("bad.yaml")).unwrap_or_else(|| panic!("{printed}"));
        assert!(line.contains(field) && line.contains(reason), "{line}");
    }
    let (exit, printed) = validate(&[&directory.path().join("none.yaml")]);
    assert_ne!(exit, Some(0));
    assert!(printed.contains("none.yaml"), "{printed}");
}
