// SPDX-License-Identifier: GPL-2.0

//! Volumes without space: whatever does not fit leaves nothing behind, and what makes room works.

use crate::common::{
    pm::Pm,
    rng::Rng,
    script::{
        dir,
        file,
        look,
        options,
        write_piece,
        SIZE, //
    },
    tree::{
        check,
        PATTERN, //
    }, //
};
use rdaxfs_core::{
    format,
    format_types::DiskTime,
    AttrChange,
    Error,
    FormatOptions,
    Node,
    Volume,
    XattrMode, //
};

const NOW: fn() -> DiskTime = || DiskTime::new(3, 0);

fn fresh() -> (Pm, Volume<Pm>, Node) {
    let pm = Pm::new(vec![PATTERN; SIZE]);
    format(&pm, &FormatOptions::default(), |_, _| {}).unwrap();
    let volume = Volume::mount(pm.clone(), &options()).unwrap();
    let root = volume.iget(volume.root()).unwrap();
    (pm, volume, root)
}

/// Takes blocks for `node` until no more than `left` are there for data.
fn fill_up(volume: &Volume<Pm>, node: &mut Node, left: u64) {
    let first = node.size().div_ceil(4096);
    let blocks = volume.usage().available - left;
    volume
        .allocate(node, first * 4096, blocks * 4096, false, 0, NOW())
        .unwrap();
    assert_eq!(volume.usage().available, left);
}

fn attempt(volume: &Volume<Pm>, root: &mut Node, f: &mut Node, what: u64) -> Result<(), Error> {
    let size = f.size();
    match what {
        0 => volume.create(root, b"new", &file(), NOW()).map(drop),
        1 => volume.create(root, b"dir", &dir(), NOW()).map(drop),
        2 => write_piece(volume, f, size, &[1; 30_000], NOW()).map(drop),
        3 => volume.fill(f, 1, 8, false).map(drop),
        4 => volume.allocate(f, 0, 1 << 20, true, 0, NOW()),
        5 => volume.zero_range(f, 4095, 100_000, false, 0, NOW()),
        6 => {
            let attr = AttrChange::default();
            let value = [1; 50_000];
            volume.xattr_set(f, b"user.x", Some(&value), XattrMode::Any, &attr)
        }
        7 => volume.insert(f, 0, 4096, NOW()),
        8 => volume.write_zeroes(f, 5000, 50_000, NOW()),
        9 => volume.create(root, &[b'n'; 255], &file(), NOW()).map(drop),
        _ => volume.set_size(f, 1 << 30, NOW()),
    }
}

/// Each operation with 0, 1, ... blocks left: it works, or it fails and takes no block.
#[test]
fn little_space() {
    for left in 0..20 {
        for what in 0..11 {
            let (pm, volume, mut root) = fresh();
            let mut big = volume.create(&mut root, b"big", &file(), NOW()).unwrap();
            let mut f = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
            for i in 0..10 {
                write_piece(&volume, &mut f, i * 8192, &[i as u8; 100], NOW()).unwrap();
            }
            while volume.usage().inodes % 16 != 0 {
                let name = volume.usage().inodes.to_string();
                volume
                    .create(&mut root, name.as_bytes(), &file(), NOW())
                    .unwrap();
            }
            fill_up(&volume, &mut big, left);
            let before = volume.usage();
            let tree = look(&Pm::new(pm.image())).unwrap();
            let at = format!("operation {what} with {left} blocks left");
            match attempt(&volume, &mut root, &mut f, what) {
                Ok(()) => {}
                Err(Error::NoSpace) => {
                    // The edges of a range may have got theirs, and a block of inodes may be made.
                    let usage = volume.usage();
                    assert!(usage.free + 2 >= before.free, "{at}: {before:?} {usage:?}");
                    if !matches!(what, 3 | 5 | 8) {
                        assert!(look(&Pm::new(pm.image())).unwrap() == tree, "{at}");
                    }
                }
                Err(error) => panic!("{at}: {error:?}"),
            }
            check(&pm).unwrap_or_else(|why| panic!("{at}: {why}"));
            let usage = volume.usage();
            let again = Volume::mount(Pm::new(pm.image()), &options()).unwrap();
            assert_eq!(again.usage(), usage, "{at}");
            volume.set_size(&mut big, 0, NOW()).unwrap();
            attempt(&volume, &mut root, &mut f, what)
                .or_else(|error| match error {
                    Error::Exists => Ok(()),
                    other => Err(other),
                })
                .unwrap_or_else(|error| panic!("{at}, with room: {error:?}"));
        }
    }
}

/// A full volume can be emptied, also where that first takes metadata.
#[test]
fn emptied() {
    let (_, volume, mut root) = fresh();
    let mut f = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    let mut block = 0;
    while volume.fill(&mut f, block, 1, false).is_ok() {
        block += 2;
    }
    volume.set_size(&mut f, block * 4096, NOW()).unwrap();
    assert_eq!(volume.usage().available, 0);
    let mut rng = Rng(5);
    while f.blocks() > 0 {
        let pos = rng.below(block) * 4096;
        volume.punch(&mut f, pos, 300 * 4096, NOW()).unwrap();
        let half = f.size() / 2;
        if rng.below(30) == 0 {
            volume.set_size(&mut f, half, NOW()).unwrap();
        }
    }
    volume.unlink(&mut root, b"f", &mut f, NOW()).unwrap();
    volume.evict(&mut f).unwrap();
}

/// Names of all lengths that come and go do not make a directory grow without end.
#[test]
fn churn() {
    let (pm, volume, mut root) = fresh();
    let mut d = volume.create(&mut root, b"d", &dir(), NOW()).unwrap();
    let mut rng = Rng(7);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut live = 0;
    for round in 0..20_000u64 {
        if names.len() < 200 || rng.below(2) == 0 && names.len() < 400 {
            let width = 1 + rng.below(255) as usize;
            let name = format!("{round:0width$}").into_bytes();
            volume.create(&mut d, &name, &file(), NOW()).unwrap();
            live += (name.len() + 16).div_ceil(64);
            names.push(name);
        } else {
            let name = names.swap_remove(rng.below(names.len() as u64) as usize);
            let found = volume.lookup(&mut d, &name).unwrap().unwrap();
            let mut node = volume.iget(found.ino).unwrap();
            volume.unlink(&mut d, &name, &mut node, NOW()).unwrap();
            volume.evict(&mut node).unwrap();
            live -= (name.len() + 16).div_ceil(64);
        }
    }
    check(&pm).unwrap();
    println!(
        "a directory with {} names in {live} slots has {} slots after 20000 changes",
        names.len(),
        d.size() / 64
    );
    assert!(d.size() / 64 < 400 * 5 * 3);
}
