//! The report as a browser shows it: alone, on any screen, readable, on paper, whatever stands in a cell.

mod devtools;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::{Engine, Project};
use devtools::Browser;

/// Widths of a desktop and of a phone.
const WIDTHS: [(u32, u32); 2] = [(1280, 900), (390, 844)];

/// A report with something in every section: a hole, an edit, a stranger's row, an accepted class.
fn written(project: &Project) -> PathBuf {
    project.runner(&["run"]).ends_with(3);
    project
        .runner(&[
            "quarantine",
            "accept",
            "template_view_groups",
            "--reason",
            "duplicate_of",
            "--note",
            "the earlier one stays",
        ])
        .ends_with(0);
    project.target.exec(
        "insert into brackets(id, name, bracket_type, active, legacy_bracket_id) values ('00000000-0000-4000-8000-0000000000aa', 'a', 'standard', 1, 99999999);
         delete from treatment_discussions where id in (select min(id) from treatment_discussions)",
    );
    project
        .runner(&["report", "-o", "report.html"])
        .ends_with(0);
    project.path("report.html")
}

/// Every text of the page with what it is written on: those whose contrast is below 4.5.
const FAINT: &str = r"(() => {
    const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
    const ground = (element) => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
    };
    const faint = [];
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (!node.data.trim()) continue;
        texts += 1;
        const element = node.parentElement, style = getComputedStyle(element), below = ground(element);
        const [a, b] = [light(over(parse(style.color), below)), light(below)];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.push(`${node.data.trim().slice(0, 40)} ${contrast.toFixed(2)}`);
    }
    return { texts, faint };
})()";

/// What sticks out of the window sideways.
const WIDE: &str = r"(() => {
    const width = document.documentElement.clientWidth;
    const out = [...document.body.querySelectorAll('*')].filter((e) => {
        const box = e.getBoundingClientRect();
        return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5);
    });
    return { scroll: document.documentElement.scrollWidth, inner: innerWidth,
        out: out.slice(0, 5).map((e) => `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 40)}`) };
})()";

const UNFOLD: &str = "document.querySelectorAll('details').forEach((d) => d.open = true)";

#[test]
fn the_report_is_one_page_that_fits_every_screen_and_can_be_read() {
    let project = Project::demo("0.01", Engine::Sqlite);
    let file = written(&project);
    let mut browser = Browser::open();
    let url = format!("file://{}", file.display());
    for (width, height) in WIDTHS {
        browser.window(width, height);
        for scheme in ["light", "dark"] {
            browser.media("screen", scheme);
            browser.load(&file);
            assert_eq!(
                browser.requests(),
                [url.as_str()],
                "the page asks for more than itself"
            );
            assert!(!browser.happened("Log.entryAdded"), "{:#?}", browser.events);
            // folded and unfolded
            for unfolded in [false, true] {
                if unfolded {
                    browser.evaluate(UNFOLD);
                }
                let wide = browser.evaluate(WIDE);
                assert!(
                    wide["scroll"].as_i64() <= wide["inner"].as_i64(),
                    "{width} {scheme}: {wide:#}"
                );
                assert_eq!(
                    wide["out"],
                    serde_json::json!([]),
                    "{width} {scheme}: {wide:#}"
                );
            }
            let read = browser.evaluate(FAINT);
            assert!(read["texts"].as_i64() > Some(500), "{read}");
            assert_eq!(read["faint"], serde_json::json!([]), "{width} {scheme}");
        }
    }
    // The two schemes are two.
    let mut ground = |scheme: &str| {
        browser.media("screen", scheme);
        browser.evaluate("getComputedStyle(document.body).backgroundColor")
    };
    assert_ne!(ground("light"), ground("dark"));
    // Both measures can fail.
    browser
        .evaluate("document.querySelector('h1').style.cssText = 'color: #777; min-width: 2000px'");
    assert_ne!(browser.evaluate(FAINT)["faint"], serde_json::json!([]));
    assert_ne!(browser.evaluate(WIDE)["out"], serde_json::json!([]));
    browser.load(&file);
    on_paper(&project, &mut browser);
}

/// A4, every cell whole, no row over the edge of two sheets.
fn on_paper(project: &Project, browser: &mut Browser) {
    browser.media("print", "light");
    // 210 mm less two margins of 14
    browser.window(688, 1000);
    let wide = browser.evaluate(WIDE);
    assert_eq!(wide["out"], serde_json::json!([]), "{wide:#}");
    let cells = browser.evaluate(
        r"[...document.querySelectorAll('tr')].filter((row) => row.getBoundingClientRect().height > 0).map((row) =>
            ({ whole: getComputedStyle(row).breakInside, high: row.getBoundingClientRect().height,
               words: [...row.cells].map((cell) => cell.innerText).join(' ') }))",
    );
    let rows = cells.as_array().unwrap();
    assert!(rows.len() > 150, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row["whole"], "avoid", "{row}");
        assert!(row["high"].as_f64() < Some(1_000.0), "{row}");
    }
    browser.media("", "light");
    project.write("report.pdf", "");
    std::fs::write(project.path("report.pdf"), browser.print()).unwrap();
    let printed = Command::new("pdftotext")
        .arg("-bbox")
        .arg(project.path("report.pdf"))
        .arg("-")
        .output();
    let printed = printed.expect("pdftotext: `tests/run --tools` installs it");
    let printed = String::from_utf8(printed.stdout).unwrap();
    let number = |line: &str, name: &str| -> f64 {
        let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut sheets = 0;
    for line in printed.lines().map(str::trim) {
        if line.starts_with("<page ") {
            sheets += 1;
            let (width, height) = (number(line, "width"), number(line, "height"));
            assert_eq!(format!("{width:.0} {height:.0}"), "595 842", "not A4");
        } else if line.starts_with("<word ") {
            let (left, right) = (number(line, "xMin"), number(line, "xMax"));
            let (top, bottom) = (number(line, "yMin"), number(line, "yMax"));
            // margins of 14 and 16 mm
            assert!(left > 38.0 && right < 557.5, "beside the paper: {line}");
            assert!(top > 42.0 && bottom < 799.0, "over the edge: {line}");
            let word = line.split_once('>').unwrap().1.split_once('<').unwrap().0;
            let word = word
                .replace("&amp;", "&")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"");
            *seen.entry(bare(&word).to_owned()).or_default() += 1;
        }
    }
    assert!((3..40).contains(&sheets), "{sheets} sheets");
    // Every short word of every cell is on the paper, as often as in the page; long ones may be broken.
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        for word in row["words"].as_str().unwrap().split_whitespace() {
            let word = bare(word);
            if (1..=12).contains(&word.len())
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".,".contains(c))
            {
                *wanted.entry(word).or_default() += 1;
            }
        }
    }
    assert!(wanted.len() > 100, "{} words", wanted.len());
    let lost: Vec<_> = wanted
        .iter()
        .filter(|(word, count)| seen.get(**word).copied().unwrap_or(0) < **count)
        .collect();
    assert!(lost.is_empty(), "not on paper: {lost:?}");
}

