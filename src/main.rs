//! The `countersign` program.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Hashing and short-lived buffers of many threads are what the system's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    countersign::cli::run(std::env::args_os(), std::env::vars_os())
}
