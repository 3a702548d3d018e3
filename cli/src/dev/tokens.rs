//! Producers' tokens of local mode: a Secret is a directory with a file for each token, as for Kafka's Secrets.
//! No token is kept or told: a stream gets digests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sluice_operator::credentials::{Reading, TYPE, read};
use sluice_operator::resolve::{ResolvedFleet, ResolvedStream};
use sluice_wire::auth::Auth;

/// The longest file that is read, in bytes.
const LONGEST: u64 = 64 << 10;
/// Files of one directory that are looked at, at most.
const MOST: usize = 1_024;

/// Puts tokens into the fleet's streams; gives what is wrong, each as one line.
pub(super) fn fill(fleet: &mut ResolvedFleet, secrets: &Path) -> Vec<String> {
    fleet.streams.iter_mut().filter_map(|stream| one(stream, secrets)).collect()
}

/// Whether tokens are to be read for a fleet.
pub(super) fn are_wanted(fleet: &ResolvedFleet) -> bool {
    fleet.streams.iter().any(|stream| stream.tokens_secret.is_some())
}

fn one(stream: &mut ResolvedStream, secrets: &Path) -> Option<String> {
    let secret = stream.tokens_secret.as_ref()?;
    let directory = secrets.join(secret);
    let streams = [stream.name.clone()].into();
    let reading = files(&directory).map(|files| {
        let data = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        read((&stream.namespace, Some(TYPE)), data, &streams, (None, 0))
    });
    let (reading, fault) = match reading {
        Ok(Reading::Unfit(why)) => (None, why),
        Ok(Reading::Tokens { fault, streams }) => {
            (Some(Reading::Tokens { fault: String::new(), streams }), fault)
        }
        Ok(reading) => (Some(reading), String::new()),
        Err(error) => (None, error.to_string()),
    };
    let held = reading.iter().flat_map(|reading| reading.tokens(&stream.name));
    stream.auth = Auth::Tokens(held.map(|held| held.token.clone()).collect());
    let place = directory.display();
    (!fault.is_empty())
        .then(|| format!("DataStream {}/{}: tokens in {place}: {fault}", stream.namespace, stream.name))
}

/// The files of a directory by name. Hidden ones are no tokens: editors and Kubernetes have such.
fn files(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in directory.read_dir()?.take(MOST) {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with('.') && entry.path().is_file() {
            let mut bytes = Vec::new();
            File::open(entry.path())?.take(LONGEST).read_to_end(&mut bytes)?;
            // Editors end a file's last line.
            let ends = bytes.strip_suffix(b"\n").map(<[u8]>::len);
            bytes.truncate(ends.unwrap_or(bytes.len()));
            files.insert(name, bytes);
        }
    }
    Ok(files)
}
