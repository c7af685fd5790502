//! Targets of a container's mounts that lie behind dangling links of its image (`/data -> /var/real`, which is missing).
//!
//! crun opens what is there and makes what is missing, but does not make what a link names. So the specification gets
//! the path to which the links lead, and crun makes that, inside of the root. Nothing is written here.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use serde_json::Value;

use crate::ttrpc::{Context, Result, Status};

/// More links than this on one way are a loop: the limit of other container runtimes.
const MAX_LINKS: usize = 255;
/// Linux's limit for a path.
const MAX_PATH: usize = 4096;

/// Replaces each destination that a dangling link stands in the way of.
/// `InvalidArgument` for links that lead in a circle.
pub fn resolve(spec: &mut Value) -> Result<()> {
    let mut tree = Tree::new(Path::new(spec["root"]["path"].as_str().unwrap_or("")))?;
    for mount in spec["mounts"].as_array_mut().into_iter().flatten() {
        let Some(destination) = mount["destination"].as_str() else { continue };
        let target = tree
            .walk(Path::new(destination))
            .map_err(|error| Status::invalid(format!("mount {destination:?}: its target in the image: {error}")))?;
        // A link that is no text stays crun's to complain about.
        if let (true, Some(path)) = (target.is_dangling, target.path.to_str()) {
            mount["destination"] = Value::from(path);
        }
        let source = is_bind(mount).then(|| PathBuf::from(mount["source"].as_str().unwrap_or("")));
        tree.cover(target.path, source);
    }
    Ok(())
}

fn is_bind(mount: &Value) -> bool {
    let named = |options: &Vec<Value>| options.iter().any(|option| option == "bind" || option == "rbind");
    mount["type"] == "bind" || mount["options"].as_array().is_some_and(named)
}

/// Where a destination leads.
struct Target {
    /// As the container sees it, without links.
    path: PathBuf,
    /// A link leads there, and there is nothing.
    is_dangling: bool,
}

/// A root with what has been mounted in it so far.
struct Tree {
    root: OwnedFd,
    /// Mount points with the sources of binds; other file systems are new, and only crun sees into them.
    covered: Vec<(PathBuf, Option<PathBuf>)>,
}

/// What a path without links is.
enum Found {
    Nothing,
    Link(OsString),
    Other,
}

impl Tree {
    fn new(root: &Path) -> Result<Self> {
        let root = File::open(root).context(|| root.display())?.into();
        Ok(Self { root, covered: Vec::new() })
    }

    fn cover(&mut self, path: PathBuf, source: Option<PathBuf>) {
        self.covered.retain(|(below, _)| !below.starts_with(&path));
        self.covered.push((path, source));
    }

    /// Follows the links on the way to `destination`, never out of the root. What is missing counts as a folder.
    fn walk(&self, destination: &Path) -> io::Result<Target> {
        let mut left = names_of(destination);
        let mut target = Target { path: PathBuf::from("/"), is_dangling: false };
        let (mut links, mut exists) = (0, true);
        while let Some(name) = left.pop_front() {
            if name == ".." {
                target.path.pop();
                continue;
            }
            let path = target.path.join(&name);
            if path.as_os_str().len() > MAX_PATH {
                return Err(Errno::ENAMETOOLONG.into());
            }
            let found = self.look(&path)?;
            exists = !matches!(found, Found::Nothing);
            let Found::Link(to) = found else {
                target.path = path;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::ELOOP.into());
            }
            let to = Path::new(&to);
            if to.is_absolute() {
                target.path = PathBuf::from("/");
            }
            let mut way = names_of(to);
            way.append(&mut left);
            left = way;
        }
        target.is_dangling = links > 0 && !exists;
        Ok(target)
    }

    /// Looks at a path of the container without following a link.
    fn look(&self, path: &Path) -> io::Result<Found> {
        let Some((base, rest)) = self.base_of(path)? else { return Ok(Found::Nothing) };
        if rest.as_os_str().is_empty() {
            return Ok(Found::Other);
        }
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let opened = match openat2(base.as_fd(), rest, how) {
            Ok(opened) => opened,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Found::Nothing),
            Err(error) => return Err(error.into()),
        };
        // An empty path means the opened link itself; of anything else there is nothing to read.
        match readlinkat(&opened, "") {
            Ok(to) => Ok(Found::Link(to)),
            Err(Errno::ENOENT | Errno::EINVAL) => Ok(Found::Other),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder from which a path is looked up: the innermost mount around it. Nothing if that is a new file system.
    fn base_of<'a>(&self, path: &'a Path) -> io::Result<Option<(OwnedFd, &'a Path)>> {
        let around = self.covered.iter().filter(|(place, _)| path.starts_with(place));
        let Some((place, source)) = around.max_by_key(|(place, _)| place.as_os_str().len()) else {
            return Ok(Some((self.root.try_clone()?, path.strip_prefix("/").unwrap_or(path))));
        };
        let Some(source) = source else { return Ok(None) };
        let opened = File::options().read(true).custom_flags(libc::O_PATH).open(source);
        // A source that has gone since it was checked is crun's to complain about.
        Ok(opened.ok().map(|base| (base.into(), path.strip_prefix(place).unwrap_or(path))))
    }
}

