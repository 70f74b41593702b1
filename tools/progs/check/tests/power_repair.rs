// SPDX-License-Identifier: GPL-2.0

//! Power cuts while a damaged volume is repaired: what is left is repaired again, and no file is
//! lost that a repair in one go keeps.

#[path = "common/cache.rs"]
mod cache;
mod common;
#[path = "common/model.rs"]
mod model;

use cache::{
    repair_all,
    small_image,
    tree_of,
    Case,
    Fences, //
};
use common::{
    make,
    now, //
};
use model::{
    pm::Pm,
    script::{
        look,
        options, //
    },
    tree::{
        File,
        Tree, //
    },
};
use rdaxfs_check::{
    check,
    damage,
    Kind,
    Options, //
};
use rdaxfs_core::{
    format_types::State,
    load_super,
    update_super,
    NewInode,
    Volume, //
};

/// What of a file a repair is to keep: not when it was found, nor how many names it has.
fn kept(file: &File) -> impl PartialEq + '_ {
    (
        (file.ino, file.generation, file.mode, file.owner),
        (file.flags, file.size, &file.xattrs, &file.data),
    )
}

/// Fails unless all files of `whole` that are as `before` are in `tree` too.
fn nothing_lost(tree: &Tree, whole: &Tree, before: &Tree) -> Result<(), String> {
    for (path, file) in whole {
        let healthy = before
            .get(path)
            .is_some_and(|old| kept(old) == kept(file) && !path.ends_with('/'));
        let same = tree.get(path).is_some_and(|now| kept(now) == kept(file));
        if healthy && !same {
            return Err(format!("{path} was lost"));
        }
    }
    Ok(())
}

fn verify(name: &str, image: Vec<u8>, before: &Tree) -> Case {
    let case = Case::record(image, |pm| repair_all(pm).unwrap());
    let whole = look(&case.done).unwrap();
    case.verify(name, |pm| {
        let mark = pm.mark();
        let repaired = repair_all(pm);
        let tree = repaired.and_then(|()| look(pm));
        pm.rollback(mark);
        nothing_lost(&tree?, &whole, before)
    });
    case
}

#[test]
fn damage_of_all_kinds() {
    let image = small_image();
    let before = tree_of(&image);
    for seed in 0..40 {
        let pm = Pm::new(image.clone());
        damage(&pm, seed, 4).unwrap();
        let report = check(&pm, &Options::default());
        if report.count(Kind::NoSuper) == 0 && !report.is_clean() {
            verify(&format!("damage {seed}"), pm.image(), &before);
        }
    }
}

/// The volume with the entries of the root directory lost, and the lost files in `/lost+found`.
fn without_root(image: &[u8]) -> Vec<u8> {
    let pm = Pm::new(image.to_vec());
    let volume = Volume::mount(pm.clone(), &options()).unwrap();
    let root = volume.iget(volume.root()).unwrap();
    let blocks: Vec<u64> = root
        .iter_extents()
        .flat_map(|extent| extent.pblk..extent.pend())
        .collect();
    volume.deactivate().unwrap();
    for block in blocks {
        pm.put(block * 4096, &[0; 4096]);
    }
    pm.image()
}

