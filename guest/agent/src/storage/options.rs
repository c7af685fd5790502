//! Mount options: flags of the mount call, data for the file system, and words meant for the agent.

use std::path::{Component, PathBuf};

use nix::mount::MsFlags;

use crate::ttrpc::{Context, Result, Status};

/// Options that begin like this are addressed to the agent or the shim, never to a file system.
const AGENT_PREFIX: &str = "io.katacontainers.";
const MKDIR: &str = "X-containerd.mkdir.path=";

/// A folder that an option asks for.
#[derive(Debug, PartialEq)]
pub struct Folder {
    pub path: PathBuf,
    pub mode: u32,
    pub owner: (u32, u32),
}

impl Folder {
    /// `PATH[:MODE[:UID:GID]]` as containerd's mount manager has it: octal mode, 700 and root's unless told.
    fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let path = PathBuf::from(parts.next().unwrap_or(""));
        let about = || format!("option {MKDIR}{text}");
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(Status::invalid(format!("{}: the path is not absolute", about())));
        }
        let mode = parts.next().map_or(Ok(0o700), |mode| u32::from_str_radix(mode, 8)).context(about)?;
        let mut id = || parts.next().map_or(Ok(0), str::parse).context(about);
        let owner = (id()?, id()?);
        Ok(Self { path, mode: mode & 0o7777, owner })
    }
}

/// Parsed options.
#[derive(Debug, PartialEq)]
pub struct MountOptions {
    /// Flags of the mount call.
    pub flags: MsFlags,
    /// The rest, joined by commas.
    pub data: String,
    /// `fsgid=`: the group that owns the volume.
    pub group: Option<u32>,
    /// `mode=`, octal; also part of `data`.
    pub mode: Option<u32>,
    /// `X-containerd.mkdir.path=`: folders to be made before the mount, unless they are there.
    pub folders: Vec<Folder>,
    /// An overlay whose writable layer the agent provides.
    pub overlay_rw: bool,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            flags: MsFlags::empty(),
            data: String::new(),
            group: None,
            mode: None,
            folders: Vec::new(),
            overlay_rw: false,
        }
    }
}

impl MountOptions {
    /// Parses a list; an item may hold several options with commas between them.
    pub fn parse(list: &[String]) -> Result<Self> {
        let mut parsed = Self::default();
        let mut data = Vec::new();
        for option in list.iter().flat_map(|item| item.split(',')).filter(|o| !o.is_empty()) {
            if let Some((set, flag)) = flag(option) {
                parsed.flags.set(flag, set);
            } else if let Some(gid) = option.strip_prefix("fsgid=") {
                parsed.group = Some(gid.parse().context(|| format!("option {option}"))?);
            } else if let Some(name) = option.strip_prefix(AGENT_PREFIX) {
                parsed.overlay_rw |= name == "fs-opt.overlay-rw";
            } else if let Some(folder) = option.strip_prefix(MKDIR) {
                parsed.folders.push(Folder::parse(folder)?);
            } else {
                if let Some(mode) = option.strip_prefix("mode=") {
                    parsed.mode = Some(u32::from_str_radix(mode, 8).context(|| format!("option {option}"))?);
                }
                data.push(option);
            }
        }
        parsed.data = data.join(",");
        Ok(parsed)
    }

    /// The value of `key=value` in the data.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.data.split(',').filter_map(|o| o.split_once('=')).find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

/// Whether an option sets or clears a flag, and which one.
fn flag(option: &str) -> Option<(bool, MsFlags)> {
    Some(match option {
        "ro" => (true, MsFlags::MS_RDONLY),
        "rw" => (false, MsFlags::MS_RDONLY),
        "nosuid" => (true, MsFlags::MS_NOSUID),
        "suid" => (false, MsFlags::MS_NOSUID),
        "nodev" => (true, MsFlags::MS_NODEV),
        "dev" => (false, MsFlags::MS_NODEV),
        "noexec" => (true, MsFlags::MS_NOEXEC),
        "exec" => (false, MsFlags::MS_NOEXEC),
        "sync" => (true, MsFlags::MS_SYNCHRONOUS),
        "async" => (false, MsFlags::MS_SYNCHRONOUS),
        "dirsync" => (true, MsFlags::MS_DIRSYNC),
        "noatime" => (true, MsFlags::MS_NOATIME),
        "atime" => (false, MsFlags::MS_NOATIME),
        "nodiratime" => (true, MsFlags::MS_NODIRATIME),
        "diratime" => (false, MsFlags::MS_NODIRATIME),
        "relatime" => (true, MsFlags::MS_RELATIME),
        "norelatime" => (false, MsFlags::MS_RELATIME),
        "strictatime" => (true, MsFlags::MS_STRICTATIME),
        "bind" => (true, MsFlags::MS_BIND),
        "rbind" => (true, MsFlags::MS_BIND.union(MsFlags::MS_REC)),
        "defaults" => (true, MsFlags::empty()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_data_and_words_for_the_agent_are_told_apart() {
        let list =
            ["nosuid,nodev", "ro", "rw", "size=64m", "mode=1777", "fsgid=12", "io.katacontainers.fs-opt.overlay-rw"];
        let parsed = MountOptions::parse(&list.map(String::from)).unwrap();
        assert_eq!(parsed.flags, MsFlags::MS_NOSUID | MsFlags::MS_NODEV);
        assert_eq!(parsed.data, "size=64m,mode=1777");
        assert_eq!((parsed.group, parsed.mode, parsed.overlay_rw), (Some(12), Some(0o1777), true));
        assert_eq!(parsed.value("size"), Some("64m"));
        assert!(MountOptions::parse(&["mode=9".into()]).is_err());
    }

    #[test]
    fn folders_to_be_made_are_no_options_of_the_file_system() {
        let parse = |text: &str| MountOptions::parse(&[format!("index=off,{MKDIR}{text}")]);
        let parsed = parse("/a/b:1755:5:6").unwrap();
        let folder = |mode, owner| Folder { path: "/a/b".into(), mode, owner };
        assert_eq!((parsed.data.as_str(), parsed.folders), ("index=off", vec![folder(0o1755, (5, 6))]));
        assert_eq!(parse("/a/b").unwrap().folders, [folder(0o700, (0, 0))]);
        for bad in ["", "a/b", "/a/../b", "/a:9", "/a:755:x:0"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
