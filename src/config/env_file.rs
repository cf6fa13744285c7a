//! The `.env` file: read into a map, never into the process environment.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Place, Severity};

/// What a `.env` file says.
pub(super) struct EnvFile {
    pub(super) path: PathBuf,
    pub(super) values: HashMap<String, String>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl EnvFile {
    /// Reads the file, which must exist. Errors name a line and never show it: a password is there.
    pub(super) fn read(path: &Path) -> Result<Self, Diagnostic> {
        let text = fs::read_to_string(path).map_err(|error| {
            let what = match error.kind() {
                ErrorKind::NotFound => "does not exist".to_owned(),
                ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
                kind => format!("cannot be read: {kind}"),
            };
            Diagnostic::error(format!("the settings file {} {what}", path.display()))
                .hint("check --env-file; `runner init` writes a first one")
        })?;
        let at = |line: usize, message: &str| {
            let place = Place {
                path: path.display().to_string(),
                excerpt: String::new(),
                line,
                column: 0,
            };
            Diagnostic::error(message).at(place)
        };
        if let Some(line) = text.lines().position(substitutes) {
            return Err(at(
                line + 1,
                "a `$` in this value would be taken for a variable",
            )
            .hint("put the value in single quotes: NAME='…'"));
        }
        let mut values = HashMap::new();
        for item in dotenvy::from_read_iter(text.as_bytes()) {
            match item {
                Ok((name, value)) => {
                    values.insert(name, value);
                }
                Err(error) => {
                    let line = match &error {
                        dotenvy::Error::LineParse(bad, _) => text
                            .lines()
                            .position(|l| l.contains(bad.trim()))
                            .map_or(0, |n| n + 1),
                        _ => 0,
                    };
                    return Err(at(line, "this line of the settings file cannot be read")
                        .hint("NAME=value, with single quotes around a value that has spaces or quotes"));
                }
            }
        }
        let warnings = open_to_others(path).into_iter().collect();
        Ok(Self {
            path: path.to_owned(),
            values,
            warnings,
        })
    }
}

/// dotenv replaces `$name` outside single quotes, which would change a password without a word.
fn substitutes(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else {
        return false;
    };
    let ours = ["URL", "PASSWORD", "USER", "HOST", "NAME"]
        .iter()
        .any(|end| name.trim().ends_with(end));
    if !ours || name.trim_start().starts_with('#') || value.trim_start().starts_with('\'') {
        return false;
    }
    let bytes = value.as_bytes();
    bytes
        .iter()
        .enumerate()
        .any(|(at, b)| *b == b'$' && (at == 0 || bytes[at - 1] != b'\\'))
}

/// Other users of the machine can read the passwords.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<Diagnostic> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        let shown = path.display();
        Diagnostic::new(
            Severity::Warning,
            format!("other users of this machine can read {shown}"),
        )
        .hint(format!("chmod 600 {shown}"))
    })
}

#[cfg(not(unix))]
fn open_to_others(_path: &Path) -> Option<Diagnostic> {
    None
}

/// Adds a line, making the file for its owner alone when there is none.
pub(super) fn append(path: &Path, line: &str) -> Result<(), Diagnostic> {
    let write = || {
        let old = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let gap = if old.is_empty() || old.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        options
            .open(path)?
            .write_all(format!("{gap}{line}\n").as_bytes())
    };
    write().map_err(|error| {
        Diagnostic::error(format!(
            "{} cannot be written: {}",
            path.display(),
            error.kind()
        ))
        .hint(format!("add this line yourself: {line}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EnvFile, Diagnostic> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        fs::write(&path, text).expect("a file");
        EnvFile::read(&path)
    }

    #[test]
    fn values_as_people_write_them() {
        let file = read("# comment\nexport A=1\nB='p@ $s#'\nC=\"x y\"\nD=a#b # comment\n\n")
            .expect("good");
        for (name, value) in [("A", "1"), ("B", "p@ $s#"), ("C", "x y"), ("D", "a#b")] {
            assert_eq!(
                file.values.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        for text in [
            "A=1\nTARGET_DB_PASSWORD=s3 cret\n",
            "A=1\nTARGET_DB_PASSWORD=s3$cret\n",
        ] {
            let shown = read(text).err().expect("refused").to_string();
            assert!(shown.contains(".env:2") && !shown.contains("s3"), "{shown}");
        }
        let missing = EnvFile::read(Path::new("nowhere/.env"))
            .err()
            .expect("refused");
        assert!(missing.to_string().contains("nowhere/.env does not exist"));
    }

    #[cfg(unix)]
    #[test]
    fn an_open_file_is_warned_of_and_a_new_one_is_closed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        append(&path, "A=1").expect("written");
        append(&path, "B=2").expect("written");
        assert!(EnvFile::read(&path).expect("good").warnings.is_empty());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        let file = EnvFile::read(&path).expect("good");
        assert_eq!((file.warnings.len(), file.values.len()), (1, 2));
    }
}