#[test]
fn lost_files_get_names() {
    let image = small_image();
    let broken = without_root(&image);
    let case = verify("a new lost+found", broken, &Tree::new());
    let found = case.done.image();
    let tree = tree_of(&found);
    let lost: Vec<&String> = tree.keys().filter(|path| path.contains('#')).collect();
    assert!(lost.len() > 20, "{lost:?}");
    // With free slots in the blocks that lost+found has then, and files to lose again.
    let pm = Pm::new(found);
    let volume = Volume::mount(pm.clone(), &options()).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    let dir = volume.lookup(&mut root, b"lost+found").unwrap().unwrap();
    let mut dir = volume.iget(dir.ino).unwrap();
    let mut names = Vec::new();
    volume
        .readdir(&mut dir, 0, &mut |entry| {
            names.push(entry.name.to_vec());
            true
        })
        .unwrap();
    let new = NewInode {
        mode: 0o100600,
        ..NewInode::default()
    };
    for (number, name) in names.iter().enumerate() {
        let found = volume.lookup(&mut dir, name).unwrap().unwrap();
        let mut file = volume.iget(found.ino).unwrap();
        if number % 3 != 0 && !file.inode().is_dir() {
            volume.unlink(&mut dir, name, &mut file, now()).unwrap();
        }
    }
    let mut sub = volume
        .create(
            &mut root,
            b"sub",
            &NewInode {
                mode: 0o040755,
                ..new
            },
            now(),
        )
        .unwrap();
    for number in 0..40 {
        let name = format!("{number}");
        volume
            .create(&mut sub, name.as_bytes(), &new, now())
            .unwrap();
    }
    let block = sub.iter_extents().next().unwrap().pblk;
    volume.deactivate().unwrap();
    let before = look(&pm).unwrap();
    pm.put(block * 4096, &[0; 4096]);
    let case = verify("an old lost+found", pm.image(), &before);
    let after = tree_of(&case.done.image());
    let named = |tree: &Tree| tree.keys().filter(|path| path.contains('#')).count();
    assert!(named(&after) >= named(&before) + 16);
}

/// More than the journal takes at once.
#[test]
fn many_repairs() {
    let pm = Pm::new(make(8 << 20).0.into_inner().unwrap());
    let volume = Volume::mount(pm.clone(), &options()).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    let new = NewInode {
        mode: 0o100600,
        ..NewInode::default()
    };
    let mut inodes = Vec::new();
    for number in 0..600 {
        let name = format!("{number}");
        let file = volume.create(&mut root, name.as_bytes(), &new, now());
        inodes.push(*file.unwrap().inode());
    }
    volume.deactivate().unwrap();
    let before = look(&pm).unwrap();
    for (number, inode) in inodes.iter_mut().enumerate() {
        inode.nlink.set(2 + number as u32);
        pm.put(volume.layout().inode_at(inode.ino.get()), inode.encode());
    }
    let case = verify("many repairs", pm.image(), &before);
    let after = look(&case.done).unwrap();
    assert_eq!(after.len(), before.len());
    nothing_lost(&after, &before, &before).unwrap();
    assert!(after.values().all(|file| file.nlink <= 2));
}

#[test]
fn a_volume_that_is_marked_stays_so_until_it_is_in_order() {
    let image = small_image();
    let before = tree_of(&image);
    let pm = Pm::new(image);
    damage(&pm, 3, 4).unwrap();
    update_super(&pm, |sb| sb.set_state(State::Errors)).unwrap();
    let case = verify("marked", pm.image(), &before);
    let looked = case.cut(Fences::All, |pm| {
        let state = load_super(pm)
            .map_err(|error| format!("{error:?}"))?
            .state();
        let left = check(pm, &Options::default());
        let damaged = left.errors().any(|problem| problem.kind != Kind::MarkedBad);
        match damaged && state != State::Errors {
            true => Err(format!("not marked:\n{left}")),
            false => Ok(()),
        }
    });
    looked.unwrap();
}

/// Each fence but the last ones is missed in some repair.
#[test]
fn fences_are_missed() {
    let image = small_image();
    let before = tree_of(&image);
    let (mut missed, mut all) = (0, 0);
    for seed in 0..8 {
        let pm = Pm::new(image.clone());
        damage(&pm, seed, 4).unwrap();
        let case = Case::record(pm.image(), |pm| repair_all(pm).unwrap());
        let whole = look(&case.done).unwrap();
        let (some, of) = case.missed(|pm| {
            let mark = pm.mark();
            let repaired = repair_all(pm);
            let tree = repaired.and_then(|()| look(pm));
            pm.rollback(mark);
            nothing_lost(&tree?, &whole, &before)
        });
        println!("seed {seed}: {some} of {of} fences are missed");
        (missed, all) = (missed + some, all + of);
    }
    assert!(missed * 8 > all, "{missed} of {all}");
}
