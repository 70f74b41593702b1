// SPDX-License-Identifier: GPL-2.0

//! `mkfs.rdaxfs` on image files.

use assert_cmd::Command;
use predicates::{
    prelude::PredicateBooleanExt,
    str::contains, //
};
use rdaxfs_core::load_super;
use rdaxfs_progs::{
    label_of,
    uuid_of,
    FileMedium, //
};
use std::{
    fs,
    os::unix::fs::FileExt,
    path::PathBuf, //
};
use tempfile::TempDir;

fn mkfs() -> Command {
    Command::cargo_bin("mkfs-rdaxfs").unwrap()
}

fn image(size: u64) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("image");
    fs::File::create(&path).unwrap().set_len(size).unwrap();
    (dir, path)
}

#[test]
fn makes_what_it_is_told() {
    let (_dir, path) = image(64 << 20);
    let uuid = "2f1b8a60-7f1c-4a57-9d9a-0123456789ab";
    mkfs()
        .args(["-L", "fast", "-U", uuid, "--root-owner", "7:8"])
        .arg(&path)
        .assert()
        .success()
        .stdout(contains("64M").and(contains(uuid)));
    let medium = FileMedium::open(&path).unwrap();
    let sb = load_super(&medium).unwrap();
    assert_eq!((label_of(&sb), uuid_of(&sb)), ("fast".into(), uuid.into()));
    let volume = rdaxfs_core::Volume::mount(
        rdaxfs_check::Overlay::new(&medium),
        &rdaxfs_core::MountOptions::default(),
    );
    let volume = volume.unwrap();
    let root = volume.iget(volume.root()).unwrap();
    assert_eq!(root.inode().uid.get(), 7);
    assert_eq!(root.inode().gid.get(), 8);
}

#[test]
fn makes_an_image_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("new");
    mkfs()
        .args(["-q", "--size", "16M"])
        .arg(&path)
        .assert()
        .success()
        .stdout("");
    assert_eq!(fs::metadata(&path).unwrap().len(), 16 << 20);
}

#[test]
fn overwrites_nothing_unasked() {
    let (_dir, path) = image(16 << 20);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0x53, 0xef], 0x438).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = mkfs().arg(&path).assert().code(1);
    refused.stderr(contains("ext2/3/4"));
    assert!(fs::read(&path).unwrap() == before);
    mkfs().args(["-f", "-q"]).arg(&path).assert().success();
    mkfs()
        .arg(&path)
        .assert()
        .code(1)
        .stderr(contains("rdaxfs"));
}

#[test]
fn dry_run_changes_nothing() {
    let (_dir, path) = image(16 << 20);
    let before = fs::read(&path).unwrap();
    mkfs()
        .arg("-n")
        .arg(&path)
        .assert()
        .success()
        .stdout(contains("would be made"));
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn refuses_what_makes_no_sense() {
    let (_dir, path) = image(1 << 20);
    mkfs()
        .arg(&path)
        .assert()
        .code(1)
        .stderr(contains("too small"));
    mkfs()
        .args(["-L", &"x".repeat(65)])
        .arg(&path)
        .assert()
        .code(1);
    mkfs().args(["-U", "no uuid"]).arg(&path).assert().code(1);
    mkfs().arg("/nonexistent/image").assert().code(1);
    mkfs().arg("--version").assert().success();
}
