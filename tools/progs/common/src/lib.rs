// SPDX-License-Identifier: GPL-2.0

//! What `mkfs.rdaxfs`, `fsck.rdaxfs` and `rdaxctl` share: devices and images as a medium, what is
//! on a device already, and what it is used for.

#![forbid(unsafe_code)]

mod device;
mod medium;
mod probe;

pub use device::{
    alignment,
    device_of,
    is_held,
    mount_of,
    Alignment,
    MountPoint, //
};
pub use medium::FileMedium;
pub use probe::{
    probe,
    wipe,
    Found, //
};

use rdaxfs_core::format_types::{
    DiskTime,
    SuperBlock, //
};
use std::time::{
    SystemTime,
    UNIX_EPOCH, //
};

/// The time.
pub fn now() -> DiskTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default();
    DiskTime::new(
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}

/// The UUID of a volume as it is written.
pub fn uuid_of(sb: &SuperBlock) -> String {
    uuid::Uuid::from_bytes(sb.uuid).to_string()
}

/// The label of a volume as text.
pub fn label_of(sb: &SuperBlock) -> String {
    String::from_utf8_lossy(sb.label()).into_owned()
}

/// Bytes as `1.5G` (powers of 1024).
pub fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "K", "M", "G", "T", "P"].iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    match value.fract() == 0.0 {
        true => format!("{value:.0}{unit}"),
        false => format!("{value:.1}{unit}"),
    }
}

/// Reads a size: a number of bytes with `K`, `M`, `G` or `T` (powers of 1024) behind it, or none.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let upper = text.trim().to_ascii_uppercase();
    let upper = upper.trim_end_matches("IB");
    let digits = upper.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match upper.get(digits.len()..) {
        Some("" | "B") => 0,
        Some("K") => 10,
        Some("M") => 20,
        Some("G") => 30,
        Some("T") => 40,
        _ => return Err(format!("{text:?} is no size")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is no size"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("{text:?} is too much"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert!(parse_size("x").is_err() && parse_size("").is_err());
        assert!(parse_size("99999999T").is_err());
        assert_eq!(human(64 << 20), "64M");
        assert_eq!(human(1536), "1.5K");
    }
}
