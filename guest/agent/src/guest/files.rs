//! Files of the share that the kernel remembers: the host holds each of them.

use std::fs;

use crate::blocking;
use crate::ttrpc::{Context, Result};

/// Values of `vm.drop_caches` (fs/drop_caches.c): names and files, those and pages, and not to log it from now on.
const FILES: &str = "2";
const FILES_AND_PAGES: &str = "3";
const QUIET: &str = "4";

/// Has the kernel forget all files that nobody uses, also those of which it has content when told so: a file with pages is
/// kept as long as they are.
pub async fn forget_files(with_content: bool) -> Result<()> {
    let forget = move || {
        let drop = |what| fs::write("/proc/sys/vm/drop_caches", what).context(|| "vm.drop_caches");
        drop(QUIET).and_then(|()| drop(if with_content { FILES_AND_PAGES } else { FILES }))
    };
    blocking::run("vm.drop_caches", forget).await
}
