// SPDX-License-Identifier: GPL-2.0

//! `rdaxctl` on image files.

#[path = "../../check/tests/common/mod.rs"]
mod common;

use assert_cmd::Command;
use common::populated;
use predicates::str::contains;
use serde_json::Value;
use std::{
    fs,
    path::PathBuf, //
};
use tempfile::TempDir;

fn rdaxctl() -> Command {
    Command::cargo_bin("rdaxctl").unwrap()
}

fn image() -> (TempDir, PathBuf) {
    let ram = populated();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("image");
    fs::write(&path, &*ram.0.lock().unwrap()).unwrap();
    (dir, path)
}

fn json(args: &[&str], path: &PathBuf) -> Value {
    let output = rdaxctl()
        .arg("--json")
        .args(args)
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn shows_what_is_there() {
    let (_dir, path) = image();
    let before = fs::read(&path).unwrap();
    rdaxctl()
        .arg("info")
        .arg(&path)
        .assert()
        .success()
        .stdout(contains("test"));
    let info = json(&["info"], &path);
    assert_eq!(info["state"], "clean");
    assert_eq!(info["pending_transactions"], 0);
    let supers = json(&["dump", "super"], &path);
    assert_eq!(supers["first"]["serial"], supers["second"]["serial"]);
    assert_eq!(json(&["dump", "inode", "0"], &path)["links"], 4);
    let entries = json(&["dump", "dir", "0"], &path);
    let entries = entries.as_array().unwrap();
    let find = |name: &str| {
        let entry = entries.iter().find(|entry| entry["name"] == name).unwrap();
        entry["inode"].as_u64().unwrap().to_string()
    };
    let link = json(&["dump", "inode", &find("symlink129")], &path);
    assert_eq!(link["target"].as_str().unwrap().len(), 129);
    let extents = json(&["dump", "extents", &find("holey")], &path);
    assert!(extents.as_array().unwrap().len() >= 60);
    assert_eq!(
        json(&["dump", "journal"], &path)["transactions"],
        serde_json::json!([])
    );
    assert!(!json(&["dump", "imap"], &path)["inode_blocks"]
        .as_array()
        .unwrap()
        .is_empty());
    rdaxctl()
        .args(["dump", "dir", "0"])
        .arg(&path)
        .assert()
        .success()
        .stdout(contains("holey"));
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn sets_the_label() {
    let (_dir, path) = image();
    rdaxctl()
        .arg("label")
        .arg(&path)
        .arg("new name")
        .assert()
        .success();
    assert_eq!(json(&["label"], &path)["label"], "new name");
    rdaxctl()
        .arg("label")
        .arg(&path)
        .arg("x".repeat(65))
        .assert()
        .failure();
    assert_eq!(json(&["info"], &path)["label"], "new name");
}

#[test]
fn damage_can_be_told_before() {
    let (_dir, path) = image();
    let before = fs::read(&path).unwrap();
    let told = json(
        &["corrupt", "--seed", "5", "--count", "9", "--list-blocks"],
        &path,
    );
    assert!(fs::read(&path).unwrap() == before);
    let done = json(&["corrupt", "--seed", "5", "--count", "9"], &path);
    assert_eq!(told, done);
    let after = fs::read(&path).unwrap();
    assert!(after != before);
    // Nothing else was changed.
    let mut expected = after.clone();
    for one in done.as_array().unwrap() {
        let at = one["at"].as_u64().unwrap() as usize;
        let end = at + one["len"].as_u64().unwrap() as usize;
        expected[at..end].copy_from_slice(&before[at..end]);
    }
    assert!(expected == before);
}

#[test]
fn refuses_what_is_no_volume() {
    let (_dir, path) = image();
    fs::write(&path, vec![0; 16 << 20]).unwrap();
    rdaxctl()
        .arg("info")
        .arg(&path)
        .assert()
        .failure()
        .stderr(contains("bad magic"));
    rdaxctl()
        .args(["dump", "inode", "5"])
        .arg(&path)
        .assert()
        .failure();
}
