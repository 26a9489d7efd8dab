//! Parses the command line, runs the verb, exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    reconcile::cli::main()
}
