//! `sluice validate`: checks files with the operator's own code and tells what it finds.
//! It changes nothing and talks to nobody.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use sluice_operator::local::Local;
use sluice_operator::resolve::{Namespaces, Place, Resolution};
use sluice_operator::watch::Namespace;
use sluice_operator::{ObjectRef, Problem, Reason, watch};

use crate::args::{Output, Validate};
use crate::exit::Exit;

/// How a Namespace is told among the documents that are not Sluice's.
const NAMESPACE: &str = "Namespace ";

/// What is in the files given.
#[derive(Debug, Default)]
struct Findings {
    /// File and resource.
    valid: Vec<(String, ObjectRef)>,
    /// Documents of others: file and what it is.
    foreign: Vec<(String, String)>,
    problems: Vec<Problem>,
    /// What depends on something that is in no file.
    doubts: Vec<Problem>,
}

pub(crate) fn main(args: &Validate) -> ExitCode {
    let findings = match Local::new() {
        Ok(local) => check(local, &args.files, args.cluster),
        Err(error) => Findings::failed(&error),
    };
    // Whoever closed the other end does not want the lines; the exit code still tells.
    let _ = match args.output {
        Output::Text => write_lines(&mut io::stdout().lock(), &findings.good_lines())
            .and_then(|()| write_lines(&mut io::stderr().lock(), &findings.bad_lines())),
        Output::Json => writeln!(io::stdout(), "{}", findings.json()),
    };
    let exit = if findings.is_good() { Exit::Done } else { Exit::Failed };
    exit.into()
}

fn write_lines(to: &mut impl Write, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(to, "{line}"))?;
    to.flush()
}

