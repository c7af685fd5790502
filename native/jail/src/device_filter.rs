//! Which devices a version 2 cgroup may open: a BPF program (`BPF_PROG_TYPE_CGROUP_DEVICE`, Linux 4.15), because
//! version 2 has no file for it. It lives as long as the cgroup, and applies to every process in it.

use serde::Deserialize;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// In addition to the programs of ancestors, all of which must allow a device.
const ALLOW_MULTI: u32 = 2;

/// A device that may be read and written.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub struct Device {
    /// Character or block device.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// The letters of mknod(1), the numbers of `struct bpf_cgroup_dev_ctx`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub enum Kind {
    /// A block device.
    #[serde(rename = "b")]
    Block = 1,
    /// A character device.
    #[serde(rename = "c")]
    Character = 2,
}

/// Restricts the processes of a group to opening the allowed devices. They may mknod any: the files daemon does so
/// for a guest, and device nodes cannot be opened where it serves.
pub fn attach(cgroup: &Path, allowed: &[Device]) -> io::Result<()> {
    let failed = |what: &str, e: io::Error| {
        io::Error::new(e.kind(), format!("device filter of {}: {what}: {e}", cgroup.display()))
    };
    let group = File::open(cgroup).map_err(|e| failed("open", e))?;
    let program = load(&program(allowed)).map_err(|e| failed("load", e))?;
    let mut attribute = Attribute::default();
    attribute[..4].copy_from_slice(&[
        group.as_raw_fd() as u32,
        program.as_raw_fd() as u32,
        ATTACH_CGROUP_DEVICE,
        ALLOW_MULTI,
    ]);
    bpf(PROG_ATTACH, &attribute).map(drop).map_err(|e| failed("attach", e))
}

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xbf;
const MOVE_VALUE: u8 = 0xb7;
const AND_VALUE: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_UNLESS_EQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

/// `BPF_DEVCG_ACC_MKNOD`: creating a node, for any device.
const MAKE: i32 = 1;

/// The context's words are the access (upper half) and kind (lower half), the major, and the minor number. The program
/// returns 1 for a device on the list.
fn program(allowed: &[Device]) -> Vec<u64> {
    let mut code = vec![
        encode(LOAD_WORD, 2, 1, 0, 0),
        encode(LOAD_WORD, 4, 1, 4, 0),
        encode(LOAD_WORD, 5, 1, 8, 0),
        encode(MOVE, 3, 2, 0, 0),
        encode(SHIFT_RIGHT, 3, 0, 0, 16),   // r3: the access
        encode(AND_VALUE, 2, 0, 0, 0xffff), // r2: the kind
        encode(JUMP_UNLESS_EQUAL, 3, 0, 2, MAKE),
        encode(MOVE_VALUE, 0, 0, 0, 1),
        encode(EXIT, 0, 0, 0, 0),
    ];
    for device in allowed {
        code.extend([
            encode(JUMP_UNLESS_EQUAL, 2, 0, 4, device.kind as i32),
            encode(JUMP_UNLESS_EQUAL, 4, 0, 3, device.major as i32),
            encode(JUMP_UNLESS_EQUAL, 5, 0, 2, device.minor as i32),
            encode(MOVE_VALUE, 0, 0, 0, 1),
            encode(EXIT, 0, 0, 0, 0),
        ]);
    }
    code.extend([encode(MOVE_VALUE, 0, 0, 0, 0), encode(EXIT, 0, 0, 0, 0)]);
    code
}

