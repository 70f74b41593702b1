// SPDX-License-Identifier: GPL-2.0

//! `mkfs.rdaxfs`: makes a volume.

#![forbid(unsafe_code)]

use anyhow::{
    anyhow,
    bail,
    Context,
    Result, //
};
use clap::Parser;
use indicatif::{
    ProgressBar,
    ProgressDrawTarget,
    ProgressStyle, //
};
use rdaxfs_check::{
    check,
    Options, //
};
use rdaxfs_core::{
    format,
    format_types::{
        Layout,
        SuperBlock,
        BLOCK_SIZE,
        LABEL_MAX,
        MAX_BLOCKS,
        MIN_BLOCKS, //
    },
    FormatOptions,
    Medium, //
};
use rdaxfs_progs::{
    alignment,
    human,
    is_held,
    label_of,
    mount_of,
    now,
    parse_size,
    probe,
    uuid_of,
    wipe,
    FileMedium, //
};
use std::{
    fs::{
        File,
        OpenOptions, //
    },
    path::{
        Path,
        PathBuf, //
    },
    process::ExitCode, //
};
use uuid::Uuid;

const PMD_SIZE: u64 = 2 << 20;
const PUD_SIZE: u64 = 1 << 30;

/// Make an rdaxfs volume on a persistent memory device or in an image file.
#[derive(Parser, Debug)]
#[command(name = "mkfs.rdaxfs", version)]
struct Args {
    /// Name of the volume, 64 bytes at most
    #[arg(short = 'L', long)]
    label: Option<String>,

    /// UUID of the volume (default: a random one)
    #[arg(short = 'U', long)]
    uuid: Option<Uuid>,

    /// Overwrite what is on the device already
    #[arg(short, long)]
    force: bool,

    /// Print errors only
    #[arg(short, long)]
    quiet: bool,

    /// Change nothing, only show what would be made
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Make an image file of this size (bytes, or with K, M, G, T), or use only so much of a device
    #[arg(short, long, value_parser = parse_size)]
    size: Option<u64>,

    /// Owner of the root directory (default: 0:0)
    #[arg(long, value_name = "UID:GID", value_parser = parse_owner)]
    root_owner: Option<(u32, u32)>,

    /// Block device or image file
    device: PathBuf,
}

fn parse_owner(text: &str) -> std::result::Result<(u32, u32), String> {
    let parse = |id: &str| id.parse().map_err(|_| format!("{id:?} is no number"));
    let (uid, gid) = text.split_once(':').ok_or("expected UID:GID")?;
    Ok((parse(uid)?, parse(gid)?))
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mkfs.rdaxfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A part of a medium, from its start.
struct Front<'a> {
    medium: &'a FileMedium,
    size: u64,
}

impl Medium for Front<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn load(&self, at: u64, out: &mut [u8]) -> rdaxfs_core::Result {
        self.medium.load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> rdaxfs_core::Result {
        self.medium.store(at, data)
    }

    fn flush(&self, at: u64, len: u64) -> rdaxfs_core::Result {
        self.medium.flush(at, len)
    }

    fn fence(&self) -> rdaxfs_core::Result {
        self.medium.fence()
    }

    fn zero(&self, at: u64, len: u64) -> rdaxfs_core::Result {
        self.medium.zero(at, len)
    }

    fn heal(&self, at: u64, len: u64) -> rdaxfs_core::Result {
        self.medium.heal(at, len)
    }
}

fn run(args: &Args) -> Result<()> {
    let label = args.label.clone().unwrap_or_default();
    if label.len() > LABEL_MAX || label.contains('\0') {
        bail!("the label is longer than {LABEL_MAX} bytes");
    }
    let made = make_image(args)?;
    let done = make(args, &label);
    if done.is_err() && made {
        let _ = std::fs::remove_file(&args.device);
    }
    done
}

/// Makes the image file if there is to be one. Whether there was none before.
fn make_image(args: &Args) -> Result<bool> {
    let Some(size) = args.size.filter(|_| !args.device.exists()) else {
        return Ok(false);
    };
    if args.dry_run {
        bail!("{}: there is no such file", args.device.display());
    }
    let create = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.device);
    create
        .and_then(|file| file.set_len(size))
        .and_then(|()| sync_name(&args.device))
        .with_context(|| format!("{}", args.device.display()))?;
    Ok(true)
}

