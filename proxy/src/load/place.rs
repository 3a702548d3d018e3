//! Where the cgroups of this process lie, out of `/proc/self/cgroup` and `/proc/self/mountinfo`. Inside of a container
//! the two seldom agree: with a cgroup namespace the path is `/`, without one it is the node's, of which only the
//! container's own part is mounted.

use std::path::{Component, Path, PathBuf};

/// The most levels looked at, own one included.
const MAX_LEVELS: usize = 32;

/// One hierarchy of cgroups, and this process's place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    mount: PathBuf,
    /// The process's cgroup below that; empty where it is not below, or is what is mounted.
    below: PathBuf,
}

/// The hierarchies that have to do with CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cgroups {
    /// One for each controller, or for several.
    V1 {
        /// With the quota.
        cpu: Hierarchy,
        /// With the time used.
        cpuacct: Hierarchy,
        /// With the CPUs.
        cpuset: Option<Hierarchy>,
    },
    /// One for all.
    V2(Hierarchy),
}

impl Hierarchy {
    /// The directories from the process's own cgroup up to what is mounted.
    pub(super) fn levels(&self) -> Vec<PathBuf> {
        self.below.ancestors().take(MAX_LEVELS).map(|below| self.mount.join(below)).collect()
    }
}

/// Finds them; `None` where there are none to be read. A CPU controller of version 1 comes before version 2, which
/// stands beside it without one on hybrid systems.
pub(super) fn find(cgroup: &str, mountinfo: &str) -> Option<Cgroups> {
    let mounts: Vec<_> = mountinfo.lines().filter_map(Mount::parse).collect();
    let v1 = |controller| {
        let path = cgroup.lines().find_map(|line| path_of(line, controller))?;
        locate(path, mounts.iter().filter(|mount| mount.controllers.split(',').any(|one| one == controller)))
    };
    if let (Some(cpu), Some(cpuacct)) = (v1("cpu"), v1("cpuacct")) {
        return Some(Cgroups::V1 { cpu, cpuacct, cpuset: v1("cpuset") });
    }
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    locate(path, mounts.iter().filter(|mount| mount.is_v2)).map(Cgroups::V2)
}

/// The path of a line like `4:cpu,cpuacct:/kubepods/pod7`, if it is this controller's.
fn path_of<'a>(line: &'a str, controller: &str) -> Option<&'a str> {
    let mut fields = line.splitn(3, ':').skip(1);
    let controllers = fields.next()?;
    controllers.split(',').any(|one| one == controller).then(|| fields.next())?
}

/// The mount under which the path lies, else the first: what a container has mounted is its own.
fn locate<'a>(path: &str, mounts: impl Iterator<Item = &'a Mount>) -> Option<Hierarchy> {
    // A root above the reader's own is of a mount that was made outside of its namespace: what lies where in it
    // can't be told.
    let inside: Vec<_> = mounts.filter(|mount| !climbs(&mount.root)).collect();
    let below =
        |mount: &&Mount| Path::new(path).strip_prefix(&mount.root).ok().filter(|below| !climbs(below));
    let found = inside.iter().find_map(|mount| Some((mount, below(mount)?.to_owned())));
    let (mount, below) = found.or_else(|| Some((inside.first()?, PathBuf::new())))?;
    Some(Hierarchy { mount: mount.point.clone(), below })
}

fn climbs(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// A mount of cgroups.
struct Mount {
    root: PathBuf,
    point: PathBuf,
    /// Comma separated; the options of the file system among them.
    controllers: String,
    is_v2: bool,
}

impl Mount {
    /// Reads a line of mountinfo: `id parent device root point options [optional ..] - type source options`.
    fn parse(line: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) =
            (PathBuf::from(unescaped(mount.next()?)), PathBuf::from(unescaped(mount.next()?)));
        let mut filesystem = filesystem.split(' ');
        let (kind, _source, options) = (filesystem.next()?, filesystem.next(), filesystem.next());
        let (controllers, is_v2) = match kind {
            "cgroup" => (options.unwrap_or_default().to_owned(), false),
            "cgroup2" => (String::new(), true),
            _ => return None,
        };
        Some(Self { root, point, controllers, is_v2 })
    }
}

