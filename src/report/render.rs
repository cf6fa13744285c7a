//! Templates: ours are compiled in, a user's own can be given. Only this file names minijinja.

use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use sha2::Digest as _;

use crate::diagnostic::{Diagnostic, Place};
use crate::report::Report;

const HTML: &str = include_str!("../../report-templates/report.html.j2");
const MARKDOWN: &str = include_str!("../../report-templates/report.md.j2");
const TEXT: &str = include_str!("../../report-templates/report.txt.j2");

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One self-contained page.
    Html,
    /// Markdown with tables.
    Markdown,
    /// The whole [`Report`], for programs.
    Json,
    /// For a terminal or a mail.
    Text,
}

impl Format {
    /// The format that a file's name asks for.
    pub fn of_file(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "html" | "htm" => Some(Self::Html),
            "md" => Some(Self::Markdown),
            "json" => Some(Self::Json),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }

    fn built_in(self) -> (&'static str, &'static str) {
        match self {
            Self::Html => ("report.html.j2", HTML),
            Self::Markdown => ("report.md.j2", MARKDOWN),
            Self::Text | Self::Json => ("report.txt.j2", TEXT),
        }
    }
}

/// Renders with the built-in template or with the user's.
pub fn render(
    report: &Report,
    format: Format,
    template: Option<&Path>,
) -> Result<String, Diagnostic> {
    if format == Format::Json && template.is_none() {
        return serde_json::to_string_pretty(report).map_err(|error| {
            Diagnostic::error(format!("cannot write the report as JSON: {error}"))
        });
    }
    let (name, text) = match template {
        None => (
            format.built_in().0.to_owned(),
            format.built_in().1.to_owned(),
        ),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                Diagnostic::error(format!("cannot read the template: {error}"))
                    .at(Place::file(file.display().to_string()))
            })?;
            (file.display().to_string(), text)
        }
    };
    let mut environment = environment(format);
    environment
        .add_template(&name, &text)
        .map_err(|error| broken(&error, &name, &text))?;
    let page = environment
        .get_template(&name)
        .and_then(|found| found.render(Serde(report)))
        .map_err(|error| broken(&error, &name, &text))?;
    Ok(visible(&page))
}

/// What a page says about itself, so that it can be made again and compared: its form and its moment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// `html`, `md`, `json` or `txt`.
    pub format: String,
    /// [`Report::made_at`].
    pub made_at: String,
    /// [`Report::made_by`].
    pub made_by: String,
    /// SHA-256 of the template, when it is not the built-in one.
    pub template: Option<String>,
}

/// Begins the stamp of a page.
const STAMP: &str = "runner-report ";

impl Format {
    /// The word on a stamp.
    pub fn word(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Json => "json",
            Self::Text => "txt",
        }
    }

    /// The format of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Html, Self::Markdown, Self::Json, Self::Text]
            .into_iter()
            .find(|format| format.word() == word)
    }
}

/// Renders and stamps; JSON says the same in its fields, as far as no template is in between. What a template of
/// one's own prints on stdout is left as it is: another program may read it.
pub fn page(
    report: &Report,
    format: Format,
    template: Option<&Path>,
) -> Result<String, Diagnostic> {
    let mut text = render(report, format, template)?;
    if format == Format::Json {
        return Ok(text);
    }
    let hash = template
        .and_then(|file| std::fs::read(file).ok())
        .map(|bytes| crate::db::hex(&sha2::Sha256::digest(bytes)));
    let stamp = Stamp {
        format: format.word().to_owned(),
        made_at: report.made_at.clone(),
        made_by: report.made_by.clone(),
        template: hash,
    };
    let stamp = serde_json::to_string(&stamp).unwrap_or_default();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&match format {
        Format::Text => format!("{STAMP}{stamp}\n"),
        _ => format!("<!-- {STAMP}{stamp} -->\n"),
    });
    Ok(text)
}