/// Makes the name of a new file durable.
fn sync_name(path: &Path) -> std::io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn make(args: &Args, label: &str) -> Result<()> {
    let path = &args.device;
    let shown = path.display();
    if let Some(mount) = mount_of(path)? {
        bail!("{shown} is mounted on {} ({})", mount.path, mount.fs_type);
    }
    if is_held(path)? {
        bail!("{shown} is in use");
    }
    let medium = match args.dry_run {
        true => FileMedium::open(path)?,
        false => FileMedium::open_to_write(path)?,
    };
    if let Some(found) = probe(&medium).filter(|_| !args.force) {
        bail!(
            "{shown} contains {} (byte {}); use -f to overwrite it",
            found.name,
            found.at
        );
    }
    let size = args.size.unwrap_or(medium.size());
    if size > medium.size() {
        bail!("{shown} has only {}", human(medium.size()));
    }
    let front = Front {
        medium: &medium,
        size,
    };
    let blocks = (size / BLOCK_SIZE).min(MAX_BLOCKS);
    if blocks < MIN_BLOCKS {
        let least = human(MIN_BLOCKS * BLOCK_SIZE);
        bail!("{shown} is too small: a volume takes {least} at least");
    }
    if !args.quiet {
        tell_alignment(path, &medium);
    }
    let (root_uid, root_gid) = args.root_owner.unwrap_or((0, 0));
    let options = FormatOptions {
        uuid: args.uuid.unwrap_or_else(Uuid::new_v4).into_bytes(),
        label: label.as_bytes(),
        now: now(),
        root_uid,
        root_gid,
        ..FormatOptions::default()
    };
    if args.dry_run {
        let layout = Layout::new(blocks);
        let root = layout.first_block() * rdaxfs_core::format_types::INODES_PER_BLOCK;
        let mut sb = SuperBlock::new(&layout, options.uuid, root, options.now);
        for (to, from) in sb.label.iter_mut().zip(options.label) {
            *to = *from;
        }
        tell(&sb, &shown.to_string(), "would be made");
        return Ok(());
    }
    let bar = progress(args.quiet);
    // What is on the device now must not be taken for good once it is half overwritten.
    let made = wipe(&medium).and_then(|()| {
        format(&front, &options, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })
    });
    bar.finish_and_clear();
    let sb = made.map_err(|error| anyhow!("{shown}: cannot be written: {error:?}"))?;
    medium.sync()?;
    let report = check(&front, &Options::default());
    if !report.is_clean() {
        bail!("{shown}: what was written is not what is there:\n{report}");
    }
    if !args.quiet {
        tell(&sb, &shown.to_string(), "made");
    }
    Ok(())
}

fn progress(quiet: bool) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("inode map {wide_bar} {percent}% {eta}") {
        bar.set_style(style);
    }
    bar
}

/// Says whether the CPU's huge pages fit the device.
fn tell_alignment(path: &Path, medium: &FileMedium) {
    let Ok(found) = alignment(path) else {
        return;
    };
    if !medium.is_block_device() {
        return;
    }
    let begins = found.start();
    for (size, name) in [(PMD_SIZE, "2 MiB"), (PUD_SIZE, "1 GiB")] {
        if found.is_aligned_to(size) {
            continue;
        }
        let off = human(begins % size);
        let why = match size {
            PMD_SIZE => "the first and last huge pages are lost",
            _ => "which only 1 GiB pages want",
        };
        println!("note: the device begins {off} past a multiple of {name}: {why}");
    }
    if found.memory.is_none() {
        println!("note: where its memory begins is not known");
    }
}

fn tell(sb: &SuperBlock, device: &str, what: &str) {
    let layout = sb.layout();
    let free = layout.end_block().saturating_sub(layout.first_block());
    println!("{device}: rdaxfs volume {what}");
    println!("  UUID      {}", uuid_of(sb));
    println!("  label     {}", label_of(sb));
    println!(
        "  size      {} ({} blocks of {BLOCK_SIZE} bytes)",
        human(layout.bytes()),
        layout.blocks
    );
    println!("  journal   {} slots", layout.slots);
    println!(
        "  free      {} ({} in whole 2 MiB chunks)",
        human(free * BLOCK_SIZE),
        human(chunks(&layout) * PMD_SIZE)
    );
}

/// Whole chunks of 2 MiB, if the volume begins with one.
fn chunks(layout: &Layout) -> u64 {
    let per_chunk = PMD_SIZE / BLOCK_SIZE;
    (layout.end_block() / per_chunk).saturating_sub(layout.first_block().div_ceil(per_chunk))
}
