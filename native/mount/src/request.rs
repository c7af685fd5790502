//! What the shim asks for, as JSON: its side is src/host/mount-helper.ts.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Request {
    /// The process that asks; nothing is done once it is gone.
    pub parent: u32,
    /// The folder below which everything lies; an absolute path without links.
    pub root: PathBuf,
    /// Done in order, up to the first that fails.
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Waits until the file system of a source has answered, whatever it says.
    Look(Source),
    /// Makes the root a shared mount of its own.
    Share,
    Bind(Bind),
    Mount(FileSystem),
    /// Unmounts what is on the target and removes it, which must be empty then.
    Remove(Target),
    /// Unmounts the root itself, and with it all below.
    UnmountAll,
    /// Removes the root, a sandbox's folder, with what sandboxes have in it; see removal.rs.
    Clear,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub source: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub target: PathBuf,
}

/// Shows at the target, relative to the root, what is at the source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Bind {
    pub source: PathBuf,
    pub target: PathBuf,
    /// `rbind`, `ro` and the like.
    pub options: Vec<String>,
    pub id_map: Option<IdMap>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileSystem {
    #[serde(rename = "type")]
    pub kind: String,
    pub source: PathBuf,
    pub target: PathBuf,
    pub options: Vec<String>,
    /// What relative paths in the options count from.
    pub folder: Option<PathBuf>,
    /// Lower folders of an overlay, where their owners are to be mapped; they are not among the options then.
    #[serde(default)]
    pub lower: Vec<PathBuf>,
    pub id_map: Option<IdMap>,
}

/// `inside:outside:count,...`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMap {
    pub uids: String,
    pub gids: String,
}
