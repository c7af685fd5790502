//! The library's file system with three changes: inode numbers carry the file's kind, which decides what the guest may
//! cache; a name must be a single path component; and what the guest holds is counted.

use std::ffi::CStr;
use std::io;
use std::time::Duration;

use virtiofsd::filesystem::{
    Context, Entry, Extensions, FileSystem, FsOptions, GetxattrReply, ListxattrReply, OpenOptions,
    SerializableFileSystem, SetattrValid, SetxattrFlags, ZeroCopyReader, ZeroCopyWriter,
};
use virtiofsd::fuse::{Attr, SetattrIn};
use virtiofsd::passthrough::PassthroughFs;

use crate::bounds::Bounds;
use crate::kind::Kind;
use crate::names::check;

type Inode = u64;
type Handle = u64;

/// The file system that the guest gets.
pub struct Files {
    inner: PassthroughFs,
    bounds: Bounds,
}

impl Files {
    /// Wraps the library's, within bounds.
    pub fn new(inner: PassthroughFs, bounds: Bounds) -> Self {
        Self { inner, bounds }
    }

    /// Marks an entry that the library has found or created in a folder (of that kind and number).
    fn entry(&self, (kind, parent): (Kind, Inode), name: &CStr, found: Entry) -> Entry {
        self.bounds.learned(found.inode);
        let own = kind.below(parent, name);
        Entry { inode: own.mark(found.inode), attr_timeout: own.validity(), entry_timeout: kind.validity(), ..found }
    }

    fn opened(&self, handle: Option<Handle>) -> Option<Handle> {
        if handle.is_some() {
            self.bounds.opened();
        }
        handle
    }
}

/// The library's inode number.
fn raw(inode: Inode) -> Inode {
    Kind::split(inode).1
}

/// The library caches this thread's capabilities, and read them while it was another user with fewer of them. With
/// those it would fail to drop CAP_FSETID where setuid and setgid bits must be cleared.
fn reread_capabilities<T>(made: T) -> T {
    // Cannot fail for the thread itself; at worst the cache stays stale.
    let _ = capng::get_caps_process();
    made
}

fn absent(validity: Duration) -> Entry {
    // SAFETY: plain numbers.
    let attr = unsafe { std::mem::zeroed() };
    Entry { inode: 0, generation: 0, attr, attr_timeout: Duration::ZERO, entry_timeout: validity }
}

/// Whether an extended attribute is an ACL.
fn is_acl(name: &CStr) -> bool {
    name.to_bytes().starts_with(b"system.posix_acl_")
}

/// Methods that only need the inode number translated.
macro_rules! by_number {
    { $( fn $name:ident( $($arg:ident: $type:ty),* ) -> $result:ty; )* } => {
        $(
            fn $name(&self, ctx: Context, inode: Inode $(, $arg: $type)*) -> io::Result<$result> {
                self.inner.$name(ctx, raw(inode) $(, $arg)*)
            }
        )*
    };
}

impl FileSystem for Files {
    type Inode = Inode;
    type Handle = Handle;
    type DirIter = <PassthroughFs as FileSystem>::DirIter;

    /// The guest's kernel has already checked permissions (virtio-fs always does), with all groups and capabilities
    /// of the process. Without this extension, with which the guest passes just one of the groups, the library keeps
    /// CAP_DAC_OVERRIDE while it creates a file as another user.
    fn init(&self, capable: FsOptions) -> io::Result<FsOptions> {
        self.bounds.clear();
        self.inner.init(capable - FsOptions::CREATE_SUPP_GROUP)
    }

    fn destroy(&self) {
        self.inner.destroy();
        self.bounds.clear();
    }

    fn lookup(&self, ctx: Context, parent: Inode, name: &CStr) -> io::Result<Entry> {
        let folder = Kind::split(parent);
        match self.inner.lookup(ctx, folder.1, check(name)?) {
            Ok(found) => Ok(self.entry(folder, name, found)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) && folder.0.remembers_absence() => {
                Ok(absent(folder.0.validity()))
            }
            Err(error) => Err(error),
        }
    }

