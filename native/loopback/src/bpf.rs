//! A BPF program that chooses the socket for a new connection (`BPF_PROG_TYPE_SK_LOOKUP`, Linux 5.9).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const MAP_CREATE: i32 = 0;
const MAP_UPDATE_ELEM: i32 = 2;
const PROG_LOAD: i32 = 5;
const LINK_CREATE: i32 = 28;
const MAP_TYPE_SOCKMAP: u32 = 15;
const PROG_TYPE_SK_LOOKUP: u32 = 30;
const ATTACH_SK_LOOKUP: u32 = 36;

/// Keys of the map from family to socket.
const IPV4: u32 = 0;
const IPV6: u32 = 1;

/// Steers every TCP connection to a loopback address of this network namespace to the sockets, until the result is
/// closed.
pub fn steer(ipv4: BorrowedFd, ipv6: Option<BorrowedFd>) -> io::Result<OwnedFd> {
    let map = create_map().map_err(|e| super::context("bpf: map of sockets", &e))?;
    set_socket(&map, IPV4, ipv4).map_err(|e| super::context("bpf: socket of IPv4", &e))?;
    if let Some(ipv6) = ipv6 {
        set_socket(&map, IPV6, ipv6).map_err(|e| super::context("bpf: socket of IPv6", &e))?;
    }
    let program = load(&program(map.as_raw_fd())).map_err(|e| super::context("bpf: program", &e))?;
    let namespace = File::open("/proc/self/ns/net")?;
    attach(&program, &namespace).map_err(|e| super::context("bpf: attach to the namespace", &e))
}

const LOAD_WORD: u8 = 0x61;
const STORE_WORD: u8 = 0x62;
const MOVE: u8 = 0xbf;
const MOVE_VALUE: u8 = 0xb7;
const ADD_VALUE: u8 = 0x07;
const AND_VALUE: u8 = 0x57;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_UNLESS_EQUAL: u8 = 0x55;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const LOAD_MAP: u8 = 0x18;
/// As the source register of `LOAD_MAP`: its value is a descriptor.
const MAP_DESCRIPTOR: u8 = 1;

const MAP_LOOKUP_ELEM: i32 = 1;
const SK_RELEASE: i32 = 86;
const SK_ASSIGN: i32 = 124;

// Offsets in struct bpf_sk_lookup.
const FAMILY: i16 = 8;
const PROTOCOL: i16 = 12;
const LOCAL_IP4: i16 = 40;
const LOCAL_IP6: i16 = 44;

/// Jump targets.
#[derive(Clone, Copy, PartialEq)]
enum Label {
    Six,
    Assign,
    End,
}

/// A line of the program: an instruction (code, destination, source, offset, value), a jump, or a label.
enum Line {
    Op(u8, u8, u8, i16, i32),
    Jump(u8, u8, i32, Label),
    At(Label),
}

/// TCP to 127.0.0.0/8 or ::1 goes to the family's socket; everything else takes its usual path.
fn program(map: i32) -> Vec<u64> {
    use Label::{Assign, End, Six};
    use Line::{At, Jump, Op};
    // Addresses are compared as they are in memory, in network byte order.
    let word = |bytes: [u8; 4]| i32::from_ne_bytes(bytes);
    assemble(&[
        Op(MOVE, 6, 1, 0, 0), // r6: the context
        Op(LOAD_WORD, 2, 6, PROTOCOL, 0),
        Jump(JUMP_UNLESS_EQUAL, 2, libc::IPPROTO_TCP, End),
        Op(LOAD_WORD, 2, 6, FAMILY, 0),
        Jump(JUMP_IF_EQUAL, 2, libc::AF_INET6, Six),
        Jump(JUMP_UNLESS_EQUAL, 2, libc::AF_INET, End),
        Op(LOAD_WORD, 2, 6, LOCAL_IP4, 0),
        Op(AND_VALUE, 2, 0, 0, word([0xff, 0, 0, 0])),
        Jump(JUMP_UNLESS_EQUAL, 2, word([127, 0, 0, 0]), End),
        Op(STORE_WORD, 10, 0, -4, IPV4 as i32),
        Jump(JUMP, 0, 0, Assign),
        At(Six),
        Op(LOAD_WORD, 2, 6, LOCAL_IP6, 0),
        Jump(JUMP_UNLESS_EQUAL, 2, 0, End),
        Op(LOAD_WORD, 2, 6, LOCAL_IP6 + 4, 0),
        Jump(JUMP_UNLESS_EQUAL, 2, 0, End),
        Op(LOAD_WORD, 2, 6, LOCAL_IP6 + 8, 0),
        Jump(JUMP_UNLESS_EQUAL, 2, 0, End),
        Op(LOAD_WORD, 2, 6, LOCAL_IP6 + 12, 0),
        Jump(JUMP_UNLESS_EQUAL, 2, word([0, 0, 0, 1]), End),
        Op(STORE_WORD, 10, 0, -4, IPV6 as i32),
        At(Assign), // the key is on the stack
        Op(LOAD_MAP, 1, MAP_DESCRIPTOR, 0, map),
        Op(0, 0, 0, 0, 0), // the upper half of the value
        Op(MOVE, 2, 10, 0, 0),
        Op(ADD_VALUE, 2, 0, 0, -4),
        Op(CALL, 0, 0, 0, MAP_LOOKUP_ELEM),
        Jump(JUMP_IF_EQUAL, 0, 0, End),
        Op(MOVE, 7, 0, 0, 0), // r7: the socket
        Op(MOVE, 1, 6, 0, 0),
        Op(MOVE, 2, 7, 0, 0),
        Op(MOVE_VALUE, 3, 0, 0, 0),
        Op(CALL, 0, 0, 0, SK_ASSIGN),
        Op(MOVE, 1, 7, 0, 0),
        Op(CALL, 0, 0, 0, SK_RELEASE),
        At(End),
        Op(MOVE_VALUE, 0, 0, 0, 1), // SK_PASS: go on, with the socket if one was assigned
        Op(EXIT, 0, 0, 0, 0),
    ])
}

