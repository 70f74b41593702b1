// SPDX-License-Identifier: GPL-2.0

//! Reading a volume that may be mounted, and change while it is read.

use anyhow::{
    anyhow,
    Result, //
};
use rdaxfs_progs::{
    mount_of,
    FileMedium, //
};
use std::path::Path;

const TRIES: usize = 5;

/// What was read, and whether all of it made sense.
pub(crate) type Read<T> = (T, bool);

/// Opens `device` and reads it with `read`.
///
/// What does not make sense on a volume that is mounted may have been about to change: it is read
/// again, a few times, and what is found in the end is not told as damage.
pub(crate) fn look<T>(device: &Path, read: impl Fn(&FileMedium) -> Result<Read<T>>) -> Result<T> {
    let medium = FileMedium::open(device)?;
    let mount = mount_of(device)?.filter(|mount| !mount.read_only);
    let Some(mount) = mount else {
        return read(&medium).map(|(value, _)| value);
    };
    let changing = format!("{} is mounted on {}", device.display(), mount.path);
    let mut last = read(&medium);
    for _ in 1..TRIES {
        if matches!(last, Ok((_, true))) {
            break;
        }
        medium.refresh();
        last = read(&medium);
    }
    match last {
        Ok((value, sane)) => {
            let errors = match sane {
                true => "",
                false => ", and errors may be none",
            };
            eprintln!("rdaxctl: note: {changing}: what is shown may have changed{errors}");
            Ok(value)
        }
        Err(error) => Err(anyhow!(
            "{error:#}; but {changing} and changes while it is read: look again when it is not"
        )),
    }
}
