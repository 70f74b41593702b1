// SPDX-License-Identifier: GPL-2.0

//! What the check says of volumes that are in order, and of some that are not.

mod common;

use common::{
    inode,
    make,
    mount,
    now,
    populated, //
};
use rdaxfs_check::{
    check,
    Kind,
    Options, //
};

#[test]
fn a_new_volume_is_clean() {
    let report = check(&&make(8 << 20), &Options::default());
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.summary.inodes, 1);
}

#[test]
fn a_populated_volume_is_clean() {
    let report = check(&&populated(), &Options::default());
    assert!(report.is_clean(), "{report}");
    assert!(report.summary.directories == 7 && report.summary.extents > 500);
}

#[test]
fn orphans_and_mounted_volumes_are_consistent() {
    let ram = populated();
    let volume = mount(&ram);
    let root = volume.iget(volume.root()).unwrap();
    volume.tmpfile(&root, &inode(0o100600), now()).unwrap();
    drop(volume);
    let report = check(&&ram, &Options::default());
    assert!(report.is_consistent(), "{report}");
    assert_eq!(report.count(Kind::NotUnmounted), 1);
    assert_eq!(report.count(Kind::Orphan), 1);
}

#[test]
fn nothing_is_no_volume() {
    let ram = make(8 << 20);
    ram.0.lock().unwrap().fill(0);
    let report = check(&&ram, &Options::default());
    assert_eq!(report.count(Kind::NoSuper), 1);
    assert!(!report.is_consistent());
}
