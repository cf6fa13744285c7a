//! Keys, certificates and other files of the stand-in's servers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::server::{Ids, command, succeed};

pub(super) fn program(name: &str) -> PathBuf {
    [
        "/usr/sbin",
        "/usr/bin",
        "/usr/local/bin",
        "/opt/homebrew/bin",
    ]
    .iter()
    .map(|folder| Path::new(folder).join(name))
    .find(|path| path.is_file())
    .unwrap_or_else(|| panic!("no {name}: run `tests/run --tools`, or install it"))
}

type Owner = Option<Ids>;

/// A file that only the server's user can read.
pub(super) fn written(dir: &Path, name: &str, text: &str, ids: Owner) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
    if let Some(ids) = ids {
        std::os::unix::fs::chown(&path, Some(ids.uid), Some(ids.gid)).expect("chown");
    }
    path
}

fn openssl(dir: &Path, arguments: &[&str], ids: Owner) {
    succeed(
        command(program("openssl"), ids)
            .current_dir(dir)
            .args(arguments),
    );
}

/// Asks for a certificate with a key of its own.
fn request(dir: &Path, key: &str, out: &str, subject: &str, more: &[&str], ids: Owner) {
    let fixed = [
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-out",
        out,
        "-subj",
        subject,
    ];
    openssl(dir, &[&fixed[..], more].concat(), ids);
}

pub(super) fn authority(dir: &Path, name: &str, ids: Owner) {
    let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
    let by_itself = ["-x509", "-days", "3650"];
    request(dir, &key, &crt, &format!("/CN={name}"), &by_itself, ids);
}

/// A certificate for 127.0.0.1, signed by `ca`, that is good for so many days.
pub(super) fn certificate(dir: &Path, name: &str, days: i32, ids: Owner) {
    let (key, csr, crt) = (
        format!("{name}.key"),
        format!("{name}.csr"),
        format!("{name}.crt"),
    );
    request(dir, &key, &csr, "/CN=127.0.0.1", &[], ids);
    written(
        dir,
        "names",
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        ids,
    );
    let days = days.to_string();
    openssl(
        dir,
        &[
            "x509",
            "-req",
            "-in",
            &csr,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            &crt,
            "-days",
            &days,
            "-extfile",
            "names",
        ],
        ids,
    );
}
