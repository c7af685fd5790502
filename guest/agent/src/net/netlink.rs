//! Requests to the kernel over a route netlink socket.

use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

const HEADER: usize = 16;
const MULTI_DONE: u16 = libc::NLMSG_DONE as u16;
const ERROR: u16 = libc::NLMSG_ERROR as u16;
/// Answers to a dump come in pieces of at most this size.
const RECEIVE: usize = 32 << 10;
/// The kernel answers while it is asked, so what takes longer does not come.
const ANSWER_SECONDS: i64 = 5;
/// How often a list is asked for that changes while it is given.
const LIST_ATTEMPTS: usize = 10;
/// The sender's number that only the kernel has.
const KERNEL: u32 = 0;

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
pub struct Netlink {
    socket: OwnedFd,
    last: Cell<u32>,
}

impl Netlink {
    /// Opens one; requests to it are answered at once by the kernel itself.
    pub fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_SECONDS))?;
        Ok(Self { socket, last: Cell::new(0) })
    }

    /// Sends a change and waits for its acknowledgement.
    pub fn change(&self, message: Message, flags: u16) -> io::Result<()> {
        self.exchange(&message, flags | libc::NLM_F_ACK as u16).map(drop)
    }

    /// Lists.
    pub fn list(&self, message: Message) -> io::Result<Vec<Answer>> {
        for _ in 0..LIST_ATTEMPTS {
            let found = self.exchange(&message, DUMP)?;
            if !found.is_interrupted {
                return Ok(found.answers);
            }
        }
        Err(io::Error::other("the list changed each time while it was given"))
    }

    fn exchange(&self, message: &Message, flags: u16) -> io::Result<Collected> {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        let mut wire = Vec::with_capacity(HEADER + message.body.len());
        wire.extend(((HEADER + message.body.len()) as u32).to_ne_bytes());
        wire.extend(message.kind.to_ne_bytes());
        wire.extend((flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        wire.extend(number.to_ne_bytes());
        wire.extend([0; 4]);
        wire.extend(&message.body);
        send(self.socket.as_raw_fd(), &wire, MsgFlags::empty())?;
        let mut collected = Collected { number, ..Collected::default() };
        let mut buffer = vec![0; RECEIVE];
        loop {
            let (length, sender) = self.receive(&mut buffer)?;
            // Whoever may set up the network here can write to this socket.
            if sender == KERNEL && collected.take(&buffer[..length])? {
                return Ok(collected);
            }
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, u32)> {
        let mut parts = [IoSliceMut::new(buffer)];
        let message = loop {
            match recvmsg::<NetlinkAddr>(self.socket.as_raw_fd(), &mut parts, None, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer of the kernel")),
                message => break message?,
            }
        };
        let sender = message.address.map_or(u32::MAX, |address| address.pid());
        if sender == KERNEL && message.flags.contains(MsgFlags::MSG_TRUNC) {
            return Err(io::Error::other("an answer of the kernel is too long"));
        }
        Ok((message.bytes, sender))
    }
}

/// What the answer to one request consists of so far.
#[derive(Default)]
struct Collected {
    number: u32,
    answers: Vec<Answer>,
    /// What was listed changed meanwhile.
    is_interrupted: bool,
}

impl Collected {
    /// Takes the messages out of what was received; true says that the answer is complete.
    fn take(&mut self, mut rest: &[u8]) -> io::Result<bool> {
        while rest.len() >= HEADER {
            let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().expect("four bytes"));
            let half = |at: usize| u16::from_ne_bytes(rest[at..at + 2].try_into().expect("two bytes"));
            let (length, kind, flags, number) = (word(0) as usize, half(4), half(6), word(8));
            let Some(body) = rest.get(HEADER..length) else { return Err(io::Error::other("cut netlink message")) };
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            // Of an earlier request that was given up.
            if number != self.number {
                continue;
            }
            self.is_interrupted |= flags & libc::NLM_F_DUMP_INTR as u16 != 0;
            match kind {
                MULTI_DONE | ERROR => {
                    let code = body.get(..4).ok_or_else(|| io::Error::other("cut netlink message"))?;
                    let code = i32::from_ne_bytes(code.try_into().expect("four bytes"));
                    return if code == 0 { Ok(true) } else { Err(Errno::from_raw(-code).into()) };
                }
                _ => self.answers.push(Answer { body: body.to_vec() }),
            }
        }
        Ok(false)
    }
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

    fn wire(kind: u16, flags: u16, number: u32, body: &[u8]) -> Vec<u8> {
        let length = (HEADER + body.len()) as u32;
        let parts: [&[u8]; 6] =
            [&length.to_ne_bytes(), &kind.to_ne_bytes(), &flags.to_ne_bytes(), &number.to_ne_bytes(), &[0; 4], body];
        parts.concat()
    }

    #[test]
    fn only_the_answers_to_the_request_count() {
        let collected = |received: &[Vec<u8>]| {
            let mut collected = Collected { number: 7, ..Collected::default() };
            collected.take(&received.concat()).map(|is_complete| (is_complete, collected))
        };
        let (done, failed) = (0i32.to_ne_bytes(), (-libc::EPERM).to_ne_bytes());
        let (is_complete, found) = collected(&[wire(16, 2, 6, &[1; 4]), wire(16, 2, 7, &[2; 4])]).unwrap();
        assert!(!is_complete && found.answers.len() == 1 && found.answers[0].body == [2; 4]);
        assert!(!collected(&[wire(ERROR, 0, 6, &failed)]).unwrap().0, "the error of an earlier request");
        assert!(collected(&[wire(MULTI_DONE, 2, 7, &done)]).unwrap().0);
        assert_eq!(collected(&[wire(MULTI_DONE, 2, 7, &failed)]).err().unwrap().raw_os_error(), Some(libc::EPERM));
        assert!(collected(&[wire(16, 2 | libc::NLM_F_DUMP_INTR as u16, 7, &[])]).unwrap().1.is_interrupted);
        assert!(collected(&[wire(ERROR, 0, 7, &[0; 2])]).is_err(), "a cut one is no acknowledgement");
        assert!(collected(&[wire(16, 2, 7, &[0; 8])[..20].to_vec()]).is_err());
    }

    #[test]
    fn what_another_process_sends_is_no_answer() {
        let ours = Netlink::open().unwrap();
        let address: NetlinkAddr = nix::sys::socket::getsockname(ours.socket.as_raw_fd()).unwrap();
        let other = Netlink::open().unwrap();
        let forged = [wire(MULTI_DONE, 2, 1, &0i32.to_ne_bytes()), vec![0; 2 * RECEIVE]];
        for message in forged {
            let sent = nix::sys::socket::sendto(other.socket.as_raw_fd(), &message, &address, MsgFlags::empty());
            if sent == Err(Errno::EPERM) {
                eprintln!("SKIPPED: what_another_process_sends_is_no_answer: needs CAP_NET_ADMIN");
                return;
            }
            sent.unwrap();
        }
        let mut request = vec![0; 16];
        request[0] = libc::AF_UNSPEC as u8;
        let links = ours.list(Message::new(libc::RTM_GETLINK, &request)).unwrap();
        assert!(!links.is_empty(), "the loopback at least");
    }
}
