//! PCI paths: the slots from the root bus through bridges to a device, such as `02/01`.

use std::path::{Path, PathBuf};

use super::names_in;
use crate::ttrpc::{Result, Status};

const ROOT_BUS: &str = "/sys/devices/pci0000:00";

/// A parsed path.
#[derive(Debug, PartialEq, Eq)]
pub struct PciPath(Vec<(u8, u8)>);

impl PciPath {
    /// Parses slots (`1f`) with optional functions (`1f.3`), both hexadecimal.
    pub fn parse(text: &str) -> Result<Self> {
        let slot = |part: &str| {
            let (slot, function) = part.split_once('.').unwrap_or((part, "0"));
            let slot = u8::from_str_radix(slot, 16).ok().filter(|n| *n < 32)?;
            let function = u8::from_str_radix(function, 16).ok().filter(|n| *n < 8)?;
            Some((slot, function))
        };
        let slots: Option<Vec<_>> = text.split('/').map(slot).collect();
        slots.map(Self).ok_or_else(|| Status::invalid(format!("{text:?} is no PCI path")))
    }

    /// The device's folder in sysfs, if it is there. Below a bridge there is only that bridge's bus, so the slot is
    /// all that has to match.
    pub fn resolve(&self) -> Option<PathBuf> {
        self.resolve_below(Path::new(ROOT_BUS))
    }

    fn resolve_below(&self, root: &Path) -> Option<PathBuf> {
        self.0.iter().try_fold(root.to_owned(), |dir, (slot, function)| {
            let ending = format!(":{slot:02x}.{function:x}");
            let is_device = |name: &String| name.len() == "0000:00:00.0".len() && name.ends_with(&ending);
            names_in(&dir).into_iter().find(is_device).map(|name| dir.join(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_followed_through_bridges() {
        let root = std::env::temp_dir().join(format!("bulkhead-pci-{}", std::process::id()));
        let device = root.join("0000:00:02.0/0000:01:0a.1");
        std::fs::create_dir_all(&device).unwrap();
        std::fs::create_dir_all(root.join("0000:00:02.0/power")).unwrap();
        assert_eq!(PciPath::parse("02/0a.1").unwrap().resolve_below(&root), Some(device));
        assert_eq!(PciPath::parse("02/0b").unwrap().resolve_below(&root), None);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "/", "02/", "xx", "20", "1.8", "../.."] {
            assert!(PciPath::parse(bad).is_err(), "{bad}");
        }
    }
}