impl Findings {
    /// Nothing could be checked.
    fn failed(error: &impl ToString) -> Self {
        Self { problems: vec![problem("", error.to_string())], ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.valid.is_empty() && self.foreign.is_empty() && self.problems.is_empty()
    }

    fn is_good(&self) -> bool {
        self.problems.is_empty() && !self.is_empty()
    }

    fn good_lines(&self) -> Vec<String> {
        let valid = self.valid.iter().map(|(file, id)| format!("{file}: {id}: valid"));
        let foreign = self.foreign.iter().map(|(file, what)| {
            let use_of_it =
                if what.starts_with(NAMESPACE) { "only its labels are read" } else { "left alone" };
            format!("{file}: {what}: not Sluice's, {use_of_it}")
        });
        valid.chain(foreign).collect()
    }

    fn bad_lines(&self) -> Vec<String> {
        if self.is_empty() {
            return vec!["sluice: there is no resource in the files given".to_owned()];
        }
        let doubts = self.doubts.iter().map(|doubt| format!("warning: {doubt}"));
        self.problems.iter().map(ToString::to_string).chain(doubts).collect()
    }

    fn json(&self) -> Value {
        let object =
            |id: &ObjectRef| json!({"kind": id.kind.name(), "namespace": id.namespace, "name": id.name});
        let valid = self.valid.iter().map(|(file, id)| json!({"file": file, "object": object(id)}));
        let foreign = self.foreign.iter().map(|(file, what)| json!({"file": file, "what": what}));
        let told = |problem: &Problem| {
            json!({"file": problem.file, "object": problem.object.as_ref().map(object), "field": problem.field,
                "reason": problem.reason.name(), "message": problem.message})
        };
        let (problems, warnings) = (self.problems.iter().map(told), self.doubts.iter().map(told));
        json!({
            "ok": self.is_good(), "valid": valid.collect::<Vec<_>>(), "foreign": foreign.collect::<Vec<_>>(),
            "problems": problems.collect::<Vec<_>>(), "warnings": warnings.collect::<Vec<_>>(),
        })
    }
}

fn problem(file: &str, message: String) -> Problem {
    let (file, field) = (file.to_owned(), String::new());
    Problem { file, object: None, field, reason: Reason::Unreadable, message }
}

fn check(mut local: Local, files: &[PathBuf], for_cluster: bool) -> Findings {
    let (files, mut problems) = expand(files);
    let snapshot = watch::read_files(&files);
    let namespaces: Namespaces = snapshot.namespaces.iter().filter_map(known).collect();
    problems.extend(snapshot.namespaces.iter().filter_map(unknown));
    let place = if for_cluster { Place::Files(&namespaces) } else { Place::Host(Some(&namespaces)) };
    let Resolution { problems: found, doubts, .. } = local.check(&snapshot, place);
    // What is not among the files given may well be in the cluster.
    problems.extend(found.into_iter().filter(|problem| !problem.reason.is_missing_part()));
    let bad: BTreeSet<(&str, &ObjectRef)> = problems
        .iter()
        .filter_map(|problem| problem.object.as_ref().map(|object| (problem.file.as_str(), object)))
        .collect();
    let fine = snapshot.objects.iter().filter(|source| !bad.contains(&(source.file.as_str(), &source.id)));
    let valid = fine.map(|source| (source.file.clone(), source.id.clone())).collect();
    Findings { valid, foreign: snapshot.foreign, problems, doubts }
}

fn known(namespace: &Namespace) -> Option<(String, watch::Labels)> {
    Some((namespace.name.clone(), namespace.labels.clone().ok()?))
}

/// What keeps a Namespace's labels from being known.
fn unknown(namespace: &Namespace) -> Option<Problem> {
    let error = namespace.labels.as_ref().err()?;
    Some(Problem {
        file: namespace.file.clone(),
        object: None,
        field: error.field.clone(),
        reason: Reason::Invalid,
        message: format!("Namespace {}: {error}", namespace.name),
    })
}

/// Files as they are, directories as the files in them.
fn expand(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Problem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        if !fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            files.push(path.clone());
            continue;
        }
        match watch::list(path) {
            Ok(found) => files.extend(found),
            Err(error) => problems.push(problem(&path.display().to_string(), error.to_string())),
        }
    }
    (files, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = "apiVersion: sluice.dev/v1alpha1\nkind: ProxyFleet\nmetadata: {name: default}\nspec: {sinks: [{name: local, file: {}}]}\n";
    const STREAM: &str =
        "apiVersion: sluice.dev/v1alpha1\nkind: DataStream\nmetadata: {name: orders}\nspec: {SPEC}\n";

    /// Checks the files, each named and written first, and gives the lines without the directory's name.
    fn lines(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        lines_for(false, files)
    }

    fn lines_for(cluster: bool, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = files.iter().map(|(name, _)| directory.path().join(name)).collect();
        for (path, (_, text)) in paths.iter().zip(files) {
            fs::write(path, text).unwrap();
        }
        let prefix = format!("{}/", directory.path().display());
        let findings = check(Local::new().unwrap(), &paths, cluster);
        let short = |lines: Vec<String>| lines.iter().map(|line| line.replace(&prefix, "")).collect();
        (short(findings.good_lines()), short(findings.bad_lines()))
    }

    #[test]
    fn each_valid_resource_has_a_line() {
        let both = format!("{FLEET}---\n{}", STREAM.replace("SPEC", ""));
        let (good, bad) = lines(&[("a.yaml", &both)]);
        assert_eq!(
            good,
            ["a.yaml: ProxyFleet default/default: valid", "a.yaml: DataStream default/orders: valid"]
        );
        assert_eq!(bad, [""; 0]);
    }

    #[test]
    fn a_fleet_that_is_not_given_is_no_problem() {
        let (good, bad) = lines(&[("a.yaml", &STREAM.replace("SPEC", "fleet: {name: far}"))]);
        assert_eq!((good.len(), bad.len()), (1, 0), "{bad:?}");
    }

    #[test]
    fn a_problem_names_file_field_and_reason_and_the_rest_is_still_told() {
        let (good, bad) = lines(&[("a.yaml", FLEET), ("b.yaml", &STREAM.replace("SPEC", "output: Avro"))]);
        assert_eq!(good, ["a.yaml: ProxyFleet default/default: valid"]);
        assert_eq!(
            bad,
            [
                "b.yaml: DataStream default/orders: spec.output: must be Raw or InLongMsg or CloudEvents, not \"Avro\""
            ]
        );
    }

    #[test]
    fn resources_given_together_are_checked_against_each_other() {
        let (_, bad) = lines(&[("a.yaml", FLEET), ("b.yaml", &STREAM.replace("SPEC", "sink: {name: x}"))]);
        assert_eq!(bad.len(), 1);
        assert!(bad[0].contains("spec.sink.name"), "{bad:?}");
    }

    #[test]
    fn what_depends_on_a_namespaces_labels_is_a_warning_until_the_namespace_is_given() {
        let allowed =
            "allowedStreams: {namespaces: {from: Selector, selector: {matchLabels: {team: sales}}}}";
        let fleet = FLEET.replace("spec: {", &format!("spec: {{{allowed}, "));
        let stream = STREAM
            .replace("name: orders", "name: orders, namespace: shop")
            .replace("SPEC", "fleet: {name: default, namespace: default}");
        let namespace = |team: &str| {
            format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{team: {team}}}}}}}")
        };
        let (good, bad) = lines(&[("a.yaml", &fleet), ("b.yaml", &stream)]);
        assert_eq!(good.len(), 2, "{good:?}");
        assert_eq!(bad.len(), 1, "{bad:?}");
        let told = "warning: b.yaml: DataStream shop/orders: spec.fleet: whether ProxyFleet default/default takes \
            streams of namespace shop depends on the namespace's labels";
        assert!(bad[0].starts_with(told) && bad[0].contains("team=sales"), "{bad:?}");

        let (good, bad) = lines(&[("a.yaml", &fleet), ("b.yaml", &stream), ("c.yaml", &namespace("sales"))]);
        assert_eq!(good[2], "c.yaml: Namespace shop: not Sluice's, only its labels are read");
        assert_eq!((good.len(), bad.len()), (3, 0), "{bad:?}");
        let (good, bad) = lines(&[("a.yaml", &fleet), ("b.yaml", &stream), ("c.yaml", &namespace("money"))]);
        assert_eq!((good.len(), bad.len()), (2, 1), "{good:?} {bad:?}");
        assert!(bad[0].starts_with("b.yaml: DataStream shop/orders: spec.fleet: ProxyFleet"), "{bad:?}");
    }

    #[test]
    fn a_label_that_is_no_text_is_a_problem() {
        let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: 1}}}";
        let (_, bad) = lines(&[("a.yaml", namespace)]);
        assert_eq!(
            bad,
            [
                "a.yaml: metadata.labels.team: Namespace shop: labels must be text; put numbers and the like in quotes"
            ]
        );
    }

    #[test]
    fn a_pipe_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let allowed =
            "allowedStreams: {namespaces: {from: Selector, selector: {matchLabels: {team: sales}}}}";
        let fleet = FLEET.replace("spec: {", &format!("spec: {{{allowed}, "));
        let stream = STREAM
            .replace("name: orders", "name: orders, namespace: shop")
            .replace("SPEC", "fleet: {name: default, namespace: default}");
        let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: money}}}\n";
        let text = format!("{fleet}---\n{stream}---\n{namespace}");
        let to = pipe.clone();
        let writing = std::thread::spawn(move || fs::write(to, text).unwrap());
        let findings = check(Local::new().unwrap(), &[pipe], false);
        writing.join().unwrap();
        assert_eq!((findings.problems.len(), findings.doubts.len()), (1, 0), "{findings:?}");
        assert_eq!(findings.problems[0].reason, Reason::NotPermitted);
    }

    #[test]
    fn for_a_cluster_its_own_rules_are_the_measure() {
        let kafka = FLEET.replace("file: {}", "kafka: {bootstrapServers: 'k:9092'}");
        let other = kafka.replace("name: default", "name: other");
        let elsewhere = STREAM
            .replace("name: orders", "name: orders, namespace: shop")
            .replace("SPEC", "fleet: {name: default, namespace: default}");
        let told = |files: &[(&str, &str)]| {
            let count = |cluster| lines_for(cluster, files).1.len();
            (count(false), count(true))
        };
        assert_eq!(told(&[("a.yaml", &kafka), ("b.yaml", &other)]), (1, 0), "the port");
        assert_eq!(told(&[("a.yaml", &kafka), ("b.yaml", &elsewhere)]), (0, 1), "another namespace");
        let named = STREAM.replace("SPEC", "fleet: {name: default}");
        assert_eq!(told(&[("a.yaml", FLEET), ("b.yaml", &named)]), (0, 1), "a file sink");
        let unnamed = STREAM.replace("SPEC", "sink: {name: none}");
        assert_eq!(
            told(&[("a.yaml", &kafka), ("b.yaml", &unnamed)]),
            (1, 0),
            "the default fleet is elsewhere"
        );
    }

    #[test]
    fn a_warning_alone_is_no_failure() {
        let id =
            ObjectRef { kind: sluice_crds::Kind::DataStream, namespace: "shop".into(), name: "a".into() };
        let doubt = Problem { reason: Reason::LabelsUnknown, ..problem("a.yaml", "who knows".to_owned()) };
        let findings =
            Findings { valid: vec![("a.yaml".to_owned(), id)], doubts: vec![doubt], ..Findings::default() };
        let json = findings.json();
        assert_eq!((findings.is_good(), &json["ok"]), (true, &json!(true)));
        assert_eq!(json["warnings"][0]["reason"], "LabelsUnknown");
        assert_eq!(json["problems"], json!([]));
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem() {
        let findings = check(Local::new().unwrap(), &[PathBuf::from("/nowhere/none.yaml")], false);
        let bad = findings.bad_lines();
        assert!(bad[0].starts_with("/nowhere/none.yaml: "), "{bad:?}");
        assert!(!findings.is_good());
    }

    #[test]
    fn files_without_a_resource_are_not_valid() {
        let findings = check(Local::new().unwrap(), &[], false);
        assert_eq!(findings.bad_lines(), ["sluice: there is no resource in the files given"]);
        assert_eq!((findings.is_good(), &findings.json()["ok"]), (false, &json!(false)));
    }

    #[test]
    fn json_holds_the_parts_of_each_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.yaml");
        fs::write(&file, format!("{FLEET}---\n{}", STREAM.replace("SPEC", "output: Avro"))).unwrap();
        let json = check(Local::new().unwrap(), &[file], false).json();
        assert_eq!(json["ok"], json!(false));
        assert_eq!(
            json["valid"][0]["object"],
            json!({"kind": "ProxyFleet", "namespace": "default", "name": "default"})
        );
        let problem = &json["problems"][0];
        assert_eq!((&problem["field"], &problem["reason"]), (&json!("spec.output"), &json!("Invalid")));
        assert_eq!(problem["object"]["name"], "orders");
    }
}
