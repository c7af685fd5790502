//! Files of the share that the kernel remembers: the host holds each of them.

use std::fs;

use tokio::task::spawn_blocking;

use crate::ttrpc::{Context, Result};

/// Bits of `vm.drop_caches` (Documentation/admin-guide/sysctl/vm.rst): pages, names and files; and not to log it.
const PAGES: u32 = 1;
const FILES: u32 = 2;
const QUIET: u32 = 4;

/// Has the kernel forget all files that nobody uses, also those of which it has content when told so: a file with pages is
/// kept as long as they are.
pub async fn forget_files(with_content: bool) -> Result<()> {
    let what = FILES | QUIET | if with_content { PAGES } else { 0 };
    let forget = move || fs::write("/proc/sys/vm/drop_caches", what.to_string());
    match spawn_blocking(forget).await {
        Ok(done) => done.context(|| "vm.drop_caches"),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
