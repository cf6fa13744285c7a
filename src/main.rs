//! The `runner` program: everything is in the library, so that tests can reach it.

fn main() -> std::process::ExitCode {
    runner::cli::main(std::env::args_os())
}
