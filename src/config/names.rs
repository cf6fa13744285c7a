//! The names under which users keep their database URLs.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::server::Server;
use super::url::DatabaseUrl;
use crate::diagnostic::Diagnostic;

/// Settings of the process and of the file; empty ones count as not set.
pub(super) struct Values {
    pub(super) process: HashMap<String, String>,
    pub(super) file: HashMap<String, String>,
}

impl Values {
    /// The process environment wins over the file.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        [&self.process, &self.file]
            .into_iter()
            .filter_map(|map| map.get(name))
            .map(|value| value.trim())
            .find(|value| !value.is_empty())
    }
}

pub(super) fn source_url(values: &Values) -> Result<Option<DatabaseUrl>, Diagnostic> {
    find(values, "SOURCE", &[])
}

/// Of the names that other tools use, those of a direct connection come first: `DATABASE_URL` is
/// often the transaction pooler's.
pub(super) fn target_url(values: &Values) -> Result<Option<DatabaseUrl>, Diagnostic> {
    find(
        values,
        "TARGET",
        &["DIRECT_URL", "SUPABASE_DB_URL", "DATABASE_URL"],
    )
}

fn find(values: &Values, side: &str, others: &[&str]) -> Result<Option<DatabaseUrl>, Diagnostic> {
    let ours = format!("{side}_DATABASE_URL");
    let mut found = match values.get(&ours) {
        Some(text) => Some(DatabaseUrl::parse(text, &ours)?),
        None => from_parts(values, side)?,
    };
    if found.is_none()
        && let Some(name) = others.iter().find(|name| values.get(name).is_some())
    {
        found = values
            .get(name)
            .map(|text| DatabaseUrl::parse(text, name))
            .transpose()?;
    }
    let certificate = format!("{side}_SSLROOTCERT");
    if let (Some(url), Some(file)) = (&mut found, values.get(&certificate)) {
        if !Path::new(file).is_file() {
            return Err(Diagnostic::error(format!(
                "{certificate} names a file that is not there: {file}"
            ))
            .hint(
                "download it from the Supabase dashboard: Database settings, SSL configuration",
            ));
        }
        url.trust(Path::new(file));
    }
    Ok(found)
}

/// `STATEMENT_TIMEOUT`: seconds.
pub(super) fn patience(values: &Values) -> Result<Option<Duration>, Diagnostic> {
    let Some(text) = values.get("STATEMENT_TIMEOUT") else {
        return Ok(None);
    };
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(Diagnostic::error(
            "STATEMENT_TIMEOUT is not a number of seconds between 1 and 86400",
        )
        .hint("leave it out to wait ten minutes")),
    }
}

/// `SOURCE_DB_HOST`, `_PORT`, `_USER`, `_PASSWORD`, `_NAME`: taken as they are, nothing is encoded.
fn from_parts(values: &Values, side: &str) -> Result<Option<DatabaseUrl>, Diagnostic> {
    let name = |part: &str| format!("{side}_DB_{part}");
    let Some(host) = values.get(&name("HOST")) else {
        return Ok(None);
    };
    let need = |part: &str| {
        values
            .get(&name(part))
            .map(ToOwned::to_owned)
            .ok_or_else(|| {
                Diagnostic::error(format!("{} is set and {} is not", name("HOST"), name(part)))
                    .hint(format!(
                        "set it, or give the whole URL as {side}_DATABASE_URL"
                    ))
            })
    };
    let port = match values.get(&name("PORT")) {
        None => 5432,
        Some(text) => text
            .parse()
            .map_err(|_| Diagnostic::error(format!("{} is not a port number", name("PORT"))))?,
    };
    let server = Server {
        host: host.to_owned(),
        port,
        user: need("USER")?,
        password: values.get(&name("PASSWORD")).map(ToOwned::to_owned),
        database: need("NAME")?,
        tls: None,
        root_cert: None,
    };
    DatabaseUrl::from_server(server, &name("HOST")).map(Some)
}