/// A path without the kernel's escapes: `\040` for a space, and so on.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(cgroup: &str, mountinfo: &str) -> Vec<PathBuf> {
        match find(cgroup, mountinfo) {
            Some(Cgroups::V2(hierarchy)) => hierarchy.levels(),
            other => panic!("{other:?}"),
        }
    }

    fn v1(cgroup: &str, mountinfo: &str) -> (Vec<PathBuf>, Vec<PathBuf>) {
        match find(cgroup, mountinfo) {
            Some(Cgroups::V1 { cpu, cpuacct, .. }) => (cpu.levels(), cpuacct.levels()),
            other => panic!("{other:?}"),
        }
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    const V2: &str = "30 24 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n";

    #[test]
    fn in_a_namespace_the_mount_is_the_containers_own() {
        assert_eq!(v2("0::/\n", V2), paths(&["/sys/fs/cgroup"]));
    }

    #[test]
    fn a_path_below_the_mount_is_followed_up_to_it() {
        let levels = v2("0::/kubepods/pod7/c1\n", V2);
        let wanted = ["kubepods/pod7/c1", "kubepods/pod7", "kubepods", ""];
        assert_eq!(levels, wanted.map(|below| PathBuf::from("/sys/fs/cgroup").join(below)));
    }

    #[test]
    fn without_a_namespace_only_what_is_mounted_of_the_nodes_path_is_followed() {
        let cgroup = "4:cpu,cpuacct:/kubepods/pod7/c1\n1:name=systemd:/x\n";
        let mounted = "41 31 0:29 /kubepods/pod7/c1 /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct\n";
        let wanted = paths(&["/sys/fs/cgroup/cpu,cpuacct"]);
        assert_eq!(v1(cgroup, mounted), (wanted.clone(), wanted));
        let deeper = "4:cpu,cpuacct:/kubepods/pod7/c1/sub\n";
        assert_eq!(
            v1(deeper, mounted).0,
            paths(&["/sys/fs/cgroup/cpu,cpuacct/sub", "/sys/fs/cgroup/cpu,cpuacct"])
        );
    }

    #[test]
    fn a_path_that_is_not_below_the_mount_leaves_the_mount() {
        let mounted = "41 31 0:29 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        for path in ["/docker/c10", "/", "/../other", "/docker"] {
            assert_eq!(v2(&format!("0::{path}\n"), mounted), paths(&["/sys/fs/cgroup"]), "{path}");
        }
        assert_eq!(v2("0::/../other\n", V2), paths(&["/sys/fs/cgroup"]));
    }

    #[test]
    fn of_several_mounts_the_one_with_the_path_is_taken() {
        let mounted = [
            "41 31 0:29 /docker/other /mnt/a rw - cgroup2 cgroup rw\n",
            "42 31 0:29 /docker/c1 /mnt/b\\040c rw shared:1 master:2 - cgroup2 cgroup rw\n",
        ];
        assert_eq!(v2("0::/docker/c1\n", &mounted.concat()), paths(&["/mnt/b c"]));
    }

    #[test]
    fn a_mount_made_outside_of_the_namespace_is_not_used() {
        let mounted = "30 24 0:26 /../../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(find("0::/\n", mounted), None);
    }

    #[test]
    fn on_a_hybrid_system_the_controllers_of_version_1_count() {
        let mounted = [
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
            "33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n",
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        ];
        let cgroup = "3:cpuset:/\n2:cpuacct:/a:b\n1:cpu:/a:b\n0::/a\n";
        let (cpu, cpuacct) = v1(cgroup, &mounted.concat());
        assert_eq!(cpu, paths(&["/sys/fs/cgroup/cpu/a:b", "/sys/fs/cgroup/cpu"]));
        assert_eq!(cpuacct, paths(&["/sys/fs/cgroup/cpuacct/a:b", "/sys/fs/cgroup/cpuacct"]));
    }

    #[test]
    fn without_cgroups_there_are_none() {
        assert_eq!(find("", V2), None);
        assert_eq!(find("0::/\n", "22 1 0:20 / /proc rw - proc proc rw\n"), None);
        assert_eq!(find("0::/\n", "not a mount\n\n"), None);
    }
}
