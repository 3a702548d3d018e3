//! What is in an image, and what is not.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sluice_tests::paths;

/// What a shell prints; the archives are in `$0`.
fn print(command: &str, archive: &Path) -> String {
    let output = Command::new("bash").args(["-o", "pipefail", "-c", command]).arg(archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_image_holds_one_program_its_libraries_and_certificates_and_runs_as_nobody_else() {
    let script = paths::repository().join("tests/cluster/images.sh");
    let output = Command::new(script).arg(paths::binary("sluice-proxy")).output().unwrap();
    let archive = String::from_utf8(output.stdout).unwrap();
    let archive = Path::new(archive.trim());

    let config = print(r#"tar -xOf "$0" "$(tar -tf "$0" | grep '\.json$' | grep -v manifest)""#, archive);
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/usr/bin/sluice-proxy"]));

    let files = print(
        r#"tar -xOf "$0" --wildcards '*.tar' --exclude '*/layer.tar' | tar -t | grep -v '/$'"#,
        archive,
    );
    let files: Vec<_> = files.lines().collect();
    let programs: Vec<_> = files.iter().filter(|file| file.contains("bin/")).collect();
    assert_eq!(programs, [&"usr/bin/sluice-proxy"]);
    assert!(files.contains(&"etc/ssl/certs/ca-certificates.crt"), "{files:?}");
    let allowed =
        |file: &str| file.starts_with("etc/") || file.starts_with("lib") || file.starts_with("usr/bin/");
    assert!(files.iter().all(|file| allowed(file)), "{files:?}");
}