/// Reads the stamp of a page; `None` when it has none.
pub fn stamp_of(page: &str) -> Option<Stamp> {
    if page.trim_start().starts_with('{') {
        let report: serde_json::Value = serde_json::from_str(page).ok()?;
        let get = |name: &str| report[name].as_str().map(ToOwned::to_owned);
        return Some(Stamp {
            format: "json".into(),
            made_at: get("made_at")?,
            made_by: get("made_by")?,
            template: None,
        });
    }
    let line = page.lines().rev().find(|line| line.contains(STAMP))?;
    let (_, stamp) = line.split_once(STAMP)?;
    serde_json::from_str(stamp.trim_end_matches(" -->")).ok()
}

fn environment(format: Format) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // lines that hold only a tag leave nothing behind
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the default delimiters are sound"),
    );
    environment.set_auto_escape_callback(move |_| {
        if format == Format::Html {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.add_filter("thousands", thousands);
    environment.add_filter("amount", |text: &str| amount(text));
    environment.add_filter("percent", |share: f64| percent(share));
    environment.add_filter("duration", |seconds: f64| duration(seconds));
    environment.add_filter("moment", |text: &str| moment(text));
    environment.add_filter("prose", |text: &str| Value::from_safe_string(prose(text)));
    environment.add_filter("md", |text: &str| markdown(text));
    // a key may hold a line end, and what follows it must not look like a line of ours
    environment.add_filter("one_line", |text: &str| {
        text.replace('\n', "\\u{a}").replace('\r', "\\u{d}")
    });
    environment.add_filter("pad", |text: String, width: usize| {
        format!("{text:<width$}")
    });
    environment.add_filter("padl", |text: String, width: usize| {
        format!("{text:>width$}")
    });
    environment
}

fn broken(error: &minijinja::Error, name: &str, text: &str) -> Diagnostic {
    let place = error.line().map_or_else(
        || Place::file(name),
        |line| Place::in_text(name, text, line, 0),
    );
    let detail = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| format!("{}: {detail}", error.kind()),
    );
    Diagnostic::error(format!("the report's template does not work: {detail}")).at(place)
}

/// Keys, codes and messages come from databases and scripts: control characters and direction marks,
/// which would steer a terminal or reorder a line, show as their code points.
pub fn visible(page: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    page.chars()
        .fold(String::with_capacity(page.len()), |mut out, c| {
            if hidden(c) {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            } else {
                out.push(c);
            }
            out
        })
}

/// `12,345`
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A decimal's text with its thousands apart; anything else as it is.
pub(super) fn amount(text: &str) -> String {
    let (whole, places) = text
        .split_once('.')
        .map_or((text, None), |(w, p)| (w, Some(p)));
    match (whole.parse::<i64>(), places) {
        (Ok(number), Some(places)) if number != 0 => format!("{}.{places}", thousands(number)),
        (Ok(number), None) => thousands(number),
        _ => text.to_owned(),
    }
}

/// Rounded down, so that 99.99 % never reads as all of it.
fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).floor();
    if tenths % 10.0 == 0.0 {
        format!("{:.0} %", tenths / 10.0)
    } else {
        format!("{:.1} %", tenths / 10.0)
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// A server time to the second.
fn moment(text: &str) -> String {
    match text.split_once('.') {
        Some((seconds, rest)) if rest.ends_with("+00") => format!("{seconds} UTC"),
        _ => text
            .strip_suffix("+00")
            .map_or_else(|| text.to_owned(), |t| format!("{t} UTC")),
    }
}

/// A sentence for HTML: escaped, and what stands in backticks as code.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut code = false;
    for c in text.chars() {
        match c {
            '`' => {
                out.push_str(if code { "</code>" } else { "<code>" });
                code = !code;
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            _ => out.push(c),
        }
    }
    if code {
        out.push_str("</code>");
    }
    out
}

/// Text inside a Markdown table cell, inert.
fn markdown(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests;
