//! Mounts that are not binds: a snapshotter's overlays, block devices and image files.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::failure::{Context, Failure};
use crate::loop_device;
use crate::options::Options;
use crate::request::FileSystem;
use crate::root::{Kind, Root};
use crate::staging::Stage;
use crate::tree::{Tree, map_owners, users_of};
use bulkhead_kernel as kernel;

/// mount(2) takes one page, including the terminating zero.
const MAX_DATA_BYTES: usize = 4095;

/// Mounts a file system on a target.
pub fn mount(root: &Root, wanted: &FileSystem) -> Result<(), Failure> {
    let options = Options::parse(&wanted.options);
    let target = root.make(&wanted.target, Kind::Folder)?;
    let Some(users) = users_of(wanted.id_map.as_ref())? else {
        let data = options.data.join(",");
        return mount_on(wanted, &options, &data, &kernel::descriptor_path(&target));
    };
    let tree = Stage::enter(&root.path)?.with(|stage| {
        if wanted.lower.is_empty() {
            let place = stage.place("whole")?;
            mount_on(wanted, &options, &options.data.join(","), &place)?;
            let tree = copy(&place)?;
            map_owners(&tree, &users)?;
            return Ok(tree);
        }
        let mut lower = Vec::new();
        for (number, folder) in wanted.lower.iter().enumerate() {
            let tree = copy(folder)?;
            map_owners(&tree, &users)?;
            stage.attach(&tree, &number.to_string())?;
            lower.push(number.to_string());
        }
        let place = stage.place("whole")?;
        // Relative to the stage, the working directory, so that the options stay short however many there are.
        let data = [&options.data[..], &[format!("lowerdir={}", lower.join(":"))]].concat().join(",");
        mount_on(wanted, &options, &data, &place)?;
        copy(&place)
    })?;
    attach(&tree, &target)
}

fn attach(tree: &Tree, target: &OwnedFd) -> Result<(), Failure> {
    tree.attach(target).context(|| "cannot attach the mount".to_owned())
}

fn copy(path: &Path) -> Result<Tree, Failure> {
    Tree::copy(path, false).context(|| format!("cannot copy the mount of {}", path.display()))
}

fn mount_on(wanted: &FileSystem, options: &Options, data: &str, target: &Path) -> Result<(), Failure> {
    if data.len() > MAX_DATA_BYTES {
        return Err(Failure(format!("its options do not fit into {MAX_DATA_BYTES} bytes")));
    }
    let device = loop_device::for_source(wanted, options)?;
    let source = device.as_ref().map_or(&*wanted.source, |device| &*device.path);
    if let Some(folder) = &wanted.folder {
        std::env::set_current_dir(folder).context(|| format!("cannot enter {}", folder.display()))?;
    }
    let result = kernel::mount(source, target, &wanted.kind, options.mount_flags(), data);
    if wanted.folder.is_some() {
        std::env::set_current_dir("/").context(|| "cannot leave a folder".to_owned())?;
    }
    result.map_err(|error| Failure(explain(&error, wanted, source)))
}

/// The wording of mount(8), which people search for.
fn explain(error: &io::Error, wanted: &FileSystem, source: &Path) -> String {
    let source = source.display();
    match error.raw_os_error() {
        Some(libc::ENOENT) if wanted.source.is_absolute() && !wanted.source.exists() => {
            format!("special device {source} does not exist")
        }
        Some(libc::ENOENT) => format!("a folder that its options name does not exist ({})", wanted.options.join(",")),
        Some(libc::ENODEV) => format!("unknown filesystem type '{}'", wanted.kind),
        Some(libc::ENOTBLK) => format!("{source} is not a block device"),
        Some(libc::EBUSY) => format!("{source} is already mounted, or in use ({error})"),
        Some(libc::EINVAL) => {
            format!("wrong fs type, bad option or bad superblock on {source}; the kernel's log may say more")
        }
        _ => error.to_string(),
    }
}
