//! The command `kern`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kernelos_node::cli::main()
}
