//! Requests to the kernel over a route netlink socket.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

const HEADER: usize = 16;
const MULTI_DONE: u16 = libc::NLMSG_DONE as u16;
const ERROR: u16 = libc::NLMSG_ERROR as u16;
/// Answers to a dump come in pieces of at most this size.
const RECEIVE: usize = 32 << 10;

/// Flags for making something new.
pub const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
/// Flags for making something or replacing what is there.
pub const REPLACE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_REPLACE) as u16;
/// Flags for listing.
const DUMP: u16 = libc::NLM_F_DUMP as u16;

/// A message under construction: the fixed part, then attributes.
pub struct Message {
    kind: u16,
    body: Vec<u8>,
}

impl Message {
    /// `fixed` is the structure that belongs to the kind of message.
    pub fn new(kind: u16, fixed: &[u8]) -> Self {
        Self { kind, body: fixed.to_vec() }
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.body.extend(((value.len() + 4) as u16).to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    /// Adds an attribute if there is a value for it.
    pub fn optional(self, kind: u16, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.attribute(kind, value),
            None => self,
        }
    }
}

impl Message {
    /// The fixed part and the attributes: what an attribute that holds attributes has as its value.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// One message of the kernel's answer.
pub struct Answer {
    body: Vec<u8>,
}

impl Answer {
    /// The bytes of the fixed part.
    pub fn fixed(&self, length: usize) -> &[u8] {
        &self.body[..length.min(self.body.len())]
    }

    /// The value of an attribute behind a fixed part of this length.
    pub fn attribute(&self, fixed: usize, wanted: u16) -> Option<&[u8]> {
        attributes(self.body.get(fixed..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
    }
}

/// Splits bytes into attributes.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?) as usize;
        // The two upper bits are flags.
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// A number from an attribute.
pub fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

/// An open socket.
pub struct Netlink(OwnedFd);

impl Netlink {
    /// Opens one; requests to it are answered at once by the kernel itself.
    pub fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Sends a change and waits for its acknowledgement.
    pub fn change(&self, message: Message, flags: u16) -> io::Result<()> {
        self.exchange(message, flags | libc::NLM_F_ACK as u16).map(drop)
    }

    /// Lists.
    pub fn list(&self, message: Message) -> io::Result<Vec<Answer>> {
        self.exchange(message, DUMP)
    }

    fn exchange(&self, message: Message, flags: u16) -> io::Result<Vec<Answer>> {
        let mut wire = Vec::with_capacity(HEADER + message.body.len());
        wire.extend(((HEADER + message.body.len()) as u32).to_ne_bytes());
        wire.extend(message.kind.to_ne_bytes());
        wire.extend((flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        wire.extend([0; 8]);
        wire.extend(message.body);
        send(self.0.as_raw_fd(), &wire, MsgFlags::empty())?;
        let mut answers = Vec::new();
        let mut buffer = vec![0; RECEIVE];
        loop {
            let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            if collect(&buffer[..length], &mut answers)? {
                return Ok(answers);
            }
        }
    }
}

/// Takes the messages out of what was received; true says that the answer is complete.
fn collect(mut rest: &[u8], answers: &mut Vec<Answer>) -> io::Result<bool> {
    while rest.len() >= HEADER {
        let length = u32::from_ne_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        let kind = u16::from_ne_bytes(rest[4..6].try_into().expect("two bytes"));
        let Some(body) = rest.get(HEADER..length) else { return Err(io::Error::other("cut netlink message")) };
        match kind {
            MULTI_DONE => return Ok(true),
            ERROR => {
                let code = body.get(..4).map_or(0, |code| i32::from_ne_bytes(code.try_into().expect("four bytes")));
                return if code == 0 { Ok(true) } else { Err(Errno::from_raw(-code).into()) };
            }
            _ => answers.push(Answer { body: body.to_vec() }),
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_written_and_found() {
        let message =
            Message::new(1, &[9; 4]).attribute(3, b"eth0\0").optional(4, None).attribute(5, &7u32.to_ne_bytes());
        let answer = Answer { body: message.body };
        assert_eq!(answer.fixed(4), [9; 4]);
        assert_eq!(answer.attribute(4, 3), Some(&b"eth0\0"[..]));
        assert_eq!(answer.attribute(4, 5).and_then(number), Some(7));
        assert_eq!(answer.attribute(4, 4), None);
        assert_eq!(attributes(&[1, 0]).count(), 0);
    }
}
