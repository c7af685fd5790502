//! Mount options: separates the kernel's flags from the file system's own options.

use libc::c_ulong;

use bulkhead_kernel::MountAttributes;

pub const READ_ONLY: u64 = 0x01;
/// nosuid, nodev, noexec: the files daemon neither executes nor opens devices in what it exports. In the guest its own
/// mount flags apply.
pub const INERT: u64 = 0x02 | 0x04 | 0x08;
const NO_ATIME: u64 = 0x10;
const STRICT_ATIME: u64 = 0x20;
const ATIME: u64 = 0x70;
const NO_DIR_ATIME: u64 = 0x80;
const NO_SYMLINK_FOLLOW: u64 = 0x0020_0000;

const MS_NOSYMFOLLOW: c_ulong = 256;
const MS_INERT: c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// An option, the flags that it sets and those that it clears.
const FLAGS: [(&str, c_ulong, c_ulong); 20] = [
    ("ro", libc::MS_RDONLY, 0),
    ("rro", libc::MS_RDONLY, 0),
    ("rw", 0, libc::MS_RDONLY),
    ("sync", libc::MS_SYNCHRONOUS, 0),
    ("async", 0, libc::MS_SYNCHRONOUS),
    ("dirsync", libc::MS_DIRSYNC, 0),
    ("noatime", libc::MS_NOATIME, 0),
    ("atime", 0, libc::MS_NOATIME),
    ("nodiratime", libc::MS_NODIRATIME, 0),
    ("diratime", 0, libc::MS_NODIRATIME),
    ("relatime", libc::MS_RELATIME, 0),
    ("norelatime", 0, libc::MS_RELATIME),
    ("strictatime", libc::MS_STRICTATIME, 0),
    ("nostrictatime", 0, libc::MS_STRICTATIME),
    ("lazytime", libc::MS_LAZYTIME, 0),
    ("nolazytime", 0, libc::MS_LAZYTIME),
    ("silent", libc::MS_SILENT, 0),
    ("loud", 0, libc::MS_SILENT),
    ("nosymfollow", MS_NOSYMFOLLOW, 0),
    ("symfollow", 0, MS_NOSYMFOLLOW),
];

/// Options not passed to the file system: they are for mount(8) or another call, or overridden by what always applies.
const SILENT: [&str; 27] = [
    "defaults",
    "bind",
    "rbind",
    "loop",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "exec",
    "noexec",
    "private",
    "rprivate",
    "slave",
    "rslave",
    "shared",
    "rshared",
    "unbindable",
    "runbindable",
    "auto",
    "noauto",
    "nofail",
    "_netdev",
    "user",
    "nouser",
    "owner",
    "mand",
    "nomand",
];

/// Parsed options.
pub struct Options {
    flags: c_ulong,
    /// Includes the mounts below.
    pub is_recursive: bool,
    /// Read-only, including the mounts below.
    pub is_all_read_only: bool,
    /// The source is a file with a file system in it.
    pub wants_loop: bool,
    /// The file system's own options.
    pub data: Vec<String>,
}

impl Options {
    pub fn parse(words: &[String]) -> Self {
        let mut options =
            Self { flags: 0, is_recursive: false, is_all_read_only: false, wants_loop: false, data: Vec::new() };
        for word in words {
            match word.as_str() {
                "rbind" => options.is_recursive = true,
                "rro" => options.is_all_read_only = true,
                "rw" => options.is_all_read_only = false,
                "loop" => options.wants_loop = true,
                _ => {}
            }
            if let Some((_, set, clear)) = FLAGS.iter().find(|(flag, ..)| flag == word) {
                options.flags = (options.flags & !clear) | set;
            } else if !word.is_empty() && !SILENT.contains(&word.as_str()) && !is_comment(word) {
                options.data.push(word.clone());
            }
        }
        options
    }

    pub fn is_read_only(&self) -> bool {
        self.flags & libc::MS_RDONLY != 0
    }

    /// The flags for mount(2).
    pub fn mount_flags(&self) -> c_ulong {
        self.flags | MS_INERT
    }

    /// For the top of a bind only; mounts below get just `all`.
    pub fn top(&self) -> MountAttributes {
        let mut attributes = MountAttributes::default();
        let pairs = [
            (libc::MS_RDONLY, READ_ONLY),
            (libc::MS_NODIRATIME, NO_DIR_ATIME),
            (MS_NOSYMFOLLOW, NO_SYMLINK_FOLLOW),
            (libc::MS_NOATIME, NO_ATIME),
            (libc::MS_STRICTATIME, STRICT_ATIME),
        ];
        for (flag, attribute) in pairs {
            if self.flags & flag != 0 {
                attributes.set |= attribute;
            }
        }
        if attributes.set & ATIME != 0 {
            attributes.clear |= ATIME;
        }
        attributes
    }

    /// For a bind and everything below.
    pub fn all(&self) -> MountAttributes {
        let set = INERT | if self.is_all_read_only { READ_ONLY } else { 0 };
        MountAttributes { set, propagation: libc::MS_SLAVE, ..MountAttributes::default() }
    }
}

fn is_comment(word: &str) -> bool {
    ["x-", "X-", "comment="].iter().any(|start| word.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Options {
        Options::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_separated_from_the_file_systems_options() {
        let options = parse("rw,noatime,size=1m,suid,x-mine=1,ro,index=off,defaults");
        assert_eq!(options.mount_flags(), libc::MS_RDONLY | libc::MS_NOATIME | MS_INERT);
        assert_eq!(options.data, ["size=1m", "index=off"]);
        assert!(!parse("ro,rw").is_read_only());
    }

    #[test]
    fn a_bind_is_inert_whatever_it_asks_for() {
        let options = parse("rbind,exec,suid,dev");
        assert_eq!((options.all().set, options.all().propagation), (INERT, libc::MS_SLAVE));
        assert!(options.is_recursive);
        assert_eq!(options.top().set, 0);
    }

    #[test]
    fn read_only_at_the_top_or_all_of_it() {
        let (top, all, none) = (parse("rbind,ro"), parse("rbind,ro,rro"), parse("rbind,rro,rw"));
        assert_eq!((top.top().set, top.all().set), (READ_ONLY, INERT));
        assert_eq!((all.top().set, all.all().set), (READ_ONLY, INERT | READ_ONLY));
        assert_eq!((none.top().set, none.all().set), (0, INERT));
    }

    #[test]
    fn access_time_flags_exclude_each_other() {
        let attributes = parse("bind,noatime").top();
        assert_eq!((attributes.set, attributes.clear), (NO_ATIME, ATIME));
    }
}