    fn forget(&self, ctx: Context, inode: Inode, count: u64) {
        self.inner.forget(ctx, raw(inode), count);
        self.bounds.forgotten(raw(inode), count);
    }

    fn batch_forget(&self, ctx: Context, requests: Vec<(Inode, u64)>) {
        let raw: Vec<_> = requests.into_iter().map(|(inode, count)| (raw(inode), count)).collect();
        self.inner.batch_forget(ctx, raw.clone());
        for (inode, count) in raw {
            self.bounds.forgotten(inode, count);
        }
    }

    fn getattr(&self, ctx: Context, inode: Inode, handle: Option<Handle>) -> io::Result<(Attr, Duration)> {
        let (kind, raw) = Kind::split(inode);
        let (attr, _) = self.inner.getattr(ctx, raw, handle)?;
        Ok((attr, kind.validity()))
    }

    fn setattr(
        &self,
        ctx: Context,
        inode: Inode,
        attr: SetattrIn,
        handle: Option<Handle>,
        valid: SetattrValid,
    ) -> io::Result<(Attr, Duration)> {
        let (kind, raw) = Kind::split(inode);
        let (attr, _) = self.inner.setattr(ctx, raw, attr, handle, valid)?;
        Ok((attr, kind.validity()))
    }

    fn symlink(
        &self,
        ctx: Context,
        target: &CStr,
        parent: Inode,
        name: &CStr,
        extensions: Extensions,
    ) -> io::Result<Entry> {
        let folder = Kind::split(parent);
        let made = reread_capabilities(self.inner.symlink(ctx, target, folder.1, check(name)?, extensions))?;
        Ok(self.entry(folder, name, made))
    }

    fn mknod(
        &self,
        ctx: Context,
        parent: Inode,
        name: &CStr,
        mode: u32,
        rdev: u32,
        umask: u32,
        extensions: Extensions,
    ) -> io::Result<Entry> {
        let folder = Kind::split(parent);
        let made = reread_capabilities(self.inner.mknod(ctx, folder.1, check(name)?, mode, rdev, umask, extensions))?;
        Ok(self.entry(folder, name, made))
    }

    fn mkdir(
        &self,
        ctx: Context,
        parent: Inode,
        name: &CStr,
        mode: u32,
        umask: u32,
        extensions: Extensions,
    ) -> io::Result<Entry> {
        let folder = Kind::split(parent);
        let made = reread_capabilities(self.inner.mkdir(ctx, folder.1, check(name)?, mode, umask, extensions))?;
        Ok(self.entry(folder, name, made))
    }

    fn link(&self, ctx: Context, inode: Inode, parent: Inode, name: &CStr) -> io::Result<Entry> {
        let folder = Kind::split(parent);
        let made = self.inner.link(ctx, raw(inode), folder.1, check(name)?)?;
        Ok(self.entry(folder, name, made))
    }

    fn create(
        &self,
        ctx: Context,
        parent: Inode,
        name: &CStr,
        mode: u32,
        kill_priv: bool,
        flags: u32,
        umask: u32,
        extensions: Extensions,
    ) -> io::Result<(Entry, Option<Handle>, OpenOptions)> {
        let folder = Kind::split(parent);
        let (made, handle, options) = reread_capabilities(self.inner.create(
            ctx,
            folder.1,
            check(name)?,
            mode,
            kill_priv,
            flags,
            umask,
            extensions,
        ))?;
        Ok((self.entry(folder, name, made), self.opened(handle), options | folder.0.file_options()))
    }

    fn unlink(&self, ctx: Context, parent: Inode, name: &CStr) -> io::Result<()> {
        self.inner.unlink(ctx, raw(parent), check(name)?)
    }

    fn rmdir(&self, ctx: Context, parent: Inode, name: &CStr) -> io::Result<()> {
        self.inner.rmdir(ctx, raw(parent), check(name)?)
    }

    fn rename(&self, ctx: Context, from: Inode, name: &CStr, to: Inode, new_name: &CStr, flags: u32) -> io::Result<()> {
        self.inner.rename(ctx, raw(from), check(name)?, raw(to), check(new_name)?, flags)
    }

