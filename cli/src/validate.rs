//! `sluice validate`: checks files with the operator's own code and tells what it finds.
//! It changes nothing and talks to nobody.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use sluice_operator::local::Local;
use sluice_operator::{ObjectRef, Problem, Reason, watch};

use crate::args::Validate;

pub(crate) fn main(args: &Validate) -> ExitCode {
    let findings = Local::new().map_err(|error| error.to_string()).map(|local| check(local, &args.files));
    let (good, bad) = match findings {
        Ok(findings) => findings,
        Err(error) => (Vec::new(), vec![format!("sluice: {error}")]),
    };
    // Whoever closed the other end does not want the lines; the exit code still tells.
    let _ = write_lines(&mut io::stdout().lock(), &good);
    let _ = write_lines(&mut io::stderr().lock(), &bad);
    if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write_lines(to: &mut impl Write, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(to, "{line}"))?;
    to.flush()
}

/// A line for each good resource, and one for each problem.
fn check(mut local: Local, files: &[PathBuf]) -> (Vec<String>, Vec<String>) {
    let (files, unreadable) = expand(files);
    let snapshot = watch::read_files(&files);
    let problems: Vec<Problem> = local
        .apply(&snapshot)
        .problems
        .into_iter()
        // What is not among the files given may well be in the cluster.
        .filter(|problem| !problem.reason.is_missing_part())
        .collect();
    let bad: BTreeSet<(&str, &ObjectRef)> = problems
        .iter()
        .filter_map(|problem| problem.object.as_ref().map(|object| (problem.file.as_str(), object)))
        .collect();
    let fine = snapshot.objects.iter().filter(|source| !bad.contains(&(source.file.as_str(), &source.id)));
    let mut good: Vec<String> = fine.map(|source| format!("{}: {}: valid", source.file, source.id)).collect();
    let foreign = snapshot.foreign.iter();
    good.extend(foreign.map(|(file, what)| format!("{file}: {what}: not Sluice's, left alone")));
    let mut told: Vec<String> = unreadable.iter().chain(&problems).map(ToString::to_string).collect();
    if good.is_empty() && told.is_empty() {
        told.push("sluice: there is no resource in the files given".to_owned());
    }
    (good, told)
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
            Err(error) => problems.push(Problem {
                file: path.display().to_string(),
                object: None,
                field: String::new(),
                reason: Reason::Unreadable,
                message: error.to_string(),
            }),
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
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = files.iter().map(|(name, _)| directory.path().join(name)).collect();
        for (path, (_, text)) in paths.iter().zip(files) {
            fs::write(path, text).unwrap();
        }
        let prefix = format!("{}/", directory.path().display());
        let (good, bad) = check(Local::new().unwrap(), &paths);
        let short = |lines: Vec<String>| lines.iter().map(|line| line.replace(&prefix, "")).collect();
        (short(good), short(bad))
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
    fn a_file_that_is_not_there_is_a_problem() {
        let (_, bad) = check(Local::new().unwrap(), &[PathBuf::from("/nowhere/none.yaml")]);
        assert!(bad[0].starts_with("/nowhere/none.yaml: "), "{bad:?}");
    }
}
