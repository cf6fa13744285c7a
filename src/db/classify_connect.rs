//! Why a connection did not come about, in words for who reads them.

use std::io;

use super::classify::Scene;
use super::{DbError, ErrorKind};

/// The TLS library refuses the server's certificate with an error of reading, and its words are for
/// programmers.
pub(super) fn untrusted(error: &io::Error, scene: Scene<'_>) -> DbError {
    let text = error.to_string();
    let why = [
        ("Expired", "its certificate has expired"),
        ("NotValidForName", "its certificate is for another host"),
        ("not valid for name", "its certificate is for another host"),
        (
            "UnknownIssuer",
            "an authority that is not trusted has signed its certificate",
        ),
        (
            "NotValidYet",
            "its certificate is not valid yet: look at this machine's clock",
        ),
        (
            "not valid yet",
            "its certificate is not valid yet: look at this machine's clock",
        ),
        ("certificate expired", "its certificate has expired"),
    ]
    .into_iter()
    .find_map(|(sign, why)| text.contains(sign).then_some(why))
    .unwrap_or("what it answers is no TLS that can be checked");
    scene
        .error(ErrorKind::Unreachable, &format!("no trusted encrypted connection: {why}"))
        .with_hint(
            "download the authority's certificate (Supabase dashboard, Database settings, SSL) and name the file in TARGET_SSLROOTCERT",
        )
}

pub(super) fn unreachable_host(error: &io::Error, scene: Scene<'_>) -> DbError {
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens at that address".to_owned(),
        io::ErrorKind::UnexpectedEof => "the server hung up while connecting".to_owned(),
        io::ErrorKind::NotFound => "there is nothing at that path".to_owned(),
        kind => {
            let text = error.to_string();
            if text.contains("lookup") || text.contains("resolve") {
                "the host name has no address".to_owned()
            } else {
                format!("the server cannot be reached: {kind}")
            }
        }
    };
    scene
        .error(ErrorKind::Unreachable, &what)
        .with_hint(connect_hint(scene))
}

pub(super) fn connect_hint(scene: Scene<'_>) -> &'static str {
    if scene.place.contains("@db.") && scene.place.contains(".supabase.co") {
        "direct Supabase connections need IPv6: copy the session pooler URL (port 5432) from the dashboard's Connect instead, and check that the project is not paused and that this network is not banned (Database settings, Network bans) or restricted"
    } else if scene.place.contains(".supabase.com") {
        "check that the project is not paused, and in the dashboard's Database settings that this network is not banned after wrong passwords, or shut out by network restrictions"
    } else {
        "check host, port and firewall, and that the server runs"
    }
}
