//! Whose a file is, and so how long a guest may believe what it has been told about it. The kind is part of the number by
//! which a guest names a file: its two highest bits.
//!
//! The share's root has the folder `volumes`, below which lies what others change too; every other folder there is a frame,
//! which the host fills while the VM runs (`<container>/rootfs`, `private/<n>`); what is mounted in a frame is the VM's own.

use std::ffi::CStr;
use std::time::Duration;

use virtiofsd::filesystem::OpenOptions;
use virtiofsd::fuse::ROOT_ID;

/// The kind of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The host makes entries in it at any time, and tells the guest by other means.
    Frame = 0,
    /// Nobody else changes it, but for an operator who copies files into a container.
    Own = 1,
    /// Anybody may change it: what containers bind from the host.
    Shared = 2,
}

/// Folder of what is shared with others (src/sandbox/volumes/share.ts).
const VOLUMES: &CStr = c"volumes";

const SHIFT: u32 = 62;

/// How long the guest trusts what others may change, as docs/mounts.md promises.
const SHARED: Duration = Duration::from_secs(1);
/// How long it trusts what is its own: an operator's change from outside (`docker cp`) is seen after that.
const OWN: Duration = Duration::from_secs(5);

impl Kind {
    /// The kind and the number of the library.
    pub fn split(number: u64) -> (Self, u64) {
        let kind = match number >> SHIFT {
            0 => Self::Frame,
            1 => Self::Own,
            _ => Self::Shared,
        };
        (kind, number & !(3 << SHIFT))
    }

    /// The number by which the guest names a file of this kind.
    pub fn mark(self, number: u64) -> u64 {
        number | (self as u64) << SHIFT
    }

    /// The kind of an entry of a folder of this kind, which has that number (of the library).
    pub fn below(self, parent: u64, name: &CStr) -> Self {
        match self {
            Self::Frame if parent != ROOT_ID => Self::Own,
            Self::Frame if name == VOLUMES => Self::Shared,
            other => other,
        }
    }

    /// How long attributes of such a file hold, and names in such a folder, also those of what is not there.
    pub fn validity(self) -> Duration {
        if self == Self::Own { OWN } else { SHARED }
    }

    /// Whether the guest may remember that a name is not in such a folder.
    pub fn remembers_absence(self) -> bool {
        self == Self::Own
    }

    /// What the guest may do with a file that it has opened. Pages are kept, so that an exec does not read its program again;
    /// the guest drops them when it learns of another size or time of modification.
    pub fn file_options(self) -> OpenOptions {
        OpenOptions::KEEP_CACHE
    }

    /// What it may do with a folder: of its own it keeps the list.
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
        // Made up by a guest: no number of the library either.
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
