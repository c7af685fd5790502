//! Who may change a file, and so how long a guest may cache what it was told about it. The kind is the two highest bits
//! of the inode number by which a guest names a file.
//!
//! The share's root has the folder `volumes`, below which are files that others change too. Every other folder there is
//! a frame, which the host fills while the VM runs (`<container>/rootfs`, `private/<n>`); what is mounted in a frame is
//! the VM's own.

use std::ffi::CStr;
use std::time::Duration;

use virtiofsd::filesystem::OpenOptions;
use virtiofsd::fuse::ROOT_ID;

/// The kind of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The host creates entries in it at any time, and tells the guest by other means.
    Frame = 0,
    /// Nobody else changes it, except an operator who copies files into a container.
    Own = 1,
    /// Anybody may change it: what containers bind-mount from the host.
    Shared = 2,
}

/// Folder of the files that are shared with others (src/sandbox/volumes/share.ts).
const VOLUMES: &CStr = c"volumes";

const SHIFT: u32 = 62;

/// How long the guest may cache what others may change, as docs/mounts.md promises.
const SHARED: Duration = Duration::from_secs(1);
/// How long it may cache what is its own: an operator's change from outside (`docker cp`) is visible after that.
const OWN: Duration = Duration::from_secs(5);

impl Kind {
    /// Splits a guest's inode number into the kind and the library's number.
    pub fn split(number: u64) -> (Self, u64) {
        let kind = match number >> SHIFT {
            0 => Self::Frame,
            1 => Self::Own,
            _ => Self::Shared,
        };
        (kind, number & !(3 << SHIFT))
    }

    /// The inode number for the guest of a file of this kind.
    pub fn mark(self, number: u64) -> u64 {
        number | (self as u64) << SHIFT
    }

    /// The kind of an entry in a folder of this kind, which has that number in the library.
    pub fn below(self, parent: u64, name: &CStr) -> Self {
        match self {
            Self::Frame if parent != ROOT_ID => Self::Own,
            Self::Frame if name == VOLUMES => Self::Shared,
            other => other,
        }
    }

    /// How long the guest may cache the attributes of such a file, and the names in such a folder, missing ones
    /// included.
    pub fn validity(self) -> Duration {
        if self == Self::Own { OWN } else { SHARED }
    }

    /// Whether the guest may cache that a name does not exist in such a folder.
    pub fn remembers_absence(self) -> bool {
        self == Self::Own
    }

    /// Caching of an open file. Pages are kept, so that an exec does not read its program again; the guest drops them
    /// when the size or modification time changes.
    pub fn file_options(self) -> OpenOptions {
        OpenOptions::KEEP_CACHE
    }

    /// Caching of an open folder: the guest keeps the listing of its own.
    pub fn folder_options(self) -> OpenOptions {
        if self == Self::Own { OpenOptions::KEEP_CACHE | OpenOptions::CACHE_DIR } else { OpenOptions::empty() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_part_of_the_number() {
        for kind in [Kind::Frame, Kind::Own, Kind::Shared] {
            assert_eq!(Kind::split(kind.mark(12_345)), (kind, 12_345));
        }
        assert_eq!(Kind::split(ROOT_ID), (Kind::Frame, ROOT_ID));
        // Invented by a guest; not a number of the library either.
        assert_eq!(Kind::split(u64::MAX), (Kind::Shared, u64::MAX >> 2));
    }

    #[test]
    fn the_place_in_the_share_decides() {
        let way = |names: &[&CStr]| {
            names.iter().enumerate().fold(Kind::Frame, |kind, (depth, name)| {
                kind.below(if depth == 0 { ROOT_ID } else { ROOT_ID + 1 }, name)
            })
        };
        assert_eq!(way(&[c"pod"]), Kind::Frame);
        assert_eq!(way(&[c"pod", c"rootfs"]), Kind::Own);
        assert_eq!(way(&[c"pod", c"rootfs", c"volumes"]), Kind::Own);
        assert_eq!(way(&[c"private"]), Kind::Frame);
        assert_eq!(way(&[c"private", c"1", c"data"]), Kind::Own);
        assert_eq!(way(&[c"volumes"]), Kind::Shared);
        assert_eq!(way(&[c"volumes", c"1", c"data"]), Kind::Shared);
    }
}
