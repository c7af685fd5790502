//! What the library has to say, as lines on stderr, which the shim keeps the end of.

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

/// Warnings and errors; to be called once.
pub fn install() {
    if set_logger(&Stderr).is_ok() {
        set_max_level(LevelFilter::Warn);
    }
}
