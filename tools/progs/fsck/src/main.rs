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
    load_super, //
};
use rdaxfs_progs::{
    human,
    label_of,
    mount_of,
    now,
    FileMedium, //
};
use std::{
    path::PathBuf,
    process::ExitCode, //
};

/// What fsck(8) says that exit codes mean.
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
    let mount = mount_of(&args.device)?;
    if let Some(mount) = mount.filter(|mount| !(mount.read_only && args.no_change)) {
        bail!("{shown} is mounted on {}", mount.path);
    }
    if args.no_change {
        let medium = FileMedium::open(&args.device)?;
        let report = check(&medium, &Options::default());
        return Ok(tell(args, &Repaired::default(), &report, false));
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
        bail!("there is no terminal to ask at; use -n, -p or -y");
    }
    let done = repair(&medium, now(), |problem| asker.allow(problem))
        .map_err(|error| anyhow!("{shown}: cannot be repaired: {error:?}"))?;
    medium.sync()?;
    // What is on the medium counts, not what should be.
    let left = check(&medium, &Options::default());
    Ok(tell(args, &done, &left, asker.was_cancelled()))
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

fn tell_summary(device: &std::path::Path, report: &Report) {
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
