//! A headless Chromium, spoken to through its debugging pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// For the whole of one answer.
const LIMIT: Duration = Duration::from_secs(40);

/// Names under which it is installed; `tests/run` looks for the same ones.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];
const FOLDERS: &[&str] = &[
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// A running browser with one page. It ends with this value.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    last: u64,
    /// What happened in the page, as it was told.
    pub events: Vec<Value>,
    _home: TempDir,
}

fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("RUNNER_TEST_CHROMIUM") {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let of_path = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |f| f.join(name)));
    let all = of_path.chain(FOLDERS.iter().map(PathBuf::from));
    let found = all.into_iter().find(|program| program.is_file());
    found.expect("no Chromium: `tests/run --tools` installs it or says how")
}

impl Browser {
    pub fn open() -> Self {
        let home = tempfile::Builder::new()
            .prefix("runner-browser-")
            .tempdir()
            .unwrap();
        // The pipe is file descriptors 3 and 4, which only a shell can hand over.
        let script = r#"exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1"#;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(program()).args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
            "--no-proxy-server",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
        ]);
        command.arg(format!("--user-data-dir={}", home.path().display()));
        command.env("HOME", home.path()).env("TZ", "UTC");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let mut pipe = BufReader::new(child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = vec![];
            while pipe.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let told = serde_json::from_slice(&message).unwrap_or(Value::Null);
                if sender.send(told).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let session = String::new();
        let mut browser = Self {
            child,
            to,
            from,
            session,
            last: 0,
            events: vec![],
            _home: home,
        };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let id = target["targetId"].clone();
        let attached = browser.ask(
            "Target.attachToTarget",
            &json!({ "targetId": id, "flatten": true }),
        );
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command and waits for its answer; what happens meanwhile is kept.
    #[track_caller]
    pub fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        let started = Instant::now();
        loop {
            let told = self.next(started);
            if told["id"] == self.last {
                assert!(told.get("error").is_none(), "{method}: {told}");
                return told["result"].clone();
            }
            self.events.push(told);
        }
    }

    fn next(&mut self, since: Instant) -> Value {
        let left = LIMIT.saturating_sub(since.elapsed());
        let told = self.from.recv_timeout(left);
        told.unwrap_or_else(|error| panic!("the browser says nothing: {error}"))
    }

    /// Loads a file and waits until it is there. Events of earlier pages are forgotten.
    pub fn load(&mut self, file: &Path) {
        self.events.clear();
        let url = format!("file://{}", file.display());
        let begun = self.ask("Page.navigate", &json!({ "url": url }));
        assert!(begun.get("errorText").is_none(), "{begun}");
        let started = Instant::now();
        while !self.happened("Page.loadEventFired") {
            let told = self.next(started);
            self.events.push(told);
        }
    }

    pub fn happened(&self, method: &str) -> bool {
        self.events.iter().any(|event| event["method"] == method)
    }

    /// Addresses that the page asked for.
    pub fn requests(&self) -> Vec<String> {
        let asked = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        asked
            .map(|event| {
                event["params"]["request"]["url"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    /// The value of an expression in the page, which its policy does not concern.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// A window of this size, a phone's when it is narrow.
    pub fn window(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 760 });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
    }

    /// `screen` or `print`, `light` or `dark`.
    pub fn media(&mut self, media: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask(
            "Emulation.setEmulatedMedia",
            &json!({ "media": media, "features": features }),
        );
    }

    /// The page as PDF, on the paper that the page itself asks for.
    pub fn print(&mut self) -> Vec<u8> {
        let printed = self.ask(
            "Page.printToPDF",
            &json!({ "preferCSSPageSize": true, "printBackground": true }),
        );
        decoded(&printed)
    }
}

fn decoded(answer: &Value) -> Vec<u8> {
    let text = answer["data"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session.clear();
        let close = format!("{}\0", json!({ "id": 0, "method": "Browser.close" }));
        self.to.write_all(close.as_bytes()).ok();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
