//! The shim's request, as JSON; the shim's side is src/host/mount-helper.ts.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Request {
    /// The requesting process; nothing is done once it is gone.
    pub parent: u32,
    /// The folder that everything is below; an absolute path without links.
    pub root: PathBuf,
    /// Performed in order, up to the first that fails.
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Turns the root into a shared mount.
    Share,
    Bind(Bind),
    Mount(FileSystem),
    /// Unmounts the target and removes it; it must be empty by then.
    Remove(Target),
    /// Unmounts the root and with it everything below.
    UnmountAll,
    /// Removes the root, a sandbox's folder, with the files that a sandbox keeps there; see removal.rs.
    Clear,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub target: PathBuf,
}

/// Bind-mounts the source on the target, which is relative to the root.
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
    /// What paths in the options are relative to.
    pub folder: Option<PathBuf>,
    /// Lower folders of an id-mapped overlay; the options then have none.
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
