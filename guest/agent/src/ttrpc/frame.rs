//! Frames: the ten-byte header, the request envelope, and responses built in place.

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;

use super::relay::Relay;
use super::{Result, Status};

/// Length of the header: payload length and stream id (both big-endian u32), type, flags.
pub const HEADER: usize = 10;
/// The largest payload that either side may send.
pub const MAX_PAYLOAD: usize = 4 << 20;
/// Free space that a buffer must have in front of its content to become a frame without being copied:
/// the header, and twice a tag with a length.
pub const HEADROOM: usize = 32;

const TYPE_REQUEST: u8 = 1;
const TYPE_RESPONSE: u8 = 2;

/// The request envelope.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(string, tag = "1")]
    pub service: String,
    #[prost(string, tag = "2")]
    pub method: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub payload: Bytes,
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StatusMessage {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<StatusMessage>,
}

/// What a frame taken from the receive buffer is.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// A call and its stream id.
    Request(u32, Box<Request>),
    /// A frame that must be answered with an error.
    Refused(u32, Status),
    /// A frame that means nothing to a server of unary calls.
    Ignored,
    /// The payload is larger than allowed: this many bytes of it have not been received yet and must be skipped.
    TooLarge(u32, usize),
}

/// Takes the next complete frame out of `buffer`; `None` says that more bytes are needed.
pub fn take_frame(buffer: &mut BytesMut) -> Option<Incoming> {
    if buffer.len() < HEADER {
        return None;
    }
    let mut header = &buffer[..HEADER];
    let length = header.get_u32() as usize;
    let stream = header.get_u32();
    let kind = header.get_u8();
    if length > MAX_PAYLOAD {
        buffer.advance(HEADER);
        let here = length.min(buffer.len());
        buffer.advance(here);
        return Some(Incoming::TooLarge(stream, length - here));
    }
    if buffer.len() < HEADER + length {
        buffer.reserve(HEADER + length - buffer.len());
        return None;
    }
    buffer.advance(HEADER);
    let payload = buffer.split_to(length).freeze();
    if kind != TYPE_REQUEST {
        return Some(Incoming::Ignored);
    }
    if stream % 2 == 0 {
        return Some(Incoming::Refused(stream, Status::invalid(format!("stream id {stream} is even"))));
    }
    Some(match Request::decode(payload) {
        Ok(request) => Incoming::Request(stream, Box::new(request)),
        Err(e) => Incoming::Refused(stream, Status::invalid(format!("request envelope: {e}"))),
    })
}

/// A successful response's message, encoded, with room in front for what the frame adds.
pub struct Reply {
    buffer: Vec<u8>,
    start: usize,
    tail: Option<Relay>,
}

impl Reply {
    /// Encodes a response message.
    pub fn message(message: &impl Message) -> Self {
        let mut buffer = Vec::with_capacity(HEADROOM + message.encoded_len());
        buffer.resize(HEADROOM, 0);
        message.encode_raw(&mut buffer);
        Self { buffer, start: HEADROOM, tail: None }
    }

    /// A `ReadStreamResponse` around data that was read into `buffer` behind [`HEADROOM`] bytes.
    pub fn stream_data(buffer: Vec<u8>) -> Self {
        debug_assert!(buffer.len() >= HEADROOM);
        let mut reply = Self { start: HEADROOM, buffer, tail: None };
        reply.prepend_field(1);
        reply
    }

    /// A `ReadStreamResponse` with data that crosses the agent in a pipe.
    pub fn piped_data(tail: Relay) -> Self {
        let mut reply = Self { buffer: vec![0; HEADROOM], start: HEADROOM, tail: Some(tail) };
        reply.prepend_field(1);
        reply
    }

    /// Length of the message as it is so far.
    fn length(&self) -> usize {
        self.buffer.len() - self.start + self.tail.as_ref().map_or(0, Relay::length)
    }

