//! A small blocking ttrpc client that any number of threads may use at once.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(bytes = "vec", tag = "3")]
    payload: Vec<u8>,
    #[prost(int64, tag = "4")]
    timeout_nano: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    status: Option<WireStatus>,
    #[prost(bytes = "vec", tag = "2")]
    payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub code: i32,
    pub message: String,
}

/// No call of a test may take longer.
const LIMIT: Duration = Duration::from_secs(60);

type Waiting = Arc<Mutex<HashMap<u32, Sender<Response>>>>;

/// One connection.
#[derive(Clone)]
pub struct Client {
    write: Arc<Mutex<UnixStream>>,
    waiting: Waiting,
    next: Arc<AtomicU32>,
}

/// A call that is under way.
pub struct Pending<M> {
    receiver: Receiver<Response>,
    method: String,
    message: std::marker::PhantomData<M>,
}

impl Client {
    pub fn new(stream: UnixStream) -> Self {
        let waiting = Waiting::default();
        let (mut read, answered) = (stream.try_clone().unwrap(), waiting.clone());
        thread::spawn(move || {
            let mut header = [0; 10];
            while read.read_exact(&mut header).is_ok() {
                let length = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
                let stream = u32::from_be_bytes(header[4..8].try_into().unwrap());
                let mut payload = vec![0; length];
                if read.read_exact(&mut payload).is_err() {
                    break;
                }
                if let Some(sender) = answered.lock().unwrap().remove(&stream) {
                    let _ = sender.send(Response::decode(payload.as_slice()).expect("response envelope"));
                }
            }
            answered.lock().unwrap().clear();
        });
        Self { write: Arc::new(Mutex::new(stream)), waiting, next: Arc::new(AtomicU32::new(1)) }
    }

    /// Breaks the connection, as a host that goes away does.
    pub fn disconnect(&self) {
        let _ = self.write.lock().unwrap().shutdown(std::net::Shutdown::Both);
    }

    pub fn start<M: Message + Default>(&self, method: &str, request: &impl Message, timeout: Duration) -> Pending<M> {
        let service = match method {
            "Check" | "Version" => "grpc.Health",
            "Dial" | "ReadConnection" | "WriteConnection" | "CloseConnection" | "ReleaseOutput" => {
                "bulkhead.guest.v1.Guest"
            }
            _ => "grpc.AgentService",
        };
        let request = Request {
            service: service.into(),
            method: method.into(),
            payload: request.encode_to_vec(),
            timeout_nano: timeout.as_nanos() as i64,
        };
        let payload = request.encode_to_vec();
        let (sender, receiver) = channel();
        let mut write = self.write.lock().unwrap();
        let stream = self.next.fetch_add(2, Ordering::Relaxed);
        self.waiting.lock().unwrap().insert(stream, sender);
        let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
        frame.extend(stream.to_be_bytes());
        frame.extend([1, 0]);
        frame.extend(payload);
        let _ = write.write_all(&frame);
        Pending { receiver, method: method.into(), message: std::marker::PhantomData }
    }

    pub fn call<M: Message + Default>(&self, method: &str, request: &impl Message) -> Result<M, Failure> {
        self.start(method, request, Duration::ZERO).finish()
    }
}

impl<M: Message + Default> Pending<M> {
    pub fn finish(self) -> Result<M, Failure> {
        self.finish_within(LIMIT).unwrap_or_else(|| panic!("{} got no answer within {LIMIT:?}", self.method))
    }

    pub fn finish_within(&self, limit: Duration) -> Option<Result<M, Failure>> {
        let response = match self.receiver.recv_timeout(limit) {
            Ok(response) => response,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return None,
            Err(_) => return Some(Err(Failure { code: -1, message: format!("{}: connection lost", self.method) })),
        };
        Some(match response.status {
            Some(status) if status.code != 0 => Err(Failure { code: status.code, message: status.message }),
            _ => Ok(M::decode(response.payload.as_slice()).expect("response message")),
        })
    }
}
