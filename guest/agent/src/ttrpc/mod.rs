//! The server side of ttrpc, as far as unary calls need it.
//!
//! Written here instead of taken from the `ttrpc` crate for one reason: container output. A response that carries
//! stream data is built around the buffer that the pipe was read into (see [`Reply::stream_data`]), so output crosses
//! the agent with one read and one write and no copy in between, and nothing has to be `Send`.

mod channel;
mod frame;
mod relay;
mod server;
mod status;

pub use channel::Channel;
pub use frame::{HEADROOM, MAX_PAYLOAD, Reply};
pub use relay::{Relay, available};
pub use server::{Call, Ended, Service, serve};
pub use status::{Code, Context, Result, Status};