fn names_of(path: &Path) -> VecDeque<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, links: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("bulkhead-targets-{name}-{}", std::process::id()));
            fs::create_dir_all(root.join("etc")).unwrap();
            for (link, to) in links {
                fs::create_dir_all(root.join(link).parent().unwrap()).unwrap();
                symlink(to, root.join(link)).unwrap();
            }
            Self(root)
        }

        /// Destinations after resolving; each of `mounts` is (destination, source of a bind or nothing).
        fn resolved(&self, mounts: &[(&str, Option<&str>)]) -> Result<Vec<String>> {
            let mounts: Vec<Value> = mounts
                .iter()
                .map(|(to, source)| match source {
                    Some(source) => json!({"destination": to, "type": "bind", "source": self.0.join(source)}),
                    None => json!({"destination": to, "type": "tmpfs", "source": "tmpfs"}),
                })
                .collect();
            let mut spec = json!({"root": {"path": self.0}, "mounts": mounts});
            resolve(&mut spec)?;
            let mounts = spec["mounts"].as_array().unwrap();
            Ok(mounts.iter().map(|m| m["destination"].as_str().unwrap().to_owned()).collect())
        }

        fn one(&self, destination: &str) -> String {
            self.resolved(&[(destination, None)]).unwrap().remove(0)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn dangling_links_lead_to_what_is_to_be_made() {
        let links = [
            ("data", "/var/real"),
            ("near", "there/it/is"),
            ("var/lib/up", "../../opt/x"),
            ("chain", "data"),
            ("over", "chain/deep"),
            ("whole", "/etc"),
        ];
        let root = Root::new("dangling", &links);
        for (asked, expected) in [
            ("/data", "/var/real"),
            ("/data/below", "/var/real/below"),
            ("/near", "/there/it/is"),
            ("/var/lib/up", "/opt/x"),
            ("/chain", "/var/real"),
            ("/over", "/var/real/deep"),
            // Nothing dangles: crun gets what was asked for.
            ("/whole", "/whole"),
            ("/new/../etc/./x", "/new/../etc/./x"),
        ] {
            assert_eq!(root.one(asked), expected, "{asked}");
        }
        assert_eq!(root.one("/whole/new"), "/etc/new");
        assert!(!root.0.join("var/real").exists() && !root.0.join("opt").exists(), "nothing is made here");
    }

    #[test]
    fn no_link_leads_out_of_the_root() {
        let links =
            [("climb", "../../../../../../nowhere/at/all"), ("host", "/proc/self/root/nowhere"), ("top", "/../..")];
        let root = Root::new("climb", &links);
        assert_eq!(root.one("/climb"), "/nowhere/at/all");
        assert_eq!(root.one("/climb/../../../x"), "/x");
        assert_eq!(root.one("/host"), "/proc/self/root/nowhere");
        assert_eq!(root.one("/top/new"), "/new");
    }

    #[test]
    fn links_in_a_circle_are_refused() {
        let root = Root::new("circle", &[("a", "b"), ("b", "a"), ("self", "self/x")]);
        for asked in ["/a", "/a/b/c", "/self"] {
            let error = root.resolved(&[(asked, None)]).unwrap_err().to_string();
            assert!(error.contains(asked) && error.contains("symbolic links"), "{error}");
        }
    }

    #[test]
    fn what_is_mounted_before_hides_what_the_image_has_there() {
        let links = [("data", "/var/real"), ("mnt/in", "/hidden"), ("source/out", "/made"), ("file", "/etc/new.conf")];
        let root = Root::new("covered", &links);
        let resolve = |mounts: &[(&str, Option<&str>)]| root.resolved(mounts).unwrap();
        assert_eq!(resolve(&[("/data", None), ("/data/sub", None)]), ["/var/real", "/var/real/sub"]);
        assert_eq!(resolve(&[("/mnt", None), ("/mnt/in", None)]), ["/mnt", "/mnt/in"]);
        assert_eq!(resolve(&[("/mnt", Some("source")), ("/mnt/out", None)]), ["/mnt", "/made"]);
        assert_eq!(resolve(&[("/data", Some("source")), ("/data/out/x", None)]), ["/var/real", "/made/x"]);
        assert_eq!(resolve(&[("/mnt", Some("gone")), ("/mnt/in", None)]), ["/mnt", "/mnt/in"]);
        assert_eq!(resolve(&[("/file", Some("etc"))]), ["/etc/new.conf"]);
    }
}
