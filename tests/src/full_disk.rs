//! Whole runs on a disk that fills up.
//!
//! A small library in C ([`Disk`]) is loaded before the binary and has writes fail from a number
//! on: new files and folders, writes, syncs, and the renames that go through the C library. It
//! needs Linux and a C compiler, and no rights.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::workload::{Workload, differences, lasting};
use crate::{Ended, Sandbox, Tree};

const SOURCE: &str = include_str!("full_disk.c");
const REASON: &str = "No space left on device";
/// A failure is told in at most so many lines, besides those about what was done before.
const LINES: usize = 10;

/// The library, compiled.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

/// One call that needs space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Counted from 1.
    pub number: usize,
    /// `create`, `folder`, `write`, `sync` or `rename`.
    pub what: String,
    /// Whether it was refused.
    pub full: bool,
    /// The file or folder.
    pub path: PathBuf,
}

impl Disk {
    /// Compiles the library; `None` where there is no C compiler, or no Linux.
    pub fn new() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let folder = tempfile::tempdir().ok()?;
        let source = folder.path().join("full_disk.c");
        fs::write(&source, SOURCE).ok()?;
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let compiled = Command::new(compiler)
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(folder.path().join("full_disk.so"))
            .arg(&source)
            .arg("-ldl")
            .status();
        compiled
            .is_ok_and(|status| status.success())
            .then_some(Self { folder })
    }

    /// Runs a command in a sandbox whose disk is full for the calls from number `from` to `to`.
    /// Returns what it ended with and the calls it made.
    ///
    /// # Panics
    /// If it cannot be started, or does not come to an end.
    pub fn run(
        &self,
        sandbox: &Sandbox,
        arguments: &[&str],
        from: usize,
        to: usize,
    ) -> (Ended, Vec<Call>) {
        let log = self.folder.path().join("calls");
        let _ = fs::remove_file(&log);
        let library = self.folder.path().join("full_disk.so");
        let below = fs::canonicalize(sandbox.path("")).unwrap_or_default();
        let text = |path: &Path| path.display().to_string();
        let (from, to) = (from.to_string(), to.to_string());
        let ended = sandbox.start_with_variables(
            arguments,
            &[
                ("LD_PRELOAD", &text(&library)),
                ("FULL_DISK_FROM", &from),
                ("FULL_DISK_TO", &to),
                ("FULL_DISK_BELOW", &text(&below)),
                ("FULL_DISK_LOG", &text(&log)),
            ],
        );
        let ended = ended.wait();
        let calls = fs::read_to_string(&log).unwrap_or_default();
        (ended, calls.lines().filter_map(call).collect())
    }
}

fn call(line: &str) -> Option<Call> {
    let mut words = line.splitn(4, ' ');
    Some(Call {
        number: words.next()?.parse().ok()?,
        what: words.next()?.to_owned(),
        full: words.next()? == "full",
        path: words.next()?.into(),
    })
}

impl Call {
    /// What is done to which kind of file: names without digits, keys and random letters.
    pub fn kind(&self) -> String {
        let name = |part: std::path::Component<'_>| {
            let part = part.as_os_str().to_string_lossy().into_owned();
            if part.starts_with(".partial-") || part.starts_with(".tmp") {
                return "partial".to_owned();
            }
            let key = part.len() >= 64 && part[..64].bytes().all(|b| b.is_ascii_hexdigit());
            match key {
                true => format!("KEY{}", &part[64..]),
                false => part.chars().filter(|c| !c.is_ascii_digit()).collect(),
            }
        };
        let parts: Vec<String> = self.path.components().skip(3).map(name).collect();
        format!("{} {}", self.what, parts.join("/"))
    }
}

