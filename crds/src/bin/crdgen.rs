//! Writes the definitions under `crds/yaml/`: `crdgen [DIRECTORY]`.
//! It removes what no kind makes any more, so the directory holds the definitions and nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, error, fs};

use sluice_crds::{Kind, definition};

fn main() -> ExitCode {
    let directory = env::args_os()
        .nth(1)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml"), PathBuf::from);
    match generate(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crdgen: {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn generate(directory: &Path) -> Result<(), Box<dyn error::Error>> {
    fs::create_dir_all(directory)?;
    let files = Kind::ALL.into_iter().map(definition::file).collect::<Result<Vec<_>, _>>()?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !files.iter().any(|(name, _)| entry.file_name() == name.as_str()) {
            fs::remove_file(entry.path())?;
        }
    }
    for (name, content) in files {
        fs::write(directory.join(name), content)?;
    }
    Ok(())
}