fn encode(code: u8, destination: u8, source: u8, offset: i16, value: i32) -> u64 {
    let mut bytes = [code, 0, 0, 0, 0, 0, 0, 0];
    // Two fields of four bits, whose order depends on the endianness.
    bytes[1] = if cfg!(target_endian = "little") { source << 4 | destination } else { destination << 4 | source };
    bytes[2..4].copy_from_slice(&offset.to_ne_bytes());
    bytes[4..].copy_from_slice(&value.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// The argument of bpf(2), as far as these commands use it.
type Attribute = [u32; 32];

fn bpf(command: i32, attribute: &Attribute) -> io::Result<i32> {
    // SAFETY: the kernel reads `attribute`, and what the caller's pointers in it lead to, before the call returns.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_ptr(), size_of_val(attribute) as libc::c_uint) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn load(program: &[u64]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attribute = Attribute::default();
    attribute[0] = PROG_TYPE_CGROUP_DEVICE;
    attribute[1] = program.len() as u32;
    put_pointer(&mut attribute, 2, program.as_ptr());
    put_pointer(&mut attribute, 4, license.as_ptr());
    // SAFETY: the command returns a new descriptor.
    bpf(PROG_LOAD, &attribute).map(|number| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Stores a pointer in a field of eight bytes.
fn put_pointer<T>(attribute: &mut Attribute, index: usize, value: *const T) {
    let bytes = (value as u64).to_ne_bytes();
    for (half, word) in bytes.chunks_exact(4).zip(&mut attribute[index..]) {
        *word = u32::from_ne_bytes([half[0], half[1], half[2], half[3]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;
    use std::process::Command;

    const NULL: Device = Device { kind: Kind::Character, major: 1, minor: 3 };

    #[test]
    fn a_device_is_read_as_the_shim_writes_it() {
        let text = r#"[{"type":"c","major":1,"minor":3},{"type":"b","major":8,"minor":16}]"#;
        let devices: Vec<Device> = serde_json::from_str(text).unwrap();
        assert_eq!(devices, [NULL, Device { kind: Kind::Block, major: 8, minor: 16 }]);
    }

    /// A group in the unified hierarchy, wherever that is mounted; removed on drop.
    struct Group(PathBuf);

    impl Group {
        fn make() -> Option<Group> {
            let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
            let mount = mounts.lines().find_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let (point, kind) = (fields.next()?, fields.next()?);
                (kind == "cgroup2").then(|| point.to_owned())
            })?;
            let path = Path::new(&mount).join(format!("bulkhead-device-filter-{}", std::process::id()));
            fs::create_dir(&path).ok()?;
            Some(Group(path))
        }

        /// Whether a shell in the group succeeds, and its stderr.
        fn run(&self, script: &str) -> (bool, String) {
            let joined = format!("echo 0 > {}/cgroup.procs && {{ {script}; }}", self.0.display());
            let output = Command::new("sh").args(["-c", &joined]).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            fs::remove_dir(&self.0).unwrap();
        }
    }

    #[test]
    fn the_kernel_allows_what_is_on_the_list_and_nothing_else() {
        let Some(group) = Group::make() else {
            // Bypasses the test runner, which captures the output of tests that pass.
            writeln!(io::stderr(), "NOT TESTED: the device filter; no version 2 cgroup can be created here").unwrap();
            return;
        };
        assert!(group.run("head -c 1 /dev/zero").0, "without a filter");
        attach(&group.0, &[Device { kind: Kind::Block, major: 1, minor: 3 }, NULL]).unwrap();
        let (ok, said) = group.run("echo x > /dev/null && head -c 1 < /dev/null");
        assert!(ok, "/dev/null is on the list: {said}");
        let node = std::env::temp_dir().join(format!("bulkhead-device-filter-{}", std::process::id()));
        let (ok, said) = group.run("head -c 1 /dev/zero");
        assert!(!ok && said.contains("not permitted"), "{said}");
        let (ok, said) = group.run(&format!("mknod {0} c 1 5 && ! head -c 1 {0} && rm {0}", node.display()));
        assert!(ok, "a node is created but cannot be opened: {said}");
        // A second program, as for the second process of a VM: both must allow a device.
        attach(&group.0, &[NULL]).unwrap();
        assert!(group.run("echo x > /dev/null").0);
        attach(&group.0, &[]).unwrap();
        assert!(!group.run("echo x > /dev/null").0);
    }

    #[test]
    fn an_error_names_the_group() {
        let error = attach(Path::new("/proc/self"), &[NULL]).unwrap_err();
        assert!(error.to_string().starts_with("device filter of /proc/self: "), "{error}");
    }
}
