//! Serves one connection: reads frames, runs each call as a task of its own, sends responses as they finish.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::timeout;

use super::channel::Channel;
use super::frame::{HEADER, Incoming, OutFrame, Request, take_frame};
use super::{Code, Reply, Result, Status};

/// Receive buffer: room for many small requests, and little enough to keep for the agent's whole life.
const RECEIVE_BUFFER: usize = 16 << 10;

type BoxedCall = Pin<Box<dyn Future<Output = Result<Reply>>>>;

/// A call ready to run.
pub enum Call {
    /// Changes something: runs to its end even when the host is gone or no longer waits, so nothing is left half-made.
    Complete(BoxedCall),
    /// Changes something and ends in time by itself: gets how long the host waits, and undoes what it has begun when
    /// that has passed, because the host then knows of nothing that it could end.
    Timely(Box<dyn FnOnce(Option<Duration>) -> BoxedCall>),
    /// As `Complete`, and [`serve`] ends when the response has been sent.
    Last(BoxedCall),
    /// Only waits for something (output, an exit): dropped when the host is gone, so that what it would have taken
    /// is still there for the next connection.
    Wait(BoxedCall),
}

/// What is served.
pub trait Service {
    /// Finds the method and decodes its request; errors are those of an unknown service or method or a bad message.
    fn call(self: Rc<Self>, service: &str, method: &str, payload: Bytes) -> Result<Call>;
}

/// Why [`serve`] came back.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The host closed the connection, or it failed.
    Closed,
    /// A [`Call::Last`] was answered.
    Finished,
}

#[derive(Default)]
struct Outbox {
    frames: RefCell<VecDeque<OutFrame>>,
    filled: Notify,
    finishing: Cell<bool>,
}

impl Outbox {
    fn push(&self, frame: OutFrame) {
        self.frames.borrow_mut().push_back(frame);
        self.filled.notify_one();
    }

    /// Sends frames until the connection fails or the last one has been sent.
    async fn send_all(&self, channel: &Channel<'_>) -> Ended {
        loop {
            let Some(mut frame) = self.frames.borrow_mut().pop_front() else {
                if self.finishing.get() {
                    return Ended::Finished;
                }
                self.filled.notified().await;
                continue;
            };
            if let Err(error) = send(channel, &mut frame).await {
                // The console is where the host looks when the connection is gone.
                eprintln!("bulkhead-agent: the connection to the host broke: {error}");
                return Ended::Closed;
            }
        }
    }
}

async fn send(channel: &Channel<'_>, frame: &mut OutFrame) -> io::Result<()> {
    while !frame.rest().is_empty() {
        let n = channel.write(frame.rest()).await?;
        frame.advance(n);
    }
    match &mut frame.tail {
        Some(relay) => channel.empty(relay).await,
        None => Ok(()),
    }
}

/// Serves the channel until the host closes it or a [`Call::Last`] is done.
pub async fn serve<S: Service + 'static>(channel: Channel<'_>, service: Rc<S>) -> Ended {
    let outbox = Rc::new(Outbox::default());
    let mut waits = JoinSet::new();
    let ended = tokio::select! {
        () = receive_all(&channel, &outbox, service, &mut waits) => Ended::Closed,
        ended = outbox.send_all(&channel) => ended,
    };
    if outbox.finishing.get() { Ended::Finished } else { ended }
}

async fn receive_all<S: Service + 'static>(
    channel: &Channel<'_>,
    outbox: &Rc<Outbox>,
    service: Rc<S>,
    waits: &mut JoinSet<()>,
) {
    let mut buffer = BytesMut::with_capacity(RECEIVE_BUFFER);
    let mut skip = 0;
    loop {
        while let Some(incoming) = take_frame(&mut buffer) {
            match incoming {
                Incoming::Request(stream, request) => start(outbox, service.clone(), waits, stream, *request),
                Incoming::Refused(stream, status) => outbox.push(OutFrame::response(stream, Err(status))),
                Incoming::Ignored => {}
                Incoming::TooLarge(stream, rest) => {
                    skip = rest;
                    let status = Status::new(Code::ResourceExhausted, "request is larger than 4 MiB");
                    outbox.push(OutFrame::response(stream, Err(status)));
                }
            }
        }
        if buffer.capacity() - buffer.len() < HEADER {
            buffer.reserve(RECEIVE_BUFFER);
        }
        match channel.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let skipped = skip.min(buffer.len());
        skip -= skipped;
        let _ = buffer.split_to(skipped);
    }
}

fn start<S: Service + 'static>(
    outbox: &Rc<Outbox>,
    service: Rc<S>,
    waits: &mut JoinSet<()>,
    stream: u32,
    request: Request,
) {
    let limit = u64::try_from(request.timeout_nano).ok().filter(|n| *n > 0).map(Duration::from_nanos);
    let outbox = outbox.clone();
    while waits.try_join_next().is_some() {}
    match service.call(&request.service, &request.method, request.payload) {
        Err(status) => outbox.push(OutFrame::response(stream, Err(status))),
        Ok(Call::Wait(call)) => {
            waits.spawn_local(async move {
                let outcome = within(limit, call).await;
                outbox.push(OutFrame::response(stream, outcome));
            });
        }
        Ok(Call::Last(call)) => {
            spawn_local(async move {
                outbox.push(OutFrame::response(stream, call.await));
                outbox.finishing.set(true);
                outbox.filled.notify_one();
            });
        }
        Ok(Call::Timely(call)) => {
            let call = call(limit);
            spawn_local(async move { outbox.push(OutFrame::response(stream, call.await)) });
        }
        Ok(Call::Complete(call)) => {
            spawn_local(async move {
                let outcome = match limit {
                    None => call.await,
                    Some(_) => {
                        let running = spawn_local(call);
                        let ended =
                            async { running.await.unwrap_or_else(|e| Err(Status::internal(format!("call: {e}")))) };
                        within(limit, Box::pin(ended)).await
                    }
                };
                outbox.push(OutFrame::response(stream, outcome));
            });
        }
    }
}

async fn within(limit: Option<Duration>, call: impl Future<Output = Result<Reply>>) -> Result<Reply> {
    match limit {
        None => call.await,
        Some(limit) => timeout(limit, call)
            .await
            .unwrap_or_else(|_| Err(Status::new(Code::DeadlineExceeded, format!("no answer within {limit:?}")))),
    }
}
