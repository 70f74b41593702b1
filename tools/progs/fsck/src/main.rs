// SPDX-License-Identifier: GPL-2.0

//! `fsck.rdaxfs`: checks a volume and puts it in order.

#![forbid(unsafe_code)]

mod ask;

use anyhow::{
    anyhow,
    bail,
    Result, //
};
use ask::Asker;
use clap::Parser;
use rdaxfs_check::{
    check,
    repair,
    Kind,
    Options,
    Problem,
    Repaired,
    Report, //
};
use rdaxfs_core::{
    format_types::State,
    load_super,
    Error, //
};
use rdaxfs_progs::{
    human,
    is_held,
    label_of,
    mount_of,
    now,
    FileMedium, //
};
use std::{
    fmt,
    path::{
        Path,
        PathBuf, //
    },
    process::ExitCode, //
};

/// What exit codes mean, as fsck(8) has it.
const CORRECTED: u8 = 1;
const UNCORRECTED: u8 = 4;
const OPERATION: u8 = 8;
const USAGE: u8 = 16;
const CANCELLED: u8 = 32;

/// Check an rdaxfs volume, and put it in order.
///
/// Exit codes: 0 in order, 1 put in order, 4 not put in order, 8 the check failed, 16 wrong usage,
/// 32 cancelled.
#[derive(Parser, Debug)]
#[command(name = "fsck.rdaxfs", version)]
struct Args {
    /// Change nothing: check the volume as it will be once the journal is replayed
    #[arg(short = 'n', long, conflicts_with_all = ["yes", "preen"])]
    no_change: bool,

    /// Put everything in order without asking
    #[arg(short, long, conflicts_with = "preen")]
    yes: bool,

    /// Put in order, without asking, what takes nothing away from anybody; stop if there is more
    #[arg(short, long, short_alias = 'a')]
    preen: bool,

    /// Check even if the volume was unmounted in order
    #[arg(short, long)]
    force: bool,

    /// Tell what is on the volume
    #[arg(short, long)]
    verbose: bool,

    /// Tell the result as JSON
    #[arg(long)]
    json: bool,

    /// Block device or image file
    device: PathBuf,
}

