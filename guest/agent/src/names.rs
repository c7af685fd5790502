//! DNS for programs in the sandbox, answered by the host (`bulkhead.guest.v1.Guest`): the resolver that a container
//! manager runs on the loopback of the container's network namespace is on the host, out of the guest's reach.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::r#gen::guest::Query;
use crate::ttrpc::{Code, Result, Status};

const PORT: u16 = 53;
/// More questions than this at once are not answered.
const LIMIT: usize = 256;
const CONNECTION_LIMIT: usize = 32;
/// Resolvers give up earlier, and the host answers earlier.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a connection may be without a question.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// A pause after an error of a listening socket, which could otherwise keep the agent busy.
const PAUSE: Duration = Duration::from_millis(100);

/// The questions that are not answered yet.
#[derive(Default)]
pub struct Names(Rc<State>);

#[derive(Default)]
struct State {
    addresses: RefCell<Vec<IpAddr>>,
    waiting: RefCell<VecDeque<Query>>,
    arrived: Notify,
    askers: RefCell<HashMap<u32, oneshot::Sender<Bytes>>>,
    last: Cell<u32>,
    connections: Cell<usize>,
}

impl Names {
    /// Answers on an address from now on.
    pub async fn serve(&self, address: &str) -> Result<()> {
        let address = address.parse::<IpAddr>().ok().filter(IpAddr::is_loopback);
        let address = address.ok_or_else(|| Status::invalid("not an address of the loopback"))?;
        if self.0.addresses.borrow().contains(&address) {
            return Ok(());
        }
        self.listen((address, PORT).into()).await.map_err(|e| {
            Status::new(Code::Unavailable, format!("serve names on port {PORT} of {address} in the sandbox: {e}"))
        })?;
        self.0.addresses.borrow_mut().push(address);
        Ok(())
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind(address).await?;
        let bound = socket.local_addr()?;
        let listener = TcpListener::bind(bound).await?;
        spawn_local(serve_datagrams(self.0.clone(), Rc::new(socket)));
        spawn_local(serve_connections(self.0.clone(), listener));
        Ok(bound)
    }

    /// Waits for a question.
    pub async fn next(&self) -> Query {
        loop {
            if let Some(query) = self.0.waiting.borrow_mut().pop_front() {
                return query;
            }
            self.0.arrived.notified().await;
        }
    }

    /// Gives an answer to whoever has asked, if that one still waits.
    pub fn answer(&self, id: u32, message: Bytes) {
        if let Some(asker) = self.0.askers.borrow_mut().remove(&id) {
            let _ = asker.send(message);
        }
    }
}

impl State {
    /// Passes a question to the host; no answer if there is none in time.
    async fn ask(&self, message: Bytes, tcp: bool) -> Option<Bytes> {
        if self.askers.borrow().len() >= LIMIT {
            return None;
        }
        let id = self.last.get().wrapping_add(1);
        self.last.set(id);
        let (asker, answer) = oneshot::channel();
        self.askers.borrow_mut().insert(id, asker);
        self.waiting.borrow_mut().push_back(Query { id, message, tcp });
        self.arrived.notify_one();
        let answer = timeout(ANSWER_LIMIT, answer).await;
        self.askers.borrow_mut().remove(&id);
        self.waiting.borrow_mut().retain(|query| query.id != id);
        answer.ok()?.ok().filter(|message| !message.is_empty())
    }
}

async fn serve_datagrams(state: Rc<State>, socket: Rc<UdpSocket>) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut buffer).await else {
            sleep(PAUSE).await;
            continue;
        };
        let message = Bytes::copy_from_slice(&buffer[..length]);
        let (state, socket) = (state.clone(), socket.clone());
        spawn_local(async move {
            if let Some(answer) = state.ask(message, false).await {
                let _ = socket.send_to(&answer, asker).await;
            }
        });
    }
}

async fn serve_connections(state: Rc<State>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        if state.connections.get() >= CONNECTION_LIMIT {
            continue;
        }
        state.connections.set(state.connections.get() + 1);
        let state = state.clone();
        spawn_local(async move {
            let _ = serve_connection(&state, stream).await;
            state.connections.set(state.connections.get() - 1);
        });
    }
}

/// One question after the other, until the asker ends the connection or one stays without an answer.
async fn serve_connection(state: &State, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let message = timeout(IDLE_LIMIT, read_message(&mut stream)).await??;
        let Some(answer) = state.ask(message, true).await else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut whole = BytesMut::with_capacity(answer.len() + 2);
        whole.extend_from_slice(&length.to_be_bytes());
        whole.extend_from_slice(&answer);
        timeout(IDLE_LIMIT, stream.write_all(&whole)).await??;
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::LocalSet;

    fn run(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(LocalSet::new().run_until(async { timeout(Duration::from_secs(10), work).await.unwrap() }));
    }

    #[test]
    fn questions_of_both_kinds_are_answered_in_any_order() {
        run(async {
            let names = Names::default();
            let address = names.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.send_to(b"one", address).await.unwrap();
            let one = names.next().await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"\0\x03two").await.unwrap();
            let two = names.next().await;
            assert_eq!((&one.message[..], one.tcp, &two.message[..], two.tcp), (&b"one"[..], false, &b"two"[..], true));
            names.answer(two.id, Bytes::from_static(b"second"));
            names.answer(one.id, Bytes::from_static(b"first"));
            names.answer(99, Bytes::new());
            let mut buffer = [0; 16];
            assert_eq!(socket.recv_from(&mut buffer).await.unwrap(), (5, address));
            assert_eq!(&read_message(&mut stream).await.unwrap()[..], b"second");
            // No answer: the connection ends.
            stream.write_all(b"\0\x03two").await.unwrap();
            names.answer(names.next().await.id, Bytes::new());
            assert!(read_message(&mut stream).await.is_err());
        });
    }

    #[test]
    fn only_the_loopback_is_served() {
        run(async {
            let names = Names::default();
            for address in ["0.0.0.0", "192.0.2.1", "name", ""] {
                assert_eq!(names.serve(address).await.unwrap_err().code, Code::InvalidArgument);
            }
        });
    }
}
