//! Bytes that nobody wrote, for the three readers that take what comes: COPY cells, pairs of types, headers of rules.
//! Seconds here; `RUNNER_TEST_FUZZ_SECONDS` makes it minutes (tests/long). What was ever found lies in `tests/corpus` and
//! is replayed first; a failure names the file to put there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::row::{Rows, escape_into, unescape};
use runner::rule::{Library, Rule};
use runner::script::SourceText;
use runner::value::{Logical, Pair, fit_text, pair};

use crate::support::Random;

/// What mutations are made with, besides single bytes.
const WORDS: &[&[u8]] = &[
    b"\\N",
    b"\\.",
    b"\\\\",
    b"\\x41",
    b"\t",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"\xf0\x9f",
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"9223372036854775808",
    b"0001-01-01 BC",
    b"24:00:00",
    b"+15:59:59",
    b"{\"a\":[",
    b"\\ud800",
    b"}}",
    b"#{",
    b"`${",
    b"/*",
    b"\"",
    b"'",
    b"const RULE = #{",
    b"key: \"id\",",
    b"=>",
    b"..",
    b"\xe2\x80\xae",
];

/// How long one reader is tried.
fn time() -> Duration {
    let asked = std::env::var("RUNNER_TEST_FUZZ_SECONDS").ok();
    Duration::from_secs(asked.and_then(|s| s.parse().ok()).unwrap_or(3))
}

fn mutate(random: &mut Random, input: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() as u64 + 1) as usize;
        match random.below(6) {
            0 if at < input.len() => input[at] = random.next() as u8,
            1 if at < input.len() => input[at] ^= 1 << random.below(8),
            2 => {
                let end = (at + random.below(9) as usize).min(input.len());
                input.drain(at..end);
            }
            3 => {
                let end = (at + random.below(32) as usize).min(input.len());
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            4 => {
                let word = WORDS[random.below(WORDS.len() as u64) as usize];
                input.splice(at..at, word.iter().copied());
            }
            _ => input.insert(at, random.next() as u8),
        }
    }
    input.truncate(4_096);
}

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name)
}

/// Replays what was found, then mutates it and the seeds until the time is over.
fn fuzz(name: &str, seeds: &[&[u8]], check: impl Fn(&[u8])) {
    let mut known: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    for file in std::fs::read_dir(corpus(name)).expect("a folder of the corpus") {
        known.push(std::fs::read(file.expect("a file").path()).expect("its bytes"));
    }
    let hold = |input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| check(input))).is_err() {
            let file = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            std::fs::write(&file, input).expect("the finding is kept");
            panic!(
                "{name}: fails on {:?}; put {} into {}",
                String::from_utf8_lossy(input),
                file.display(),
                corpus(name).display()
            );
        }
    };
    for input in &known {
        hold(input);
    }
    let seed = std::env::var("RUNNER_TEST_FUZZ_SEED").ok();
    let mut random = Random::new(seed.and_then(|s| s.parse().ok()).unwrap_or(1));
    let (began, mut cases) = (Instant::now(), 0_u64);
    while began.elapsed() < time() {
        let mut input = known[random.below(known.len() as u64) as usize].clone();
        for _ in 0..=random.below(3) {
            mutate(&mut random, &mut input);
        }
        hold(&input);
        cases += 1;
    }
    eprintln!("fuzz: {name}: {} known, {cases} cases", known.len());
    assert!(cases > 100, "{cases} cases are no test");
}

/// A cell means the same however it is spelled, and lines are taken apart where they were joined.
#[test]
fn the_copy_codec_takes_any_bytes() {
    let seeds: &[&[u8]] = &[
        b"",
        b"1\ta\\tb\t\\N",
        b"\\\\N\t\\b\\f\\v",
        b"caf\xe9\t\\",
        b"x\\.\t\\.",
        b"\\x41\\101",
    ];
    fuzz("copy", seeds, |line| {
        let meant = unescape(line).into_owned();
        let mut spelled = Vec::new();
        escape_into(&meant, &mut spelled);
        assert!(!spelled.iter().any(|b| matches!(b, b'\t' | b'\n' | b'\r')));
        assert_eq!(unescape(&spelled).as_ref(), &meant[..]);
        let cells: Vec<&[u8]> = line.split(|b| *b == b'\t').collect();
        let names: Vec<String> = (0..cells.len()).map(|n| format!("c{n}")).collect();
        let mut rows = Rows::new(names.into());
        assert!(rows.push_line(line));
        assert!(!rows.push_line(&[line, b"\t"].concat()));
        for cell in &cells {
            rows.push_cell(Some(&unescape(cell)));
        }
        for (column, cell) in cells.iter().enumerate() {
            let null = *cell == b"\\N";
            assert_eq!(rows.raw(0, column).is_none(), null);
            if !null {
                assert_eq!(rows.cell(0, column), rows.cell(1, column));
                assert_eq!(rows.cell(0, column).as_deref(), Some(&unescape(cell)[..]));
            }
        }
    });
}

