//! Writes what is made of the types: `crdgen [ROOT]`, ROOT being the repository.
//! In folders of its own it removes what no kind makes any more; of a page it changes the reference alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, error, fs};

use sluice_crds::{Kind, definition, reference};

/// The definitions as they are.
const DEFINITIONS: &str = "crds/yaml";

/// The definitions as templates of the chart.
const TEMPLATES: &str = "charts/sluice/templates/crds";

/// The pages that hold a reference.
const PAGES: &str = "docs";

type Error = Box<dyn error::Error>;

fn main() -> ExitCode {
    let root =
        env::args_os().nth(1).map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), PathBuf::from);
    match generate(&root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crdgen: {}: {error}", root.display());
            ExitCode::FAILURE
        }
    }
}

fn generate(root: &Path) -> Result<(), Error> {
    replace(&root.join(DEFINITIONS), definition::file)?;
    replace(&root.join(TEMPLATES), definition::template)?;
    Kind::ALL.into_iter().try_for_each(|kind| refresh(&root.join(PAGES).join(reference::page(kind)), kind))
}

/// Writes a file for each kind; no other stays in the directory.
fn replace(
    directory: &Path,
    file: impl Fn(Kind) -> Result<(String, String), definition::Error>,
) -> Result<(), Error> {
    fs::create_dir_all(directory)?;
    let files = Kind::ALL.into_iter().map(file).collect::<Result<Vec<_>, _>>()?;
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

fn refresh(page: &Path, kind: Kind) -> Result<(), Error> {
    let old = fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let new = reference::refreshed(kind, &old)?
        .ok_or_else(|| format!("{} has no place for the reference", page.display()))?;
    fs::write(page, new)?;
    Ok(())
}
