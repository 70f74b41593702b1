// SPDX-License-Identifier: GPL-2.0

//! Compares what the kernel shows of files with what is in the memory: neither the recovery nor
//! the oracle of the host has then misunderstood what the kernel did.

use crate::{
    common::tree::{
        File,
        Tree, //
    },
    trace::Event, //
};

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;
const MODE_TYPE: u16 = 0o170000;
const MODE_DIR: u16 = 0o040000;

fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    bytes.iter().fold(sum, step)
}

/// A file as `crash_look.c` writes it.
fn text(file: &File) -> String {
    let is_dir = file.mode & MODE_TYPE == MODE_DIR;
    let size = if is_dir { 0 } else { file.size };
    let user = file
        .xattrs
        .iter()
        .filter(|(name, _)| !name.starts_with(b"system."));
    let xattrs = user.fold(0, |sum, (name, value)| {
        sum ^ fnv(fnv(fnv(FNV_START, name), &[0]), value)
    });
    let (uid, gid) = file.owner;
    let mtime = file.times[1];
    format!(
        "{:o} {} {uid}:{gid} {size} {}.{:09} {:016x} {xattrs:016x}",
        file.mode,
        file.nlink,
        mtime.sec(),
        mtime.nsec(),
        fnv(FNV_START, &file.data)
    )
}

/// Says what the kernel shows and the memory does not hold, or the other way round.
pub fn compare(events: &[Event], tree: &Tree) -> Result<(), String> {
    let mut files = 0;
    for event in events {
        let Event::Shown { path, text: shown } = event else {
            continue;
        };
        files += 1;
        let held = tree.get(path).map(text);
        if held.as_ref() != Some(shown) {
            return Err(format!(
                "'{path}' is shown as\n  {shown}, held as\n  {held:?}"
            ));
        }
    }
    match files == 0 || files == tree.len() {
        true => Ok(()),
        false => Err(format!("{files} files are shown, {} held", tree.len())),
    }
}
