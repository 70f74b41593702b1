// SPDX-License-Identifier: GPL-2.0

//! `fsck.rdaxfs` on image files.

#[path = "../../check/tests/common/mod.rs"]
mod common;

use assert_cmd::Command;
use common::{
    inode,
    mount,
    now,
    populated, //
};
use predicates::str::contains;
use rdaxfs_check::damage;
use std::{
    fs,
    path::PathBuf, //
};
use tempfile::TempDir;

fn fsck() -> Command {
    Command::cargo_bin("fsck-rdaxfs").unwrap()
}

/// An image with a populated volume that `change` was done to.
fn image(change: impl FnOnce(&common::Ram)) -> (TempDir, PathBuf) {
    let ram = populated();
    change(&ram);
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("image");
    fs::write(&path, &*ram.0.lock().unwrap()).unwrap();
    (dir, path)
}

#[test]
fn a_good_volume_is_in_order() {
    let (_dir, path) = image(|_| ());
    let before = fs::read(&path).unwrap();
    fsck()
        .args(["-n", "-v"])
        .arg(&path)
        .assert()
        .code(0)
        .stdout(contains("7 directories"));
    // As fsck -A calls it.
    fsck()
        .args(["-a", "-C0"])
        .arg(&path)
        .assert()
        .code(0)
        .stdout(contains("clean"));
    fsck().args(["-p", "-C"]).arg(&path).assert().code(0);
    assert!(fs::read(&path).unwrap() == before);
    fsck().args(["-y", "-f"]).arg(&path).assert().code(0);
}

#[test]
fn what_a_crash_leaves_is_preened() {
    let (_dir, path) = image(|ram| {
        let volume = mount(ram);
        let root = volume.iget(volume.root()).unwrap();
        volume.tmpfile(&root, &inode(0o100600), now()).unwrap();
    });
    fsck()
        .arg("-n")
        .arg(&path)
        .assert()
        .code(0)
        .stdout(contains("not unmounted"));
    fsck().arg("-p").arg(&path).assert().code(1);
    fsck()
        .arg("-p")
        .arg(&path)
        .assert()
        .code(0)
        .stdout(contains("clean"));
    fsck().args(["-n"]).arg(&path).assert().code(0);
}

#[test]
fn damage_is_put_in_order() {
    let mut seen = 0;
    for seed in 0..10 {
        let (_dir, path) = image(|ram| drop(damage(&ram, seed, 6).unwrap()));
        let before = fs::read(&path).unwrap();
        let found = fsck().arg("-n").arg(&path).output().unwrap().status.code();
        assert!(fs::read(&path).unwrap() == before, "-n changes nothing");
        if found == Some(4) {
            seen += 1;
            fsck().arg("-y").arg(&path).assert().code(1);
        }
        fsck().arg("-n").arg(&path).assert().code(0);
    }
    assert!(seen > 5);
}

#[test]
fn json_says_what_was_fixed() {
    let (_dir, path) = image(|ram| drop(damage(&ram, 3, 6).unwrap()));
    let output = fsck().args(["-y", "--json"]).arg(&path).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["exit"], 1);
    assert!(value["fixed"][0]["kind"].is_string());
    assert_eq!(value["left"], serde_json::json!([]));
}

#[test]
fn preening_stops_where_something_would_be_lost() {
    // Seeds differ in what they damage.
    let stopped = (0..10).any(|seed| {
        let (_dir, path) = image(|ram| drop(damage(&ram, seed, 6).unwrap()));
        let code = fsck().arg("-p").arg(&path).output().unwrap().status.code();
        code.is_some_and(|code| code & 4 != 0)
    });
    assert!(stopped);
}

#[test]
fn wrong_usage_and_no_volume() {
    let (_dir, path) = image(|ram| ram.0.lock().unwrap().fill(0));
    fsck()
        .arg("-y")
        .arg(&path)
        .assert()
        .code(4)
        .stdout(contains("bad magic"));
    fsck().args(["-n", "-y"]).arg(&path).assert().code(16);
    fsck().assert().code(16);
    fsck().args(["-n", "/nonexistent/image"]).assert().code(8);
}

#[test]
fn no_terminal_is_needed_where_there_is_nothing_to_ask() {
    let (_dir, path) = image(|_| ());
    fsck().arg(&path).write_stdin("").assert().code(0);
    fsck()
        .arg("--json")
        .arg(&path)
        .write_stdin("")
        .assert()
        .code(0);
    // What a crash leaves is dealt with without a question.
    let (_dir, path) = image(|ram| {
        let volume = mount(ram);
        let root = volume.iget(volume.root()).unwrap();
        volume.tmpfile(&root, &inode(0o100600), now()).unwrap();
    });
    fsck().arg(&path).write_stdin("").assert().code(1);
    fsck().arg(&path).write_stdin("").assert().code(0);
    // Where there is something to ask, nothing is changed.
    let (_dir, path) = image(|ram| drop(damage(&ram, 3, 6).unwrap()));
    let before = fs::read(&path).unwrap();
    fsck()
        .arg(&path)
        .write_stdin("")
        .assert()
        .code(8)
        .stdout(contains("errors are left"))
        .stderr(contains("no terminal"));
    assert!(fs::read(&path).unwrap() == before);
}
