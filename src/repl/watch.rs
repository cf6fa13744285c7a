//! Rule files as they lie on the disk: has somebody saved one?

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often a conversation looks at the files while nobody types.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(30);

/// Which files there are, and when each was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, u64, Option<SystemTime>)>);

/// What a rule is made of: its own file and those of the library.
#[derive(Clone, Debug)]
pub struct Watched {
    rule: PathBuf,
    shared: PathBuf,
}

impl Watched {
    pub(super) fn new(rule: &Path, rules: &Path) -> Self {
        Self {
            rule: rule.to_owned(),
            shared: rules.join("lib"),
        }
    }

    /// How the files are now.
    pub fn stamp(&self) -> Stamp {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&self.shared)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "rhai"))
            .collect();
        paths.sort();
        paths.push(self.rule.clone());
        let files = paths.into_iter().map(|path| {
            let meta = std::fs::metadata(&path).ok();
            let length = meta.as_ref().map_or(0, std::fs::Metadata::len);
            let written = meta.and_then(|meta| meta.modified().ok());
            (path, length, written)
        });
        Stamp(files.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_a_new_and_a_removed_file_are_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let rule = folder.path().join("a.rhai");
        let library = folder.path().join("lib");
        std::fs::create_dir(&library).expect("a folder");
        std::fs::write(&rule, "1").expect("written");
        let watched = Watched::new(&rule, folder.path());
        let mut seen = vec![watched.stamp()];
        assert_eq!(seen[0], watched.stamp());
        std::fs::write(&rule, "12").expect("written");
        seen.push(watched.stamp());
        std::fs::write(library.join("b.rhai"), "1").expect("written");
        seen.push(watched.stamp());
        std::fs::remove_file(&rule).expect("removed");
        seen.push(watched.stamp());
        for pair in seen.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }
}