    /// Puts tag and length of a length-delimited field in front, unless the content is empty.
    fn prepend_field(&mut self, number: u8) {
        let mut rest = self.length();
        if rest == 0 {
            return;
        }
        let mut varint = [0u8; 10];
        let mut used = 0;
        loop {
            varint[used] = (rest as u8 & 0x7f) | if rest > 0x7f { 0x80 } else { 0 };
            used += 1;
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
        self.start -= used + 1;
        self.buffer[self.start] = number << 3 | 2;
        self.buffer[self.start + 1..self.start + 1 + used].copy_from_slice(&varint[..used]);
    }

    fn into_frame(mut self, stream: u32) -> OutFrame {
        self.prepend_field(2);
        let length = self.length() as u32;
        self.start -= HEADER;
        let header = &mut self.buffer[self.start..self.start + HEADER];
        header[..4].copy_from_slice(&length.to_be_bytes());
        header[4..8].copy_from_slice(&stream.to_be_bytes());
        header[8] = TYPE_RESPONSE;
        header[9] = 0;
        OutFrame { buffer: self.buffer, written: self.start, tail: self.tail }
    }
}

/// A frame on its way out; the bytes before `written` have been sent (or are unused headroom).
pub struct OutFrame {
    buffer: Vec<u8>,
    written: usize,
    /// What follows the buffer.
    pub tail: Option<Relay>,
}

impl OutFrame {
    /// The response frame for a finished call.
    pub fn response(stream: u32, outcome: Result<Reply>) -> Self {
        match outcome {
            Ok(reply) if reply.length() <= MAX_PAYLOAD - HEADROOM => reply.into_frame(stream),
            Ok(_) => Self::error(stream, Status::new(super::Code::ResourceExhausted, "response is larger than 4 MiB")),
            Err(status) => Self::error(stream, status),
        }
    }

    fn error(stream: u32, status: Status) -> Self {
        let response =
            ErrorResponse { status: Some(StatusMessage { code: status.code as i32, message: status.message }) };
        let payload = response.encode_to_vec();
        let mut buffer = Vec::with_capacity(HEADER + payload.len());
        buffer.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        buffer.extend_from_slice(&stream.to_be_bytes());
        buffer.extend_from_slice(&[TYPE_RESPONSE, 0]);
        buffer.extend_from_slice(&payload);
        Self { buffer, written: 0, tail: None }
    }

    /// What is still to be sent.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.written..]
    }

    /// Notes that `n` more bytes were sent.
    pub fn advance(&mut self, n: usize) {
        self.written += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Response {
        #[prost(message, optional, tag = "1")]
        status: Option<StatusMessage>,
        #[prost(bytes = "vec", tag = "2")]
        payload: Vec<u8>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Data {
        #[prost(bytes = "vec", tag = "1")]
        data: Vec<u8>,
    }

    fn request_frame(stream: u32, request: &Request) -> Vec<u8> {
        let payload = request.encode_to_vec();
        let mut out = (payload.len() as u32).to_be_bytes().to_vec();
        out.extend_from_slice(&stream.to_be_bytes());
        out.extend_from_slice(&[TYPE_REQUEST, 0]);
        out.extend(payload);
        out
    }

    #[test]
    fn frames_arrive_in_any_pieces() {
        let request =
            Request { service: "s".into(), method: "m".into(), payload: Bytes::from(vec![7; 300]), timeout_nano: 5 };
        let wire = request_frame(3, &request);
        for cut in 0..wire.len() {
            let mut buffer = BytesMut::from(&wire[..cut]);
            assert_eq!(take_frame(&mut buffer), None);
            buffer.extend_from_slice(&wire[cut..]);
            assert_eq!(take_frame(&mut buffer), Some(Incoming::Request(3, Box::new(request.clone()))));
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn data_of_every_length_is_framed_in_place() {
        for length in [0usize, 1, 127, 128, 16383, 16384, 1 << 20] {
            let mut buffer = vec![0; HEADROOM];
            buffer.extend((0..length).map(|i| i as u8));
            let frame = OutFrame::response(9, Ok(Reply::stream_data(buffer)));
            let bytes = frame.rest();
            assert_eq!(u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len() - HEADER);
            assert_eq!(bytes[4..HEADER], [0, 0, 0, 9, TYPE_RESPONSE, 0]);
            let response = Response::decode(&bytes[HEADER..]).unwrap();
            assert_eq!(response.status, None);
            let data = Data::decode(response.payload.as_slice()).unwrap().data;
            assert_eq!(data, (0..length).map(|i| i as u8).collect::<Vec<_>>());
        }
    }

    #[test]
    fn too_large_even_and_garbage_frames_are_refused() {
        let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 1, 0, 1, 2, 3][..]);
        assert_eq!(take_frame(&mut buffer), Some(Incoming::TooLarge(1, 0xffff_ffff - 3)));
        let mut buffer = BytesMut::from(&request_frame(2, &Request::default())[..]);
        assert!(matches!(take_frame(&mut buffer), Some(Incoming::Refused(2, _))));
        let mut buffer = BytesMut::from(&[0, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0xff, 0xff][..]);
        assert!(matches!(take_frame(&mut buffer), Some(Incoming::Refused(1, _))));
        let mut buffer = BytesMut::from(&[0, 0, 0, 0, 0, 0, 0, 1, 3, 0][..]);
        assert_eq!(take_frame(&mut buffer), Some(Incoming::Ignored));
    }
}
