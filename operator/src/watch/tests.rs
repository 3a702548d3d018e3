//! What a directory is read as.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

const STREAM: &str =
    "apiVersion: sluice.dev/v1alpha1\nkind: DataStream\nmetadata: {name: orders}\nspec: {}\n";

fn directory(files: &[(&str, &str)]) -> (TempDir, Directory) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(directory.path(), name, text);
    }
    let watched = Directory::new(directory.path());
    (directory, watched)
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).unwrap();
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.objects.iter().map(|source| format!("{} {}", source.file, source.id)).collect()
}

fn problem_of(text: &str) -> String {
    let (_files, mut watched) = directory(&[("a.yaml", text)]);
    let snapshot = watched.poll().unwrap();
    assert_eq!(snapshot.objects, []);
    let [problem] = snapshot.problems.as_slice() else { panic!("{:?}", snapshot.problems) };
    problem.to_string()
}

#[test]
fn objects_come_in_the_order_of_files_and_documents() {
    let second = STREAM.replace("orders", "second").replace("{name", "{namespace: shop, name");
    let both = format!("# nothing\n---\n{STREAM}---\n{second}---\n");
    let (_files, mut watched) = directory(&[
        ("b.yml", &STREAM.replace("orders", "third")),
        ("a.yaml", &both),
        (
            "c.json",
            "{\"apiVersion\": \"sluice.dev/v1alpha1\", \"kind\": \"ProxyFleet\", \"metadata\": {\"name\": \"f\"}}",
        ),
        (".hidden.yaml", "{"),
        ("notes.txt", "{"),
    ]);
    let snapshot = watched.poll().unwrap();
    assert_eq!(snapshot.problems, []);
    assert_eq!(
        names(&snapshot),
        [
            "a.yaml DataStream default/orders",
            "a.yaml DataStream shop/second",
            "b.yml DataStream default/third",
            "c.json ProxyFleet default/f"
        ]
    );
}

#[test]
fn only_a_changed_content_gives_a_new_snapshot() {
    let (files, mut watched) = directory(&[("a.yaml", STREAM)]);
    assert!(watched.poll().is_some());
    assert!(watched.poll().is_none());
    write(files.path(), "a.yaml", STREAM);
    assert!(watched.poll().is_none());
    write(files.path(), "a.yaml", &STREAM.replace("{}", "{output: Raw}"));
    assert!(watched.poll().is_some());
    fs::remove_file(files.path().join("a.yaml")).unwrap();
    assert_eq!(watched.poll().unwrap(), Snapshot::default());
}

#[test]
fn a_broken_file_keeps_its_last_good_content_until_it_is_mended() {
    let (files, mut watched) =
        directory(&[("a.yaml", STREAM), ("b.yaml", &STREAM.replace("orders", "other"))]);
    let good = watched.poll().unwrap();
    write(files.path(), "a.yaml", "metadata: {name: [\n");
    let broken = watched.poll().unwrap();
    assert_eq!(broken.objects, good.objects);
    assert_eq!(broken.problems.len(), 1);
    assert!(watched.poll().is_none());
    write(files.path(), "a.yaml", STREAM);
    assert_eq!(watched.poll().unwrap(), good);
}

#[test]
fn a_directory_that_goes_away_takes_nothing_with_it() {
    let (files, mut watched) = directory(&[("a.yaml", STREAM)]);
    let good = watched.poll().unwrap();
    let moved = files.path().with_extension("moved");
    fs::rename(files.path(), &moved).unwrap();
    let gone = watched.poll().unwrap();
    assert_eq!(gone.objects, good.objects);
    assert_eq!(gone.problems[0].reason, Reason::Unreadable);
    assert!(watched.poll().is_none());
    fs::rename(&moved, files.path()).unwrap();
    assert_eq!(watched.poll().unwrap(), good);
}

#[test]
fn a_syntax_error_names_line_and_column() {
    let text = "apiVersion: sluice.dev/v1alpha1\nkind: DataStream\nmetadata: {name: orders\nspec: {}\n";
    let line = problem_of(text);
    assert!(line.starts_with("a.yaml: line 4, column 5: did not find"), "{line}");
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let line = problem_of(&STREAM.replace("{}", "\n  output: Raw\n  output: Raw"));
    assert!(line.starts_with("a.yaml: line ") && line.contains("\"output\" stands here twice"), "{line}");
}

