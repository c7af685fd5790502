//! HOME of a process whose user the image's `/etc/passwd` does not have: `/`, as other runtimes set it. That of a user
//! that it has is set by crun, which sets none for the others.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use serde_json::{Value, json};

/// A longer file is read up to here.
const READ_LIMIT: u64 = 1 << 20;
const PASSWD: &str = "etc/passwd";

/// Where a container's users are listed, as the agent sees it: what the container mounts cannot get into the way.
#[derive(Clone)]
pub struct Users {
    dir: PathBuf,
    file: PathBuf,
}

impl Users {
    /// By a specification that is fitted to the guest: in its root, or in the file that it mounts over that.
    pub fn of(spec: &Value) -> Self {
        let mounts = spec["mounts"].as_array();
        let over = mounts.and_then(|all| all.iter().rfind(|mount| mount["destination"] == "/etc/passwd"));
        match over.and_then(|mount| mount["source"].as_str()) {
            Some(source) => Self { dir: "/".into(), file: source.trim_start_matches('/').into() },
            None => Self { dir: spec["root"]["path"].as_str().unwrap_or("").into(), file: PASSWD.into() },
        }
    }

    /// Gives a process a HOME that crun would leave without one.
    pub fn give_home(&self, process: &mut Value) {
        let has_home = |env: &Vec<Value>| env.iter().any(|one| one.as_str().is_some_and(|s| s.starts_with("HOME=")));
        if process["env"].as_array().is_some_and(has_home) || self.have(process["user"]["uid"].as_u64().unwrap_or(0)) {
            return;
        }
        match process["env"].as_array_mut() {
            Some(env) => env.push(json!("HOME=/")),
            None => process["env"] = json!(["HOME=/"]),
        }
    }

    fn have(&self, uid: u64) -> bool {
        let Some(file) = open_in(&self.dir, &self.file) else { return false };
        let uid = uid.to_string();
        let of_user = |line: &[u8]| line.split(|byte| *byte == b':').nth(2) == Some(uid.as_bytes());
        BufReader::new(file.take(READ_LIMIT)).split(b'\n').map_while(std::result::Result::ok).any(|line| of_user(&line))
    }
}

/// Opens a regular file; links that an image has on the way lead to places in it.
fn open_in(dir: &Path, path: &Path) -> Option<File> {
    let dir = File::open(dir).ok()?;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    // To open a device or a FIFO can have effects: what it is is looked at first.
    let place =
        openat2(dir.as_fd(), path, OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve)).ok()?;
    if !File::from(place).metadata().ok()?.is_file() {
        return None;
    }
    let file = File::from(openat2(dir.as_fd(), path, OpenHow::new().flags(flags).resolve(resolve)).ok()?);
    file.metadata().ok()?.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn home(users: &Users, mut process: Value) -> Value {
        users.give_home(&mut process);
        process["env"].clone()
    }

    #[test]
    fn only_a_user_that_is_not_listed_and_says_nothing_gets_one() {
        let root = std::env::temp_dir().join(format!("bulkhead-home-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/real"), "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/var/www:/bin/sh\n")
            .unwrap();
        std::os::unix::fs::symlink("/etc/real", root.join("etc/passwd")).unwrap();
        let users = Users::of(&json!({"root": {"path": root}}));
        assert_eq!(home(&users, json!({"user": {"uid": 12345}})), json!(["HOME=/"]));
        assert_eq!(home(&users, json!({"user": {"uid": 3}, "env": ["A=1"]})), json!(["A=1", "HOME=/"]));
        assert_eq!(home(&users, json!({"user": {"uid": 3}, "env": ["HOME=/x"]})), json!(["HOME=/x"]));
        assert_eq!(home(&users, json!({"user": {"uid": 33}})), json!(null));
        assert_eq!(home(&users, json!({})), json!(null));

        let over = root.join("over");
        fs::write(&over, "app:x:12345:0::/app:\n").unwrap();
        let mounted = json!({"root": {"path": root}, "mounts": [{"destination": "/etc/passwd", "source": over}]});
        assert_eq!(home(&Users::of(&mounted), json!({"user": {"uid": 12345}})), json!(null));
        assert_eq!(home(&Users::of(&mounted), json!({"user": {"uid": 33}})), json!(["HOME=/"]));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_no_file_lists_nobody_and_does_not_block() {
        let root = std::env::temp_dir().join(format!("bulkhead-no-home-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        let users = Users::of(&json!({"root": {"path": root}}));
        assert_eq!(home(&users, json!({})), json!(["HOME=/"]), "missing");
        nix::unistd::mkfifo(&root.join("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(home(&users, json!({})), json!(["HOME=/"]), "a FIFO");
        fs::remove_file(root.join("etc/passwd")).unwrap();
        std::os::unix::fs::symlink("../../../../../etc/passwd", root.join("etc/passwd")).unwrap();
        assert_eq!(home(&users, json!({})), json!(["HOME=/"]), "a link in a circle, not the guest's own");
        fs::remove_dir_all(root).unwrap();
    }
}
