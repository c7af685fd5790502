//! A file system with one folder in its root, whose server can be told to answer no more. It speaks the kernel's own
//! protocol (include/uapi/linux/fuse.h) on /dev/fuse. What it has taken from the kernel without an answer cannot even be
//! killed, as with a server that hangs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

const FOLDER: &[u8] = b"folder\0";
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const STATFS: u32 = 17;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const READDIR: u32 = 28;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
const HEADER: usize = 40;

#[derive(Default)]
struct State {
    is_silent: bool,
    kept: Vec<Vec<u8>>,
}

pub struct SilentFs {
    pub dir: PathBuf,
    device: Arc<File>,
    state: Arc<Mutex<State>>,
}

impl SilentFs {
    /// Mounts it; it answers until it is told not to.
    pub fn mount(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let device = Arc::new(File::options().read(true).write(true).open("/dev/fuse").unwrap());
        let data = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        mount(Some("silent"), dir, Some("fuse"), MsFlags::MS_NOSUID, Some(data.as_str())).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (serving, told) = (device.clone(), state.clone());
        thread::spawn(move || {
            let mut request = vec![0; 1 << 17];
            while let Ok(length) = (&*serving).read(&mut request) {
                let mut state = told.lock().unwrap();
                match state.is_silent {
                    true => state.kept.push(request[..length].to_vec()),
                    false => answer(&serving, &request[..length]),
                }
            }
        });
        Self { dir: dir.to_owned(), device, state }
    }

    /// The folder in it.
    pub fn folder(&self) -> String {
        self.dir.join("folder").display().to_string()
    }

    pub fn silence(&self) {
        self.state.lock().unwrap().is_silent = true;
    }

    /// Answers from now on, and what has been asked meanwhile.
    pub fn wake(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_silent = false;
        std::mem::take(&mut state.kept).iter().for_each(|request| answer(&self.device, request));
    }
}

impl Drop for SilentFs {
    fn drop(&mut self) {
        let _ = umount2(&self.dir, MntFlags::MNT_FORCE);
        let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.dir);
    }
}

fn answer(device: &File, request: &[u8]) {
    let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
    let (kind, node) = (word(4), u64::from_ne_bytes(request[16..24].try_into().unwrap()));
    let (error, body) = match kind {
        FORGET | BATCH_FORGET | INTERRUPT => return,
        INIT => (0, init()),
        GETATTR => (0, [vec![0; 16], attributes(node)].concat()),
        LOOKUP if &request[HEADER..] == FOLDER => {
            (0, [2u64.to_ne_bytes().to_vec(), vec![0; 32], attributes(2)].concat())
        }
        LOOKUP => (-libc::ENOENT, Vec::new()),
        STATFS => (0, vec![0; 80]),
        OPENDIR => (0, vec![0; 16]),
        READDIR | RELEASEDIR => (0, Vec::new()),
        _ => (-libc::ENOSYS, Vec::new()),
    };
    let mut reply = (16 + body.len() as u32).to_ne_bytes().to_vec();
    reply.extend(error.to_ne_bytes());
    reply.extend(&request[8..16]);
    reply.extend(body);
    // One that was interrupted meanwhile is not waited for any more.
    let _ = (&*device).write_all(&reply);
}

/// Version 7.31, no options, and writes of up to 4096 bytes.
fn init() -> Vec<u8> {
    let words: [u32; 16] = [7, 31, 4096, 0, 0, 4096, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A folder of everybody; the kernel has to ask for it each time.
fn attributes(node: u64) -> Vec<u8> {
    let mut attributes = node.to_ne_bytes().to_vec();
    attributes.resize(48 + 12, 0);
    for word in [libc::S_IFDIR | 0o777, 2, 0, 0, 0, 4096, 0] {
        attributes.extend(word.to_ne_bytes());
    }
    attributes
}
