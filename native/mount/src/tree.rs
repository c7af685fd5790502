//! A detached mount. It gets all its attributes before it is attached, so it has them wherever it propagates to. If
//! this process is killed, the mount is gone.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use crate::failure::{Context, Failure};
use crate::mapping::{self, Mapping};
use crate::options::{INERT, Options};
use crate::request::{Bind, IdMap};
use crate::root::{Kind, Root};
use bulkhead_kernel::{self as kernel, MountAttributes};

const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

pub struct Tree(OwnedFd);

impl Tree {
    /// A copy of the mount at a path.
    pub fn copy(source: &Path, is_recursive: bool) -> io::Result<Self> {
        kernel::clone_path(source, is_recursive).map(Self)
    }

    /// The kind of target that it needs: a file can only be mounted on a file.
    pub fn kind(&self) -> io::Result<Kind> {
        let status = kernel::status(self.0.as_fd())?;
        Ok(if status.is_folder() { Kind::Folder } else { Kind::File })
    }

    /// Makes it id-mapped; only at the top, like runc without `ridmap`.
    pub fn map_owners(&self, users: &File) -> io::Result<()> {
        let attributes =
            MountAttributes { set: MOUNT_ATTR_IDMAP, user_namespace: users.as_raw_fd() as u64, ..Default::default() };
        kernel::set_attributes(self.0.as_fd(), &attributes, false)
    }

    pub fn attach(&self, target: &OwnedFd) -> io::Result<()> {
        kernel::attach(self.0.as_fd(), target.as_fd())
    }
}

/// A user namespace with the mapping, if there is one.
pub fn users_of(map: Option<&IdMap>) -> Result<Option<File>, Failure> {
    let Some(IdMap { uids, gids }) = map else { return Ok(None) };
    Mapping::parse(uids)
        .and_then(|uids| mapping::user_namespace(&uids, &Mapping::parse(gids)?))
        .context(|| "cannot make a user namespace with the mapping".to_owned())
        .map(Some)
}

/// Makes a mount id-mapped, with an explanation of the usual failure.
pub fn map_owners(tree: &Tree, users: &File) -> Result<(), Failure> {
    tree.map_owners(users).map_err(|error| match error.raw_os_error() {
        Some(libc::EINVAL) => Failure::new("its file system, or this kernel, does not support id-mapped mounts"),
        _ => Failure(format!("cannot map its owners: {error}")),
    })
}

/// Bind-mounts a path of the host on a target.
///
/// It receives what the host mounts at the source later, but not vice versa: unmounting it unmounts nothing at the
/// source.
pub fn bind(root: &Root, bind: &Bind) -> Result<(), Failure> {
    let options = Options::parse(&bind.options);
    let tree = Tree::copy(&bind.source, options.is_recursive).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new("the source does not exist"),
        _ => Failure(format!("cannot copy the mount of the source: {error}")),
    })?;
    let set = |attributes: &MountAttributes, is_recursive| {
        kernel::set_attributes(tree.0.as_fd(), attributes, is_recursive)
            .context(|| "cannot set the attributes of the mount".to_owned())
    };
    set(&options.all(), true)?;
    let top = options.top();
    if top.set != 0 {
        set(&top, false)?;
    }
    if let Some(users) = users_of(bind.id_map.as_ref())? {
        map_owners(&tree, &users)?;
    }
    let kind = tree.kind().context(|| "cannot stat the source".to_owned())?;
    let target = root.make(&bind.target, kind)?;
    tree.attach(&target).context(|| "cannot attach the mount".to_owned())
}

/// Turns the root into a shared mount: mounts in it propagate to the daemon's namespace, and go away with the root.
pub fn share(root: &Root) -> Result<(), Failure> {
    let attributes = |propagation| MountAttributes { set: INERT, propagation, ..Default::default() };
    let made = || {
        let tree = Tree(kernel::clone_descriptor(root.fd.as_fd())?);
        kernel::set_attributes(tree.0.as_fd(), &attributes(libc::MS_PRIVATE), false)?;
        tree.attach(&root.fd)?;
        // It has become a peer of its copies wherever the mount below propagates to; nothing may propagate to those.
        kernel::set_attributes(tree.0.as_fd(), &attributes(libc::MS_PRIVATE), false)?;
        kernel::set_attributes(tree.0.as_fd(), &attributes(libc::MS_SHARED), false)
    };
    made().context(|| format!("cannot make {} a shared mount", root.path.display()))
}
