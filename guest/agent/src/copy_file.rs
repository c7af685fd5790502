//! CopyFile: files that the host sends in pieces, for sandboxes without a shared folder.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt, fchown, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::r#gen::grpc::CopyFileRequest;
use crate::ttrpc::{Context, Result, Status};

/// Files may only be put below this.
const ALLOWED: &str = "/run/kata-containers/shared/containers";
const TYPE_MASK: u32 = libc::S_IFMT;

/// Handles one piece: a folder, a symbolic link (its target is the data), or a part of a regular file, which appears
/// under its name when it is complete.
pub fn copy(request: &CopyFileRequest) -> Result<()> {
    copy_below(Path::new(ALLOWED), request).map_err(|e| Status::new(e.code, format!("copy {}: {e}", request.path)))
}

fn copy_below(allowed: &Path, request: &CopyFileRequest) -> Result<()> {
    let relative = Path::new(&request.path).strip_prefix(allowed);
    let relative = relative.map_err(|_| Status::invalid(format!("the path is not below {}", allowed.display())))?;
    if !relative.components().all(|c| matches!(c, Component::Normal(_))) || relative.as_os_str().is_empty() {
        return Err(Status::invalid("the path is not a plain path"));
    }
    let dir_mode = if request.dir_mode == 0 { 0o750 } else { request.dir_mode & 0o7777 };
    let parent = relative.parent().unwrap_or(Path::new(""));
    make_dirs(allowed, parent, dir_mode).context(|| "folders")?;
    let parent = open_dir(allowed, parent).context(|| "folder")?;
    // The folder is fixed now: what a container does to the path meanwhile leads nowhere else.
    let anchor = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd()));
    let name = relative.file_name().unwrap_or_default();
    let target = anchor.join(name);
    let mode = request.file_mode & 0o7777;
    let owner = (u32::try_from(request.uid).ok(), u32::try_from(request.gid).ok());
    match request.file_mode & TYPE_MASK {
        libc::S_IFDIR => make_dir(&target, mode, owner).context(|| "folder"),
        libc::S_IFLNK => make_link(&target, &request.data, owner).context(|| "link"),
        0 | libc::S_IFREG => write_part(&target, request, mode, owner),
        other => Err(Status::invalid(format!("files of type {other:o} cannot be copied"))),
    }
}

type Owner = (Option<u32>, Option<u32>);

fn make_dirs(root: &Path, relative: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(root)?;
    let mut done = PathBuf::new();
    for part in relative.components() {
        let parent = open_dir(root, &done)?;
        let dir = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd())).join(part);
        match DirBuilder::new().mode(mode).create(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        done.push(part);
    }
    Ok(())
}

/// Opens a folder below `root` without following any symbolic link.
fn open_dir(root: &Path, relative: &Path) -> io::Result<OwnedFd> {
    let root = File::open(root)?;
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    Ok(openat2(&root, relative, how)?)
}

fn make_dir(target: &Path, mode: u32, (uid, gid): Owner) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(target) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && fs::symlink_metadata(target)?.is_dir() => {}
        made => made?,
    }
    lchown(target, uid, gid)?;
    fs::set_permissions(target, Permissions::from_mode(mode))
}

fn make_link(target: &Path, to: &[u8], (uid, gid): Owner) -> io::Result<()> {
    let draft = draft_of(target);
    let _ = fs::remove_file(&draft);
    symlink(std::ffi::OsStr::from_bytes(to), &draft)?;
    lchown(&draft, uid, gid)?;
    fs::rename(&draft, target)
}

fn write_part(target: &Path, request: &CopyFileRequest, mode: u32, (uid, gid): Owner) -> Result<()> {
    let sizes = (u64::try_from(request.offset), u64::try_from(request.file_size));
    let (Ok(offset), Ok(size)) = sizes else { return Err(Status::invalid("offset or size is negative")) };
    let end = offset.saturating_add(request.data.len() as u64);
    if end > size {
        return Err(Status::invalid(format!("the piece ends at {end}, beyond the file's {size} bytes")));
    }
    let draft = draft_of(target);
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&draft)?;
        if offset == 0 {
            file.set_len(0)?;
        } else if file.metadata()?.len() < offset {
            return Err(io::Error::other("a piece before this one is missing"));
        }
        file.write_all_at(&request.data, offset)?;
        if end < size {
            return Ok(());
        }
        fchown(&file, uid, gid)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        fs::rename(&draft, target)
    };
    write().context(|| "file")
}

fn draft_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &Path, size: i64, offset: i64, data: &[u8]) -> CopyFileRequest {
        CopyFileRequest {
            path: path.display().to_string(),
            file_size: size,
            file_mode: 0o640,
            uid: -1,
            gid: -1,
            offset,
            data: data.to_vec().into(),
            ..Default::default()
        }
    }

    #[test]
    fn pieces_make_a_file_and_nothing_leaves_the_folder() {
        let root = std::env::temp_dir().join(format!("bulkhead-copy-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let file = root.join("a/b");
        copy_below(&root, &request(&file, 6, 0, b"abc")).unwrap();
        assert!(!file.exists());
        assert!(copy_below(&root, &request(&file, 9, 6, b"ghi")).is_err());
        copy_below(&root, &request(&file, 6, 3, b"def")).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"abcdef");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);

        let mut link = request(&root.join("a/link"), 0, 0, b"/etc");
        link.file_mode = libc::S_IFLNK | 0o777;
        copy_below(&root, &link).unwrap();
        assert_eq!(fs::read_link(root.join("a/link")).unwrap(), Path::new("/etc"));
        assert!(copy_below(&root, &request(&root.join("a/link/x"), 1, 0, b"x")).is_err());
        assert!(copy_below(&root, &request(&root.join("../x"), 1, 0, b"x")).is_err());
        assert!(copy_below(&root, &request(Path::new("/etc/x"), 1, 0, b"x")).is_err());
        fs::remove_dir_all(root).unwrap();
    }
}
