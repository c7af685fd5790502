//! The services: finds the method of a request, decodes its message, and calls what does the work.

mod connections;
mod containers;
mod guest;
mod streams;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use crate::agent::Agent;
use crate::ttrpc::{Call, Code, Reply, Result, Service, Status};

/// `grpc.AgentService`, `grpc.Health` and `bulkhead.guest.v1.Guest`.
pub struct Services(pub Rc<Agent>);

impl Service for Services {
    fn call(self: Rc<Self>, service: &str, method: &str, payload: Bytes) -> Result<Call> {
        let agent = self.0.clone();
        let found = match service {
            "grpc.AgentService" => containers::find(&agent, method, &payload)
                .or_else(|| streams::find(&agent, method, &payload))
                .or_else(|| guest::find(&agent, method, &payload)),
            "bulkhead.guest.v1.Guest" => connections::find(&agent, method, &payload),
            "grpc.Health" => guest::find_health(method),
            _ => return Err(Status::invalid(format!("there is no service {service:?}"))),
        };
        found.unwrap_or_else(|| Err(Status::unimplemented(format!("/{service}/{method} is not supported"))))
    }
}

/// What a lookup gives: nothing if the method is not known there.
type Found = Option<Result<Call>>;

fn decode<M: Message + Default>(payload: &Bytes) -> Result<M> {
    M::decode(payload.clone()).map_err(|e| Status::new(Code::InvalidArgument, format!("request message: {e}")))
}

/// A call that changes something.
fn complete<M, F>(payload: &Bytes, work: impl FnOnce(M) -> F) -> Found
where
    M: Message + Default,
    F: Future<Output = Result<Reply>> + 'static,
{
    Some(decode(payload).map(|message| Call::Complete(Box::pin(work(message)))))
}

/// A call that changes something, and knows how long the host waits for it.
fn timely<M, F>(payload: &Bytes, work: impl FnOnce(M, Option<Duration>) -> F + 'static) -> Found
where
    M: Message + Default + 'static,
    F: Future<Output = Result<Reply>> + 'static,
{
    Some(decode(payload).map(|message| Call::Timely(Box::new(|limit| Box::pin(work(message, limit))))))
}

/// A call that only waits.
fn wait<M, F>(payload: &Bytes, work: impl FnOnce(M) -> F) -> Found
where
    M: Message + Default,
    F: Future<Output = Result<Reply>> + 'static,
{
    Some(decode(payload).map(|message| Call::Wait(Box::pin(work(message)))))
}

/// A call that is done without waiting. It too has its turn after those that came before it.
fn now<M>(payload: &Bytes, work: impl FnOnce(M) -> Result<Reply> + 'static) -> Found
where
    M: Message + Default + 'static,
{
    complete(payload, |message| async move { work(message) })
}

/// The response of a method that returns nothing.
fn empty(outcome: Result<()>) -> Result<Reply> {
    outcome.map(|()| Reply::message(&()))
}
