//! Message types written by `codegen.sh` from the repository's proto/ folder. Do not edit.

#[allow(missing_docs, dead_code, clippy::all)]
#[rustfmt::skip]
pub mod grpc;
#[allow(missing_docs, dead_code, clippy::all)]
#[rustfmt::skip]
#[path = "bulkhead.guest.v1.rs"]
pub mod guest;
#[allow(missing_docs, dead_code, clippy::all)]
#[rustfmt::skip]
pub mod types;
