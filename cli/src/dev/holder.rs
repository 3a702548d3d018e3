//! Who listens on a port of this machine, as far as the system tells.
//! It only reads `/proc`; it never touches what it finds.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Why `address` can't be listened on; nothing if it can.
pub(super) fn trouble(address: SocketAddr) -> Option<String> {
    // The listener is closed again at once: the proxy opens its own.
    let error = TcpListener::bind(address).err()?;
    let why = if error.kind() == ErrorKind::AddrInUse { taken(address.port()) } else { error.to_string() };
    Some(format!("can't listen on {address}: {why}"))
}

fn taken(port: u16) -> String {
    match holder(port) {
        Ok(Some(holder)) => format!("{holder} listens there"),
        // Another user's processes are not shown.
        Ok(None) | Err(_) => "another program listens there".to_owned(),
    }
}

/// Name and number of the process that listens on the port.
fn holder(port: u16) -> io::Result<Option<String>> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|path| fs::read_to_string(path).ok());
    let sockets: Vec<String> =
        tables.flat_map(|table| inodes(&table, port)).map(|inode| format!("socket:[{inode}]")).collect();
    for process in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if has_one_of(&process.path(), &sockets) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Ok(Some(format!("{} (process {pid})", name.trim())));
        }
    }
    Ok(None)
}

fn has_one_of(process: &Path, sockets: &[String]) -> bool {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let mut targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target)))
}

/// The inodes of the sockets that listen on the port, out of a table as the kernel writes it.
fn inodes(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        let found = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        (state == LISTEN && found == Some(port)).then(|| inode.to_owned())
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:B6D2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:B6D2 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1
   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
";

    #[test]
    fn only_listening_sockets_of_the_port_are_found() {
        assert_eq!(inodes(TABLE, 46_802), ["11"]);
        assert_eq!(inodes(TABLE, 80), ["13"]);
        assert_eq!(inodes(TABLE, 81), [""; 0]);
        assert_eq!(inodes("", 80), [""; 0]);
    }

    #[test]
    fn who_holds_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let words = trouble(address).unwrap();
        assert!(words.starts_with(&format!("can't listen on {address}: ")), "{words}");
        assert!(words.contains(&format!("(process {}) listens there", std::process::id())), "{words}");
        drop(listener);
        assert_eq!(trouble(address), None);
    }
}