fn types() -> Vec<Logical> {
    let labels: Arc<[String]> = ["open".to_owned(), "shut".to_owned()].into();
    let mut all: Vec<Logical> = [
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "numeric(12,2)",
        "real",
        "double precision",
        "text",
        "character varying(5)",
        "character(3)",
        "bytea",
        "date",
        "time without time zone",
        "time with time zone",
        "timestamp without time zone",
        "timestamp(3) without time zone",
        "timestamp with time zone",
        "interval",
        "uuid",
        "json",
        "jsonb",
        "text[]",
        "integer[]",
        "inet",
    ]
    .iter()
    .map(|name| Logical::from_pg(name, None))
    .collect();
    all.push(Logical::from_pg("mood", Some(labels)));
    all.push(Logical::from_sqlite("DATETIME"));
    all.push(Logical::from_sqlite(""));
    all
}

/// Every pair of types takes every text or refuses it: the same way twice, and as a text that its column takes.
#[test]
fn every_pair_of_types_takes_any_text() {
    let all = types();
    let seeds: &[&[u8]] = &[
        b"t",
        b"-32768",
        b"0.10",
        b"1e5",
        b"NaN",
        b"\\x00ff",
        b"2024-02-29",
        b"2024-03-31 02:30:00+01",
        b"24:00:00",
        b"1 mon -1 day +00:00:00.000001",
        b"00000000-0000-0000-0000-000000000000",
        b"{\"a\": [1.10, null, \"\\u00e9\"]}",
        b"{NULL,\"a,b\",{1}}",
        b"open",
        b"infinity",
        b"4713-01-01 00:00:00 BC",
    ];
    fuzz("pairs", seeds, |bytes| {
        // whoever reads a cell refuses NUL before anything else is done with it
        let text = String::from_utf8_lossy(bytes).replace('\0', "");
        // two numbers out of the text choose the pair, so that a finding comes back
        let sum = |step: usize| {
            bytes
                .iter()
                .step_by(step)
                .map(|b| usize::from(*b))
                .sum::<usize>()
        };
        let (from, to) = (
            &all[sum(1) % all.len()],
            &all[(sum(2) + bytes.len()) % all.len()],
        );
        let _ = (Logical::from_pg(&text, None), Logical::from_sqlite(&text));
        for zone in [None, Some("Europe/Berlin")] {
            let Pair::Convert(conversion) = pair(from, to, zone) else {
                continue;
            };
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            let first = conversion
                .apply(&text, &mut once)
                .map_err(|misfit| misfit.why);
            let second = conversion
                .apply(&text, &mut twice)
                .map_err(|misfit| misfit.why);
            assert_eq!((&first, &once), (&second, &twice));
            if first.is_ok() {
                let made = std::str::from_utf8(&once).expect("text");
                assert!(!made.contains('\0'), "{from} to {to}: NUL");
            }
        }
        if let Ok(fitting) = fit_text(&text, to) {
            assert!(fit_text(&fitting, to).is_ok(), "{to} refuses what it made");
        }
    });
}

/// A header is read or refused, and what is refused is somewhere in the text.
#[test]
fn the_header_reader_takes_any_text() {
    let shipped = [
        "purchases",
        "technicians",
        "brackets",
        "treatment_discussions",
    ]
    .map(|name| {
        let file = format!("rules/{name}.rhai");
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a rule")
    });
    let small: &[u8] = b"const RULE = #{ base: \"a\", key: [\"x\", \"y\"], target: \"b\", ids: #{ c: #{ legacy: \"l\", from: [\"d.e\"] } }, expect: #{ min_success: 0.95 } };\nfn transform(row) { #{ a: row.a } }\n";
    let mut seeds: Vec<&[u8]> = shipped
        .iter()
        .map(|text| &text[..text.len().min(4_000)])
        .collect();
    seeds.push(small);
    fuzz("header", &seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let source = SourceText {
            path: "rules/fuzz.rhai".into(),
            text: text.as_ref().into(),
        };
        let lines = text.lines().count() + 1;
        if let Err(problems) = Rule::parse(&source, &Library::default()) {
            assert!(!problems.is_empty(), "refused without a word");
            for problem in problems {
                let shown = problem.to_string();
                let place = shown.split("rules/fuzz.rhai:").nth(1);
                let line = place.and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
                assert!(line.is_none_or(|line| line <= lines), "{shown}");
            }
        }
    });
}
