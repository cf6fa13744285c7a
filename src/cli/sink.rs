//! Where an export goes: stdout, or a file that is there whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::cli::screen;
use crate::diagnostic::Diagnostic;

/// Where an export goes. A file is there whole or not at all.
pub(super) enum Sink {
    Stdout,
    File {
        partial: PathBuf,
        file: fs::File,
    },
    /// No file but a device or a pipe: nothing may take its place.
    Device {
        path: PathBuf,
        file: fs::File,
    },
}

impl Sink {
    /// A file that only its owner may read.
    pub(super) fn file(path: &Path) -> Result<Self, Failure> {
        Self::open(path, 0o600)
    }

    /// A file for others, too.
    pub(super) fn shared(path: &Path) -> Result<Self, Failure> {
        Self::open(path, 0o666)
    }

    #[cfg_attr(
        not(unix),
        expect(unused_variables, reason = "only there files have a mode")
    )]
    fn open(path: &Path, mode: u32) -> Result<Self, Failure> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let file = fs::OpenOptions::new().write(true).open(path);
            let file = file.map_err(|e| unwritable(path, &e))?;
            let path = path.to_owned();
            return Ok(Self::Device { path, file });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let partial = path.with_file_name(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let file = options.open(&partial).map_err(|e| unwritable(path, &e))?;
        Ok(Self::File { partial, file })
    }

    /// More of it.
    pub(super) fn write(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout => screen::out(text),
            Self::File { partial, file } => {
                file.write_all(text.as_bytes())
                    .map_err(|e| unwritable(partial, &e))?;
            }
            Self::Device { path, file } => {
                file.write_all(text.as_bytes())
                    .map_err(|e| unwritable(path, &e))?;
            }
        }
        Ok(())
    }

    /// All of it.
    pub(super) fn finish(self, path: Option<&Path>) -> Result<(), Failure> {
        if let (Self::File { partial, file }, Some(path)) = (&self, path) {
            file.sync_all()
                .and_then(|()| fs::rename(partial, path))
                .map_err(|e| unwritable(path, &e))?;
        }
        Ok(())
    }
}

impl Drop for Sink {
    /// What was not finished is nobody's; after a rename there is nothing of this name.
    fn drop(&mut self) {
        if let Self::File { partial, .. } = self {
            let _ = fs::remove_file(partial);
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Diagnostic::error(format!("cannot write {}: {error}", path.display())).into()
}