/// Without the comma or stop behind it: after `<code>` it is set in another font, and is a word of its own on paper.
fn bare(word: &str) -> &str {
    word.trim_end_matches([',', '.'])
}

const HOSTILE: &[&str] = &[
    "<script>document.title='ran'; fetch('http://127.0.0.1:9/a')</script>",
    "<img src=http://127.0.0.1:9/b onerror=\"document.title='ran'\">",
    "'\"><svg onload=alert(1)>",
    "</pre></style></title><script>alert(2)</script>",
    "{{ 7 * 191 }}{% raw %}",
    "javascript:alert(3)",
    "&lt;b&gt;\u{202e}right\u{2066} \u{1b}[31m",
];

#[test]
fn hostile_cells_do_nothing() {
    let quoted: Vec<String> = HOSTILE
        .iter()
        .map(|text| format!("('{}')", text.replace('\'', "''")))
        .collect();
    let project = Project::sqlite(
        &format!(
            "create table thing(key text primary key, n integer); insert into thing(key) values {}",
            quoted.join(", ")
        ),
        "create table things(id uuid primary key, n integer, legacy_key text unique)",
    );
    // As a key, as a code's sentence, as advice, and in the rule's condition.
    let literal = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let say = literal(&HOSTILE.join(" "));
    project.rule(
        "things",
        &format!(
            "const RULE = #{{\n    base: \"thing\", key: \"key\", target: \"things\", legacy: \"legacy_key\",\n    where: \"'{}' <> ''\",\n    public: [\"n\"],\n    fix: #{{ odd: \"{say}\" }},\n}};\n\nfn transform(row) {{ reject(\"odd\", \"{say}\"); }}\n",
            literal(&HOSTILE.concat().replace('\'', "''"))
        ),
    );
    project.runner(&["run"]).ends_with(3);
    let accept = [
        "quarantine",
        "accept",
        "things",
        "--reason",
        "odd",
        "--key",
        HOSTILE[0],
        "--note",
        HOSTILE[1],
    ];
    project.runner(&accept).ends_with(0);
    project
        .runner(&["report", "-o", "report.html"])
        .ends_with(0);
    let file = project.path("report.html");
    let page = project.read("report.html");
    assert!(
        page.contains("&lt;img src") && page.contains("{{ 7 * 191 }}") && !page.contains("1337")
    );
    let mut browser = Browser::open();
    browser.load(&file);
    browser.evaluate(UNFOLD);
    browser.evaluate("new Promise((done) => setTimeout(done, 200))");
    assert_eq!(browser.requests(), [format!("file://{}", file.display())]);
    for event in [
        "Page.javascriptDialogOpening",
        "Log.entryAdded",
        "Runtime.consoleAPICalled",
    ] {
        assert!(!browser.happened(event), "{event}: {:#?}", browser.events);
    }
    let state = browser.evaluate(
        r"({ title: document.title, scripts: document.scripts.length, loaded: document.querySelectorAll('img, iframe, object, embed, link, video, audio, form').length,
            handlers: [...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => a.name.startsWith('on') || /^\s*javascript:/i.test(a.value))).length })",
    );
    let inert = serde_json::json!({ "title": "Migration report", "scripts": 0, "loaded": 0, "handlers": 0 });
    assert_eq!(state, inert);
    let text = browser.evaluate("document.body.textContent");
    for hostile in &HOSTILE[..6] {
        assert!(
            text.as_str().unwrap().contains(hostile),
            "{hostile} is not shown as it is"
        );
    }
    let wide: Value = browser.evaluate(WIDE);
    assert_eq!(wide["out"], serde_json::json!([]), "{wide:#}");
    // The check itself can fail: the same page with its texts let loose does run.
    let loose = page
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#x27;", "'")
        .replace("&quot;", "\"");
    let loose = loose.replace("default-src 'none'", "default-src * 'unsafe-inline'");
    // an alert would stop the page
    let loose = loose.replace("&#x2f;", "/").replace("alert(", "void(");
    project.write("loose.html", &loose);
    browser.load(&project.path("loose.html"));
    assert!(browser.requests().len() > 1, "{:?}", browser.requests());
}