fn main() -> ExitCode {
    // fsck(8) passes -C, with the number of a file descriptor or without.
    let arguments = std::env::args_os().filter(|argument| {
        let text = argument.to_string_lossy();
        !(text.strip_prefix("-C")).is_some_and(|fd| fd.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match run(&args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("fsck.rdaxfs: {error:#}");
            ExitCode::from(OPERATION)
        }
    }
}

fn run(args: &Args) -> Result<u8> {
    let shown = args.device.display();
    let user = user_of(&args.device)?;
    if args.no_change {
        return check_only(args, user.as_ref());
    }
    if let Some(user) = user {
        bail!("{shown} {user}; it can only be checked with -n");
    }
    let medium = FileMedium::open_to_write(&args.device)?;
    if args.preen && !args.force && is_clean(&medium) {
        if !args.json {
            println!("{shown}: clean, not checked");
            return Ok(0);
        }
        return Ok(tell(args, &Repaired::default(), &Report::default(), false));
    }
    let first = check(&medium, &Options { replay: false });
    if first.count(Kind::NoSuper) != 0 || first.count(Kind::Features) != 0 {
        return Ok(tell(args, &Repaired::default(), &first, false));
    }
    let mut asker = Asker::new(args.yes, args.preen, args.json);
    if !asker.can_ask() {
        // What a power cut leaves is nothing to ask about.
        let report = check(&medium, &Options::default());
        if !report.is_consistent() {
            if !args.json {
                tell(args, &Repaired::default(), &report, false);
            }
            bail!("there is no terminal to ask at; use -n, -p or -y");
        }
    }
    let done =
        repair(&medium, now(), |problem| asker.allow(problem)).map_err(|error| match error {
            Error::NoSpace => anyhow!("{shown}: no journal slot is free to repair it with"),
            error => anyhow!("{shown}: cannot be repaired: {error:?}"),
        })?;
    medium.sync()?;
    // What is on the medium counts, not what should be.
    let left = check(&medium, &Options::default());
    Ok(tell(args, &done, &left, asker.was_cancelled()))
}

/// What uses a device.
struct User {
    what: String,
    /// It may change the volume at any time.
    writes: bool,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Finds out what uses `device`, if anything does.
fn user_of(device: &Path) -> Result<Option<User>> {
    if let Some(mount) = mount_of(device)? {
        return Ok(Some(User {
            what: format!("is mounted on {}", mount.path),
            writes: !mount.read_only,
        }));
    }
    Ok(is_held(device)?.then(|| User {
        what: "is in use".into(),
        writes: true,
    }))
}

/// Checks without a change. Of a volume that is mounted, what is found again each time is told.
fn check_only(args: &Args, user: Option<&User>) -> Result<u8> {
    const TRIES: usize = 3;
    let shown = args.device.display();
    let medium = FileMedium::open(&args.device)?;
    let mut report = check(&medium, &Options::default());
    let Some(user) = user.filter(|user| user.writes) else {
        return Ok(tell(args, &Repaired::default(), &report, false));
    };
    eprintln!(
        "fsck.rdaxfs: warning: {shown} {user} and may change while it is checked: what is found \
         may not be true"
    );
    for _ in 1..TRIES {
        if report.is_consistent() {
            break;
        }
        medium.refresh();
        report = check(&medium, &Options::default());
    }
    let code = tell(args, &Repaired::default(), &report, false);
    if code != 0 {
        eprintln!("fsck.rdaxfs: warning: check {shown} again when it is not in use");
    }
    Ok(code)
}

/// Whether the volume says itself that it is in order.
fn is_clean(medium: &FileMedium) -> bool {
    load_super(medium).is_ok_and(|sb| {
        let pending = rdaxfs_core::pending_transactions(medium, &sb.layout());
        sb.state() == State::Clean && pending == Ok(0)
    })
}

/// Tells what was found and done. Returns the exit code.
fn tell(args: &Args, done: &Repaired, left: &Report, cancelled: bool) -> u8 {
    let mut code = 0;
    if !done.fixed.is_empty() || done.replayed != 0 {
        code |= CORRECTED;
    }
    if !left.is_consistent() {
        code |= UNCORRECTED;
    }
    if cancelled {
        code |= CANCELLED;
    }
    let shown = args.device.display().to_string();
    if args.json {
        let result = serde_json::json!({
            "device": shown,
            "exit": code,
            "replayed": done.replayed,
            "fixed": done.fixed,
            "left": left.problems,
            "summary": left.summary,
        });
        println!("{result:#}");
        return code;
    }
    let lines = |what: &str, problems: &[Problem]| {
        for problem in problems {
            println!("{shown}: {what}{problem}");
        }
    };
    if done.replayed != 0 {
        println!("{shown}: {} transactions replayed", done.replayed);
    }
    lines("fixed: ", &done.fixed);
    lines("", &left.problems);
    if args.verbose {
        tell_summary(&args.device, left);
    }
    let verdict = match (left.is_consistent(), code & CORRECTED != 0) {
        (false, _) => "errors are left",
        (true, true) => "in order now",
        (true, false) => "in order",
    };
    println!("{shown}: {verdict}");
    code
}

fn tell_summary(device: &Path, report: &Report) {
    let sb = FileMedium::open(device).and_then(|medium| {
        load_super(&medium).map_err(|error| anyhow!("there is no superblock: {error:?}"))
    });
    if let Ok(sb) = sb {
        let size = human(sb.layout().bytes());
        println!("  volume       {:?}, {size}", label_of(&sb));
    }
    let summary = &report.summary;
    println!(
        "  blocks       {} of {} used",
        summary.used_blocks, summary.blocks
    );
    println!(
        "  inodes       {}, of them {} directories with {} entries",
        summary.inodes, summary.directories, summary.entries
    );
    println!("  extents      {}", summary.extents);
}
