//! A real browser without a window.

use std::path::Path;
use std::process::{Command, Stdio};

/// What the browser may be called.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// What the browser of this machine is called, if there is one.
pub fn name() -> Option<&'static str> {
    NAMES.into_iter().find(|name| {
        let mut version = Command::new(name);
        version
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    })
}

/// Opens a page as someone without a network does, and returns the document once its scripts have
/// run.
#[track_caller]
pub fn open(page: &Path) -> String {
    let profile = tempfile::tempdir().expect("a temporary folder can be made");
    let name = name().expect("the harness looked for a browser");
    let output = Command::new(name)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--window-size=1280,1000", "--timeout=60000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .expect("the browser can be started");
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    let root = document.find("<html").map_or("", |at| {
        let tag = &document[at..];
        &tag[..tag.find('>').map_or(0, |end| end + 1)]
    });
    assert!(
        root.contains("data-ready=\"true\"") && !root.contains("data-error"),
        "the page's scripts did not come to their end: {root}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    document
}
