//! The program `countersign`. All there is to it is in [`countersign::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::main()
}
