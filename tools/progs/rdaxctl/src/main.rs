// SPDX-License-Identifier: GPL-2.0

//! `rdaxctl`: looks into volumes of rdaxfs.

#![forbid(unsafe_code)]

mod drains;
mod dump;
mod hugepages;
mod info;
mod look;
mod show;
mod stats;

use anyhow::{
    anyhow,
    bail,
    Result, //
};
use clap::{
    Parser,
    Subcommand, //
};
use rdaxfs_core::{
    format_types::LABEL_MAX,
    load_super,
    update_super, //
};
use rdaxfs_progs::{
    is_held,
    label_of,
    mount_of,
    FileMedium, //
};
use serde_json::{
    json,
    Value, //
};
use std::{
    path::{
        Path,
        PathBuf, //
    },
    process::ExitCode, //
};

/// Look into rdaxfs volumes.
#[derive(Parser, Debug)]
#[command(name = "rdaxctl", version)]
struct Args {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// What a volume is like: a device, an image, or a directory of a mounted volume
    Info {
        /// Device, image or directory
        target: PathBuf,
    },
    /// A structure on the medium, as it will be once the journal is replayed
    Dump {
        #[command(subcommand)]
        what: dump::What,
    },
    /// How much of a file huge pages of 2 MiB can map
    Hugepages {
        /// A file of a mounted volume
        file: PathBuf,
    },
    /// The counters of a mounted volume (needs debugfs)
    Stats {
        /// Where it is mounted
        mount_point: PathBuf,
    },
    /// Who waits for whom while pages are taken out of files (needs debugfs)
    Drains {
        /// Device or mount point; all mounted volumes if not given
        target: Option<PathBuf>,
        /// Show it once, in a terminal too
        #[arg(long)]
        once: bool,
    },
    /// Shows or sets the label of a volume that is not mounted
    Label {
        /// Device or image
        device: PathBuf,
        /// The new label
        label: Option<String>,
    },
    /// Damages the metadata of a volume, to test what finds it
    #[command(hide = true)]
    Corrupt {
        /// The same seed does the same
        #[arg(long)]
        seed: u64,
        /// How often
        #[arg(long, default_value_t = 1)]
        count: u32,
        /// Damage nothing, only tell what would be
        #[arg(long)]
        list_blocks: bool,
        /// Device or image
        device: PathBuf,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Command::Drains { target, once } if !args.json => drains::watch(target.as_deref(), *once),
        command => run(command).map(|value| show::print(&value, args.json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rdaxctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<Value> {
    match command {
        Command::Info { target } => info::info(target),
        Command::Dump { what } => dump::dump(what),
        Command::Hugepages { file } => hugepages::hugepages(file),
        Command::Stats { mount_point } => stats::stats(mount_point),
        Command::Drains { target, .. } => drains::look(target.as_deref()),
        Command::Label { device, label } => relabel(device, label.as_deref()),
        Command::Corrupt {
            seed,
            count,
            list_blocks,
            device,
        } => corrupt(device, *seed, *count, *list_blocks),
    }
}

/// Fails for what `Error` says.
fn on_medium<T>(path: &Path, result: rdaxfs_core::Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        rdaxfs_core::Error::Corrupt(corrupt) => anyhow!("{}: {corrupt}", path.display()),
        other => anyhow!("{}: {other:?}", path.display()),
    })
}

fn open_unmounted(device: &Path) -> Result<FileMedium> {
    if let Some(mount) = mount_of(device)? {
        bail!("{} is mounted on {}", device.display(), mount.path);
    }
    if is_held(device)? {
        bail!("{} is in use", device.display());
    }
    FileMedium::open_to_write(device)
}

fn relabel(device: &Path, label: Option<&str>) -> Result<Value> {
    let Some(label) = label else {
        let sb = look::look(device, |medium| {
            Ok((on_medium(device, load_super(medium))?, true))
        })?;
        return Ok(json!({ "label": label_of(&sb) }));
    };
    if label.len() > LABEL_MAX || label.contains('\0') {
        bail!("a label has {LABEL_MAX} bytes at most");
    }
    let medium = open_unmounted(device)?;
    let changed = update_super(&medium, |sb| {
        sb.label = [0; LABEL_MAX];
        for (to, from) in sb.label.iter_mut().zip(label.as_bytes()) {
            *to = *from;
        }
    });
    let sb = on_medium(device, changed)?;
    medium.sync()?;
    Ok(json!({ "label": label_of(&sb) }))
}

fn corrupt(device: &Path, seed: u64, count: u32, list_only: bool) -> Result<Value> {
    let damages = if list_only {
        let medium = FileMedium::open(device)?;
        let overlay = rdaxfs_check::Overlay::new(&medium);
        on_medium(device, rdaxfs_check::damage(&overlay, seed, count))?
    } else {
        let medium = open_unmounted(device)?;
        let damages = on_medium(device, rdaxfs_check::damage(&medium, seed, count))?;
        medium.sync()?;
        damages
    };
    Ok(serde_json::to_value(damages)?)
}
