// SPDX-License-Identifier: GPL-2.0

//! The counters that the module shows in debugfs.

use anyhow::{
    Context,
    Result, //
};
use rdaxfs_progs::device_of;
use serde_json::{
    Map,
    Value, //
};
use std::path::Path;

/// Reads lines of a name and a value, with blanks, `:` or `=` between. Other lines stay as they
/// are.
fn parse(text: &str) -> Map<String, Value> {
    let mut map = Map::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once([' ', '\t', ':', '=']) else {
            map.insert(line.into(), Value::Null);
            continue;
        };
        let value = value.trim_start_matches([' ', '\t', ':', '=']);
        let value = match value.parse::<u64>() {
            Ok(number) => number.into(),
            Err(_) => value.into(),
        };
        map.insert(name.into(), value);
    }
    map
}

/// Reads the counters of the volume that is mounted on `mount_point`.
pub(crate) fn stats(mount_point: &Path) -> Result<Value> {
    let device = device_of(mount_point)?;
    let name = device.file_name().unwrap_or_default();
    let path = Path::new("/sys/kernel/debug/rdaxfs")
        .join(name)
        .join("stats");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} (is debugfs mounted?)", path.display()))?;
    Ok(Value::Object(parse(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let map = parse("faults 12\ndrains:   3\nmode=inode\n\nplain\n");
        assert_eq!(map["faults"], 12);
        assert_eq!(map["drains"], 3);
        assert_eq!(map["mode"], "inode");
        assert!(map["plain"].is_null());
    }
}
