//! The OCI runtime specification of a container, as JSON: read from a request, then fitted to the guest.
//!
//! It stays a JSON value on its way, so that parts the agent does not know reach crun unharmed.

mod fit;
mod from_proto;
mod resources;

pub use fit::{Fitted, Guest, fit, fit_process};
pub use from_proto::{process_from_proto, resources_from_proto, spec_from_proto};
pub use resources::{Support, fit_resources};

use serde_json::Value;

use crate::r#gen::grpc::{CreateContainerRequest, ExecProcessRequest, UpdateContainerRequest};
use crate::ttrpc::{Result, Status};

/// The specification that a CreateContainer request carries.
pub fn spec_of(request: &CreateContainerRequest) -> Result<Value> {
    if !request.spec_json.is_empty() {
        return object(&request.spec_json, "spec_json");
    }
    let spec = request.oci.as_ref().ok_or_else(|| Status::invalid("the request carries no OCI specification"))?;
    Ok(spec_from_proto(spec))
}

/// The process that an ExecProcess request carries.
pub fn process_of(request: &ExecProcessRequest) -> Result<Value> {
    let process = if !request.process_json.is_empty() {
        object(&request.process_json, "process_json")?
    } else {
        let process = request.process.as_ref().ok_or_else(|| Status::invalid("the request carries no process"))?;
        process_from_proto(process)
    };
    check_process(&process)?;
    Ok(process)
}

/// The resources that an UpdateContainer request carries.
pub fn resources_of(request: &UpdateContainerRequest) -> Result<Value> {
    if !request.resources_json.is_empty() {
        return object(&request.resources_json, "resources_json");
    }
    let resources = request.resources.as_ref().ok_or_else(|| Status::invalid("the request carries no resources"))?;
    Ok(resources_from_proto(resources))
}

/// Checks what crun would only complain about obscurely.
pub fn check_process(process: &Value) -> Result<()> {
    if process["args"].as_array().is_none_or(|args| args.is_empty()) {
        return Err(Status::invalid("process.args is empty: there is no command to run"));
    }
    match process["cwd"].as_str() {
        Some(cwd) if cwd.starts_with('/') => Ok(()),
        cwd => Err(Status::invalid(format!("process.cwd must be an absolute path, it is {:?}", cwd.unwrap_or("")))),
    }
}

fn object(json: &[u8], field: &str) -> Result<Value> {
    match serde_json::from_slice(json) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Status::invalid(format!("{field} is not a JSON object"))),
        Err(e) => Err(Status::invalid(format!("{field} is not valid JSON: {e}"))),
    }
}
