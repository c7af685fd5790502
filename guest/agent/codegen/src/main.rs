//! Writes the agent's message types: `codegen <proto dir> <output dir>`.
//! The result is committed, so that an ordinary build needs neither protoc nor this crate.

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, protos, out] = args.as_slice() else {
        eprintln!("usage: codegen <proto dir> <output dir>");
        std::process::exit(2);
    };
    let files = protox::compile(["agent.proto", "guest.proto", "health.proto"], [protos]).unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(1);
    });
    // Bytes instead of Vec: a WriteStdin request is then used where it was received, without a copy.
    prost_build::Config::new().bytes(["."]).out_dir(out).compile_fds(files).unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(1);
    });
}