    fn open(
        &self,
        ctx: Context,
        inode: Inode,
        kill_priv: bool,
        flags: u32,
    ) -> io::Result<(Option<Handle>, OpenOptions)> {
        let (kind, raw) = Kind::split(inode);
        let (handle, options) = self.inner.open(ctx, raw, kill_priv, flags)?;
        Ok((self.opened(handle), options | kind.file_options()))
    }

    fn opendir(&self, ctx: Context, inode: Inode, flags: u32) -> io::Result<(Option<Handle>, OpenOptions)> {
        let (kind, raw) = Kind::split(inode);
        let (handle, options) = self.inner.opendir(ctx, raw, flags)?;
        Ok((self.opened(handle), options | kind.folder_options()))
    }

    fn release(
        &self,
        ctx: Context,
        inode: Inode,
        flags: u32,
        handle: Handle,
        flush: bool,
        flock_release: bool,
        lock_owner: Option<u64>,
    ) -> io::Result<()> {
        self.inner.release(ctx, raw(inode), flags, handle, flush, flock_release, lock_owner)?;
        self.bounds.closed();
        Ok(())
    }

    fn releasedir(&self, ctx: Context, inode: Inode, flags: u32, handle: Handle) -> io::Result<()> {
        self.inner.releasedir(ctx, raw(inode), flags, handle)?;
        self.bounds.closed();
        Ok(())
    }

    fn read<W: ZeroCopyWriter>(
        &self,
        ctx: Context,
        inode: Inode,
        handle: Handle,
        to: W,
        size: u32,
        offset: u64,
        lock_owner: Option<u64>,
        flags: u32,
    ) -> io::Result<usize> {
        self.inner.read(ctx, raw(inode), handle, to, size, offset, lock_owner, flags)
    }

    fn write<R: ZeroCopyReader>(
        &self,
        ctx: Context,
        inode: Inode,
        handle: Handle,
        from: R,
        size: u32,
        offset: u64,
        lock_owner: Option<u64>,
        delayed_write: bool,
        kill_priv: bool,
        flags: u32,
    ) -> io::Result<usize> {
        self.inner.write(ctx, raw(inode), handle, from, size, offset, lock_owner, delayed_write, kill_priv, flags)
    }

    fn copyfilerange(
        &self,
        ctx: Context,
        from: Inode,
        from_handle: Handle,
        from_offset: u64,
        to: Inode,
        to_handle: Handle,
        to_offset: u64,
        length: u64,
        flags: u64,
    ) -> io::Result<usize> {
        let (from, to) = (raw(from), raw(to));
        self.inner.copyfilerange(ctx, from, from_handle, from_offset, to, to_handle, to_offset, length, flags)
    }

    /// Where the host's file system does not support ACLs, a file simply has none; the guest queries them on every
    /// access.
    fn getxattr(&self, ctx: Context, inode: Inode, name: &CStr, size: u32) -> io::Result<GetxattrReply> {
        self.inner.getxattr(ctx, raw(inode), name, size).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTSUP) if is_acl(name) => io::Error::from_raw_os_error(libc::ENODATA),
            _ => error,
        })
    }

    by_number! {
        fn readlink() -> Vec<u8>;
        fn flush(handle: Handle, lock_owner: u64) -> ();
        fn fsync(datasync: bool, handle: Handle) -> ();
        fn fsyncdir(datasync: bool, handle: Handle) -> ();
        fn fallocate(handle: Handle, mode: u32, offset: u64, length: u64) -> ();
        fn statfs() -> libc::statvfs64;
        fn setxattr(name: &CStr, value: &[u8], flags: u32, extra_flags: SetxattrFlags) -> ();
        fn listxattr(size: u32) -> ListxattrReply;
        fn removexattr(name: &CStr) -> ();
        fn readdir(handle: Handle, size: u32, offset: u64) -> Self::DirIter;
        fn access(mask: u32) -> ();
        fn lseek(handle: Handle, offset: u64, whence: u32) -> u64;
        fn syncfs() -> ();
    }
}

/// Needed by the library for live migration, which is not supported.
impl SerializableFileSystem for Files {}
