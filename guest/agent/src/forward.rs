//! Connections that the host makes to programs in the sandbox (`bulkhead.guest.v1.Guest`): it has no way into the
//! guest's loopback but this one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, SetOnce};
use tokio::time::timeout;

use crate::ttrpc::{Code, Context, HEADROOM, Result, Status};

/// A loopback connection is accepted or refused at once, unless the listener's queue is full.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// At most this much is read at once.
const READ_LIMIT: usize = 256 << 10;

struct Connection {
    stream: TcpStream,
    closed: SetOnce<()>,
    reading: Mutex<()>,
    writing: Mutex<()>,
}

/// The open connections by the ids that the host has chosen.
#[derive(Default)]
pub struct Connections(RefCell<HashMap<u32, Option<Rc<Connection>>>>);

impl Connections {
    /// Connects to a port of the loopback, on the preferred address family first.
    pub async fn dial(&self, id: u32, port: u32, ipv6: bool) -> Result<()> {
        let port = u16::try_from(port).ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| Status::invalid("no such port"))?;
        if self.0.borrow().contains_key(&id) {
            return Err(Status::new(Code::AlreadyExists, format!("connection {id} already exists")));
        }
        // Takes the id; a close meanwhile takes it away again.
        self.0.borrow_mut().insert(id, None);
        let mut addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        if ipv6 {
            addresses.reverse();
        }
        let stream = match connect(addresses[0], port).await {
            Ok(stream) => Ok(stream),
            Err(first) => connect(addresses[1], port).await.map_err(|_| first),
        };
        let mut table = self.0.borrow_mut();
        match stream {
            Ok(stream) if table.contains_key(&id) => {
                let connection =
                    Connection { stream, closed: SetOnce::new(), reading: Mutex::new(()), writing: Mutex::new(()) };
                table.insert(id, Some(Rc::new(connection)));
                Ok(())
            }
            Ok(_) => Err(Status::new(Code::Unavailable, "closed while connecting")),
            Err(error) => {
                table.remove(&id);
                Err(Status::new(Code::Unavailable, format!("connect to port {port} in the sandbox: {error}")))
            }
        }
    }

    fn get(&self, id: u32) -> Result<Rc<Connection>> {
        let found = self.0.borrow().get(&id).cloned().flatten();
        found.ok_or_else(|| Status::not_found(format!("no connection {id}")))
    }

    /// Waits for data; it lies behind `HEADROOM` bytes, and no data is the end.
    pub async fn read(&self, id: u32, length: u32) -> Result<Vec<u8>> {
        let connection = self.get(id)?;
        let _turn = connection.reading.lock().await;
        let length = (length as usize).clamp(1, READ_LIMIT);
        let mut buffer = vec![0; HEADROOM + length];
        loop {
            tokio::select! {
                biased;
                _ = connection.closed.wait() => break,
                ready = connection.stream.readable() => ready.context(|| "connection")?,
            }
            match connection.stream.try_read(&mut buffer[HEADROOM..]) {
                Ok(n) => {
                    buffer.truncate(HEADROOM + n);
                    return Ok(buffer);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(Status::new(Code::Unavailable, format!("connection {id}: {e}"))),
            }
        }
        buffer.truncate(HEADROOM);
        Ok(buffer)
    }

    /// Writes everything, and then closes this direction if it is the `end`.
    pub async fn write(&self, id: u32, data: Bytes, end: bool) -> Result<()> {
        let connection = self.get(id)?;
        let _turn = connection.writing.lock().await;
        let broken = |e: &dyn std::fmt::Display| Status::new(Code::Unavailable, format!("connection {id}: {e}"));
        let mut rest = &data[..];
        while !rest.is_empty() {
            tokio::select! {
                biased;
                _ = connection.closed.wait() => return Err(broken(&"closed")),
                ready = connection.stream.writable() => ready.map_err(|e| broken(&e))?,
            }
            match connection.stream.try_write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(broken(&e)),
            }
        }
        if end {
            shutdown(connection.stream.as_raw_fd(), Shutdown::Write).map_err(|e| broken(&e))?;
        }
        Ok(())
    }

    /// Closes a connection; whoever waits for it is answered.
    pub fn close(&self, id: u32) {
        if let Some(Some(connection)) = self.0.borrow_mut().remove(&id) {
            let _ = connection.closed.set(());
        }
    }
}

async fn connect(address: IpAddr, port: u16) -> io::Result<TcpStream> {
    let stream = timeout(DIAL_LIMIT, TcpStream::connect((address, port))).await.map_err(io::Error::other)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