/// The numbers of calls at which it is worth failing: the first and the last of each kind, and
/// every `step`-th.
pub fn numbers(calls: &[Call], step: usize) -> Vec<usize> {
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for call in calls {
        let (_, last) = kinds
            .entry(call.kind())
            .or_insert((call.number, call.number));
        *last = call.number;
    }
    let ends = kinds.values().flat_map(|&(first, last)| [first, last]);
    let mut all: Vec<usize> = ends.chain((1..=calls.len()).step_by(step)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Fills the disk at call `number` of a run and for good, then gives space again and repeats the
/// command. Returns what is wrong: a failure that is not told clearly, anything half written, or
/// an end with other bytes than `expected`. `None` if the run did not come to that call.
///
/// # Panics
/// If a command cannot be started, or does not come to an end.
pub fn fill_at(
    disk: &Disk,
    workload: Workload,
    number: usize,
    expected: &Tree,
) -> Option<Vec<String>> {
    let sandbox = workload.sandbox();
    let (ended, calls) = disk.run(&sandbox, &Workload::COMMAND, number, usize::MAX >> 1);
    let first = calls.iter().find(|call| call.full)?;
    let mut wrong = clear(&ended, &calls);
    let left: Vec<String> = sandbox
        .tree("")
        .into_keys()
        .map(|path| path.display().to_string())
        .filter(|path| path.contains(".partial-") || path.contains("/.tmp"))
        .collect();
    if !left.is_empty() {
        wrong.push(format!("left behind: {}", left.join(", ")));
    }
    let again = sandbox.run(&Workload::COMMAND);
    match again.status.success() {
        true => wrong.extend(differences(&lasting(&sandbox), expected)),
        false => wrong.push(format!("the same command with space again: {again}")),
    }
    let at = |wrong: String| format!("{} of {}: {wrong}", first.what, first.path.display());
    Some(wrong.into_iter().map(at).collect())
}

/// What is wrong with the way a full disk was told.
fn clear(ended: &Ended, calls: &[Call]) -> Vec<String> {
    let mut wrong = Vec::new();
    let stderr = &ended.stderr;
    let code = ended.status.code();
    if !matches!(code, Some(code) if code != 0 && code != 101) || stderr.contains("panicked") {
        wrong.push(format!("no clean failure: {ended}"));
        return wrong;
    }
    let message = stderr.split("error: ").last().unwrap_or_default();
    // The name of a file that was not written or, while it is still a temporary one, its folder's.
    let named = calls.iter().filter(|call| call.full).any(|call| {
        let folder = call.path.parent().and_then(Path::file_name);
        let names = [call.path.file_name(), folder].into_iter().flatten();
        names
            .map(|name| name.to_string_lossy())
            .any(|name| message.contains(&*name))
    });
    if !message.contains(REASON) || !named {
        wrong.push(format!("not told clearly: {stderr}"));
    }
    if message.lines().count() > LINES {
        wrong.push(format!("{} lines: {stderr}", message.lines().count()));
    }
    wrong
}

/// Has the disk fill up at every `step`-th write of the small runs, one after the other, and at the
/// first and the last of each kind of file and folder. What happens is told
/// to `say`, a line at a time. Returns the number of writes at which something is wrong.
///
/// # Panics
/// If a command cannot be started, or does not come to an end.
pub fn fill_at_writes(step: usize, say: &dyn Fn(&str)) -> u64 {
    let Some(disk) = Disk::new() else {
        say("full-disk: needs Linux and a C compiler (`cc`, or the one that CC names)");
        return 1;
    };
    let mut findings = 0;
    for workload in Workload::ALL {
        let alone = workload.sandbox();
        let (ended, calls) = disk.run(&alone, &Workload::COMMAND, usize::MAX >> 1, usize::MAX >> 1);
        ended.success();
        let expected = lasting(&alone);
        say(&format!(
            "full-disk: {}, {} writes of an undisturbed run",
            workload.name(),
            calls.len()
        ));
        let (mut tried, mut here) = (0, 0);
        for number in numbers(&calls, step.max(1)) {
            let Some(wrong) = fill_at(&disk, workload, number, &expected) else {
                break;
            };
            tried += 1;
            here += u64::from(!wrong.is_empty());
            for wrong in wrong {
                say(&format!(
                    "finding: {}, write {number}: {wrong}",
                    workload.name()
                ));
            }
        }
        findings += here;
        say(&format!(
            "full-disk: {}, {tried} of them tried, {here} findings",
            workload.name()
        ));
    }
    findings
}
