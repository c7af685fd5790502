//! The library's messages, as lines on stderr, of which the shim keeps the end.

use log::{LevelFilter, Log, Metadata, Record, set_logger, set_max_level};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        eprintln!("bulkhead-files: {}", record.args());
    }

    fn flush(&self) {}
}

/// Logs warnings and errors. Call this once.
pub fn install() {
    if set_logger(&Stderr).is_ok() {
        set_max_level(LevelFilter::Warn);
    }
}