#[test]
fn aliases_that_grow_without_bound_are_refused() {
    let bomb = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000), vec!["*a"; 10_000].join(", "));
    assert!(problem_of(&bomb).contains("too much in one file"), "{}", problem_of(&bomb));
    let mut doubling = String::from("a0: &a0 [x]\n");
    for level in 1..40 {
        doubling += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
    }
    assert!(problem_of(&doubling).starts_with("a.yaml: "), "{}", problem_of(&doubling));
}

#[test]
fn what_is_no_resource_is_named_with_its_document_and_field() {
    let cases = [
        ("just text", "document 1: not a resource"),
        ("- a", "document 1: not a resource"),
        (
            &STREAM.replace("sluice.dev/v1alpha1", "sluice.dev/v2"),
            "document 1: apiVersion: must be sluice.dev/v1alpha1",
        ),
        (&STREAM.replace("sluice.dev", "sluice.io"), "document 1: apiVersion: must be sluice.dev/v1alpha1"),
        (&STREAM.replace("DataStream", "DataStreem"), "document 1: kind: must be ProxyFleet or DataStream"),
        (&STREAM.replace("orders", "Orders"), "document 1: metadata.name: must be"),
        (&STREAM.replace("{name", "{namespace: a.b, name"), "document 1: metadata.namespace: must be"),
        (&format!("{STREAM}---\nkind: x"), "document 2: apiVersion: must be"),
    ];
    for (text, wanted) in cases {
        let line = problem_of(text);
        assert!(line.starts_with(&format!("a.yaml: {wanted}")), "{line}");
    }
}

#[test]
fn a_resource_of_another_group_is_left_alone() {
    let (_files, mut watched) =
        directory(&[("a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ndata: {}\n")]);
    let snapshot = watched.poll().unwrap();
    assert_eq!(snapshot.foreign, [("a.yaml".to_owned(), "Secret login".to_owned())]);
    assert_eq!((snapshot.objects, snapshot.problems), (Vec::new(), Vec::new()));
}

#[test]
fn of_namespaces_alone_the_labels_are_kept() {
    let text = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: sales}}, spec: {}}\n---\n\
        {apiVersion: v1, kind: Secret, metadata: {name: bank, labels: {team: money}}}\n---\n---\n\
        {apiVersion: other/v1, kind: Namespace, metadata: {name: other}}\n---\n\
        {apiVersion: v1, kind: Namespace, metadata: {name: bare}}\n---\n\
        {apiVersion: v1, kind: Namespace, metadata: {name: wrong, labels: {team: 1}}}\n---\n\
        {apiVersion: v1, kind: Namespace, metadata: {name: odd, labels: [team]}}\n";
    let (_files, mut watched) = directory(&[("a.yaml", text)]);
    let snapshot = watched.poll().unwrap();
    assert_eq!(snapshot.problems, []);
    assert_eq!(snapshot.foreign.len(), 6);
    let found = snapshot.namespaces.into_iter().map(|found| {
        assert_eq!(found.file, "a.yaml");
        (found.name, found.labels.map_err(|error| error.field))
    });
    let wanted = [
        ("shop", Ok(Labels::from([("team".to_owned(), "sales".to_owned())]))),
        ("bare", Ok(Labels::new())),
        ("wrong", Err("metadata.labels.team".to_owned())),
        ("odd", Err("metadata.labels".to_owned())),
    ];
    assert_eq!(found.collect::<Vec<_>>(), wanted.map(|(name, labels)| (name.to_owned(), labels)));
}

#[test]
fn a_file_beyond_the_bounds_is_refused() {
    let large = problem_of(&format!("# {}", "x".repeat(1 << 20)));
    assert_eq!(large, "a.yaml: larger than 1 MiB; split the file");
    let many = problem_of(&"---\n".repeat(1_002));
    assert!(many.contains("too many documents"), "{many}");
}

#[test]
fn a_file_without_a_document_holds_nothing() {
    for text in ["", "\n\n", "# only a comment\n", "---\n"] {
        assert_eq!(
            super::parse::parse(text.as_bytes()).unwrap(),
            super::parse::Parsed::default(),
            "{text:?}"
        );
    }
}
