//! The binary.
fn main() -> std::process::ExitCode {
    skillmeatd::cli::main()
}
