//! The program as a user builds it: optimised, without failpoints.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of the release build: `RUNNER_RELEASE_BIN`, or built here (a no-op when it is up to date).
pub fn release_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(path) = std::env::var_os("RUNNER_RELEASE_BIN") {
            return path.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args(["build", "--release", "--locked", "--bin", "runner"])
            .current_dir(root);
        // Cargo tells a test about its package in variables that build scripts of dependencies watch:
        // with them the same build would begin again.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                build.env_remove(name);
            }
        }
        let status = build
            .status()
            .unwrap_or_else(|error| panic!("{build:?}: {error}"));
        assert!(status.success(), "{build:?}: {status}");
        // The debug program lies in `<target>/debug`, the release build beside that folder.
        let debug = Path::new(env!("CARGO_BIN_EXE_runner"))
            .parent()
            .expect("a folder");
        debug
            .parent()
            .expect("the target folder")
            .join("release/runner")
    })
}

/// Whether times are asserted: `RUNNER_TEST_MEASURE=1`, on a machine that does nothing else.
pub fn measuring() -> bool {
    std::env::var_os("RUNNER_TEST_MEASURE").is_some()
}