fn assemble(lines: &[Line]) -> Vec<u64> {
    let is_code = |line: &&Line| !matches!(line, Line::At(_));
    let position = |label: Label| {
        let before = lines.iter().take_while(|line| !matches!(line, Line::At(at) if *at == label));
        before.filter(is_code).count() as i16
    };
    let encode = |code: u8, destination: u8, source: u8, offset: i16, value: i32| {
        let mut bytes = [code, 0, 0, 0, 0, 0, 0, 0];
        // Two fields of four bits, whose order depends on the endianness.
        bytes[1] = if cfg!(target_endian = "little") { source << 4 | destination } else { destination << 4 | source };
        bytes[2..4].copy_from_slice(&offset.to_ne_bytes());
        bytes[4..].copy_from_slice(&value.to_ne_bytes());
        u64::from_ne_bytes(bytes)
    };
    let code = lines.iter().filter(is_code).enumerate();
    code.map(|(index, line)| match *line {
        Line::Op(code, destination, source, offset, value) => encode(code, destination, source, offset, value),
        Line::Jump(code, register, value, to) => encode(code, register, 0, position(to) - index as i16 - 1, value),
        Line::At(_) => unreachable!("left out above"),
    })
    .collect()
}

/// The argument of bpf(2), as far as these commands use it; all fields have four or eight bytes.
type Attribute = [u32; 32];

fn bpf(command: i32, attribute: &Attribute) -> io::Result<i32> {
    // SAFETY: the kernel reads `attribute`, and what the caller's pointers in it lead to, before the call returns.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_ptr(), size_of_val(attribute) as libc::c_uint) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn bpf_descriptor(command: i32, attribute: &Attribute) -> io::Result<OwnedFd> {
    // SAFETY: these commands return a new descriptor.
    bpf(command, attribute).map(|number| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Stores a pointer in a field of eight bytes.
fn put_pointer<T>(attribute: &mut Attribute, index: usize, value: *const T) {
    let bytes = (value as u64).to_ne_bytes();
    for (half, word) in bytes.chunks_exact(4).zip(&mut attribute[index..]) {
        *word = u32::from_ne_bytes([half[0], half[1], half[2], half[3]]);
    }
}

fn create_map() -> io::Result<OwnedFd> {
    let mut attribute = Attribute::default();
    // Type, sizes of key and value, number of entries.
    attribute[..4].copy_from_slice(&[MAP_TYPE_SOCKMAP, 4, 4, 2]);
    bpf_descriptor(MAP_CREATE, &attribute)
}

fn set_socket(map: &OwnedFd, key: u32, socket: BorrowedFd) -> io::Result<()> {
    let value = socket.as_raw_fd();
    let mut attribute = Attribute::default();
    attribute[0] = map.as_raw_fd() as u32;
    put_pointer(&mut attribute, 2, &raw const key);
    put_pointer(&mut attribute, 4, &raw const value);
    bpf(MAP_UPDATE_ELEM, &attribute).map(drop)
}

fn load(program: &[u64]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attribute = Attribute::default();
    attribute[0] = PROG_TYPE_SK_LOOKUP;
    attribute[1] = program.len() as u32;
    put_pointer(&mut attribute, 2, program.as_ptr());
    put_pointer(&mut attribute, 4, license.as_ptr());
    attribute[17] = ATTACH_SK_LOOKUP;
    bpf_descriptor(PROG_LOAD, &attribute)
}

fn attach(program: &OwnedFd, namespace: &File) -> io::Result<OwnedFd> {
    let mut attribute = Attribute::default();
    attribute[0] = program.as_raw_fd() as u32;
    attribute[1] = namespace.as_raw_fd() as u32;
    attribute[2] = ATTACH_SK_LOOKUP;
    bpf_descriptor(LINK_CREATE, &attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_to_their_labels() {
        let code = program(7);
        let offset = |n: usize| i16::from_ne_bytes([code[n].to_ne_bytes()[2], code[n].to_ne_bytes()[3]]);
        let exit = code.len() - 1;
        assert_eq!(code[exit].to_ne_bytes()[0], EXIT);
        // Not TCP: to the line before the last.
        assert_eq!(2 + 1 + offset(2) as usize, exit - 1);
        // IPv4's key stored: past the lines for IPv6, to the load of the map.
        let jump = code.iter().position(|op| op.to_ne_bytes()[0] == JUMP).unwrap();
        assert_eq!(code[jump + 1 + offset(jump) as usize].to_ne_bytes()[0], LOAD_MAP);
    }
}
