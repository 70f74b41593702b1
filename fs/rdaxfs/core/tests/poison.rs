// SPDX-License-Identifier: GPL-2.0

//! Volumes of which parts are poisoned: nothing that is stored ends in a block that cannot be read,
//! and what cannot be made good is left alone.

use crate::common::{
    script::{
        dir,
        file,
        symlink,
        write_piece_by,
        SIZE, //
    },
    scripts::bytes,
    tree::{
        walk,
        Tree, //
    },
    Ram, //
};
use rdaxfs_core::{
    format,
    format_types::DiskTime,
    AttrChange,
    Error,
    FormatOptions,
    Held,
    Medium,
    MountOptions,
    Node,
    Result,
    Role,
    Volume,
    XattrMode, //
};
use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::Mutex, //
};

const NOW: fn() -> DiskTime = || DiskTime::new(5, 0);

/// Memory with poisoned blocks: a store does not make them good, zeroes over a whole one do if it
/// can be made good.
struct Poisoned {
    ram: Ram,
    blocks: Mutex<BTreeMap<u64, bool>>,
}

impl Poisoned {
    fn new() -> Self {
        let ram = Ram::new(SIZE);
        format(&&ram, &FormatOptions::default(), |_, _| {}).unwrap();
        Self {
            ram,
            blocks: Mutex::new(BTreeMap::new()),
        }
    }

    fn poison(&self, blocks: impl IntoIterator<Item = u64>, curable: bool) {
        let mut list = self.blocks.lock().unwrap();
        list.extend(blocks.into_iter().map(|block| (block, curable)));
    }

    fn touched(at: u64, len: u64) -> RangeInclusive<u64> {
        at / 4096..=(at + len - 1) / 4096
    }

    fn poisoned(&self) -> Vec<u64> {
        self.blocks.lock().unwrap().keys().copied().collect()
    }
}

impl Medium for &Poisoned {
    fn size(&self) -> u64 {
        (&self.ram).size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        let blocks = self.blocks.lock().unwrap();
        match blocks.range(Poisoned::touched(at, out.len() as u64)).next() {
            Some(_) => Err(Error::Poison),
            None => (&self.ram).load(at, out),
        }
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        (&self.ram).store(at, data)
    }

    fn flush(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }

    fn fence(&self) -> Result {
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        let mut blocks = self.blocks.lock().unwrap();
        let hit: Vec<_> = blocks.range(Poisoned::touched(at, len)).collect();
        let whole = (at | len) % 4096 == 0;
        if hit.iter().any(|(_, &curable)| !curable || !whole) {
            return Err(Error::Poison);
        }
        blocks.retain(|block, _| !Poisoned::touched(at, len).contains(block));
        (&self.ram).zero(at, len)
    }

    fn heal(&self, at: u64, len: u64) -> Result {
        for block in Poisoned::touched(at, len) {
            if self.blocks.lock().unwrap().contains_key(&block) {
                self.zero(block * 4096, 4096)?;
            }
        }
        Ok(())
    }
}

fn mount(medium: &Poisoned) -> Result<Volume<&Poisoned>> {
    Volume::mount(medium, &MountOptions::default())
}

/// Writes as the DAX core does: whole blocks become good if they can.
fn write_piece(
    volume: &Volume<&Poisoned>,
    node: &mut Node,
    pos: u64,
    data: &[u8],
) -> Result<usize> {
    write_piece_by(volume, node, pos, data, NOW(), |at, piece| {
        let end = at + piece.len() as u64;
        let whole = (at.next_multiple_of(4096), end / 4096 * 4096);
        let healed = match whole.0 < whole.1 {
            true => volume.medium().heal(whole.0, whole.1 - whole.0),
            false => Ok(()),
        };
        volume.medium().store(at, piece)?;
        healed.map_err(|_| Error::Io)
    })
}

/// Writes all of `data`. Blocks that are taken for it are good.
fn write(volume: &Volume<&Poisoned>, node: &mut Node, pos: u64, data: &[u8]) -> Result {
    let mut done = 0;
    while done < data.len() {
        done += write_piece(volume, node, pos + done as u64, &data[done..])?;
    }
    Ok(())
}

/// Something of each kind that takes blocks.
fn populate(volume: &Volume<&Poisoned>) -> Result {
    let mut root = volume.iget(volume.root())?;
    let mut d = volume.create(&mut root, b"d", &dir(), NOW())?;
    for i in 0..40 {
        volume.create(&mut d, &[b'0' + i; 200], &file(), NOW())?;
    }
    let mut f = volume.create(&mut root, b"f", &file(), NOW())?;
    // Parts of blocks, and more extents than fit into the inode.
    for i in 0..60 {
        write(volume, &mut f, i * 8192, &bytes(i as u8, 100))?;
    }
    write(volume, &mut f, 1 << 20, &bytes(7, 70_000))?;
    let attr = AttrChange::default();
    let value = bytes(1, 9000);
    volume.xattr_set(&mut f, b"user.x", Some(&value), XattrMode::Any, &attr)?;
    volume.create(&mut root, b"l", &symlink(&bytes(2, 3000)), NOW())?;
    let mut g = volume.create(&mut root, b"g", &file(), NOW())?;
    volume.allocate(&mut g, 0, 1 << 20, false, 1 << 20, NOW())?;
    let mut h = volume.create(&mut root, b"h", &file(), NOW())?;
    volume.write_zeroes(&mut h, 100, 50_000, NOW())?;
    volume.fill(&mut h, 100, 4, false).map(drop)
}

fn look(medium: &Poisoned) -> Tree {
    let volume = mount(medium).unwrap();
    let tree = walk(&volume).unwrap();
    volume.deactivate().unwrap();
    tree
}

fn expected() -> Tree {
    let medium = Poisoned::new();
    let volume = mount(&medium).unwrap();
    populate(&volume).unwrap();
    volume.deactivate().unwrap();
    look(&medium)
}

/// What two volumes show, whatever the numbers of the inodes.
fn same(left: &Tree, right: &Tree) -> bool {
    let shown = |tree: &Tree| {
        let mut tree = tree.clone();
        for file in tree.values_mut() {
            (file.ino, file.generation) = (0, 0);
        }
        tree
    };
    shown(left) == shown(right)
}

fn free_blocks(volume: &Volume<&Poisoned>) -> Vec<u64> {
    let blocks = 0..volume.layout().blocks;
    blocks
        .filter(|&block| volume.role(block) == Role::Free)
        .collect()
}

#[test]
fn free_space_becomes_good() {
    let medium = Poisoned::new();
    let volume = mount(&medium).unwrap();
    let free = free_blocks(&volume);
    medium.poison(free.iter().copied(), true);
    populate(&volume).unwrap();
    volume.deactivate().unwrap();
    assert!(medium.poisoned().len() < free.len());
    assert!(same(&look(&medium), &expected()));
}

#[test]
fn what_stays_bad_is_left_alone() {
    let medium = Poisoned::new();
    let volume = mount(&medium).unwrap();
    let free = free_blocks(&volume);
    let bad: Vec<u64> = free
        .iter()
        .copied()
        .filter(|block| block % 3 == 0)
        .collect();
    medium.poison(bad.iter().copied(), false);
    let before = volume.usage();
    populate(&volume).unwrap();
    assert_eq!(medium.poisoned(), bad);
    volume.deactivate().unwrap();
    drop(volume);
    let tree = look(&medium);
    assert!(same(&tree, &expected()));

    // Kept from use until now only.
    let volume = mount(&medium).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    for name in [&b"f"[..], b"l", b"g", b"h"] {
        let entry = volume.lookup(&mut root, name).unwrap().unwrap();
        let mut node = volume.iget(entry.ino).unwrap();
        volume.unlink(&mut root, name, &mut node, NOW()).unwrap();
        volume.evict(&mut node).unwrap();
    }
    let left = volume.usage().free;
    let held: Vec<u64> = bad
        .iter()
        .copied()
        .filter(|&block| volume.role(block) != Role::Free)
        .collect();
    assert!(held.is_empty(), "{held:?}");
    assert!(left < before.free && left > before.free - 20);
}

/// The blocks of a file, in order.
fn blocks_of(node: &Node) -> Vec<u64> {
    let extents = node.iter_extents();
    extents
        .flat_map(|extent| extent.pblk..extent.pend())
        .collect()
}

/// Blocks that are lost after a file has got them, but before anything is in them, are exchanged.
#[test]
fn unwritten_blocks_are_exchanged() {
    for ahead in [0, 1 << 20] {
        let medium = Poisoned::new();
        let volume = mount(&medium).unwrap();
        let mut root = volume.iget(volume.root()).unwrap();
        let mut f = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
        let all = 64 * 4096;
        volume
            .allocate(&mut f, 0, all / 2, false, ahead, NOW())
            .unwrap();
        volume
            .allocate(&mut f, all / 2, all / 2, true, ahead, NOW())
            .unwrap();
        let bad: Vec<u64> = blocks_of(&f).into_iter().step_by(5).collect();
        medium.poison(bad.iter().copied(), false);
        let usable = volume.usage().free + f.blocks();
        volume.fill(&mut f, 3, 9, false).unwrap();
        let model = bytes(3, all as usize);
        write(&volume, &mut f, 20 * 4096 + 100, &model[20 * 4096 + 100..]).unwrap();
        volume.write_zeroes(&mut f, 0, 15 * 4096, NOW()).unwrap();
        write(&volume, &mut f, 0, &model[..20 * 4096 + 100]).unwrap();
        assert!(blocks_of(&f).iter().all(|block| !bad.contains(block)));
        let left = volume.usage().free + f.blocks();
        assert_eq!(left, usable - bad.len() as u64);
        volume.deactivate().unwrap();
        drop(volume);
        assert!(look(&medium)["/f"].data == model);
    }
}

/// Blocks whose content is lost are exchanged if they are overwritten as a whole.
#[test]
fn lost_blocks_are_exchanged() {
    let medium = Poisoned::new();
    let volume = mount(&medium).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    let mut f = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    let mut model = bytes(3, 20 * 4096 + 10);
    write(&volume, &mut f, 0, &model).unwrap();
    let blocks = blocks_of(&f);
    let bad: Vec<u64> = [0, 7, 8, 20].iter().map(|&i| blocks[i]).collect();
    medium.poison(bad.iter().copied(), false);
    let usable = volume.usage().free + f.blocks();
    for lblk in 0..=20 {
        let lost = [0, 7, 8, 20].contains(&lblk);
        assert_eq!(volume.is_lost(&f, lblk), Ok(lost));
    }
    let mut last = vec![0; 4096];
    last[..10].fill(9);
    volume.replace_lost(&mut f, 0, &[5; 4096]).unwrap();
    volume.replace_lost(&mut f, 20, &last).unwrap();
    assert_eq!(
        volume.zero_range(&mut f, 7 * 4096 + 1, 100, true, 0, NOW()),
        Err(Error::Io)
    );
    volume
        .zero_range(&mut f, 7 * 4096, 2 * 4096, true, 0, NOW())
        .unwrap();
    model[..4096].fill(5);
    model[7 * 4096..9 * 4096].fill(0);
    model[20 * 4096..].fill(9);
    assert!(blocks_of(&f).iter().all(|block| !bad.contains(block)));
    assert_eq!(volume.usage().free + f.blocks(), usable - 4);
    assert_eq!(medium.poisoned().len(), 4);
    volume.deactivate().unwrap();
    drop(volume);
    assert!(look(&medium)["/f"].data == model);
}

/// With nothing but bad blocks each operation fails and leaves nothing behind.
#[test]
fn all_bad_is_no_space() {
    let medium = Poisoned::new();
    let volume = mount(&medium).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    let mut f = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    medium.poison(free_blocks(&volume), false);
    let attempts: [fn(&Volume<&Poisoned>, &mut Node, &mut Node) -> Result; 5] = [
        |volume, _, f| volume.fill(f, 0, 1, false).map(drop),
        |volume, _, f| volume.allocate(f, 0, 4096, false, 1 << 20, NOW()),
        |volume, _, f| write(volume, f, 0, &[1; 100]),
        |volume, _, f| {
            let attr = AttrChange::default();
            volume.xattr_set(f, b"user.x", Some(&[1; 99]), XattrMode::Any, &attr)
        },
        |volume, root, _| {
            let link = [b'x'; 3000];
            volume.create(root, b"l", &symlink(&link), NOW()).map(drop)
        },
    ];
    for attempt in attempts {
        let failed = attempt(&volume, &mut root, &mut f).unwrap_err();
        assert!(matches!(failed, Error::NoSpace | Error::Io), "{failed:?}");
        assert_eq!((f.size(), f.blocks()), (0, 0));
    }
    volume.deactivate().unwrap();
    assert_eq!(look(&medium).len(), 2);
}

#[test]
fn one_superblock_is_enough() {
    let last = SIZE as u64 / 4096 - 1;
    for (block, curable) in [(0, true), (0, false), (last, true), (last, false)] {
        let medium = Poisoned::new();
        medium.poison([block], curable);
        let volume = mount(&medium).unwrap();
        populate(&volume).unwrap();
        volume.deactivate().unwrap();
        assert_eq!(medium.poisoned().is_empty(), curable);
        assert!(same(&look(&medium), &expected()));
    }
    let medium = Poisoned::new();
    medium.poison([0, last], true);
    assert_eq!(mount(&medium).err(), Some(Error::Poison));
}

/// A journal in which nothing can be is made good; one that may hold something is not.
#[test]
fn journal() {
    let medium = Poisoned::new();
    let slot = 1;
    medium.poison([slot], true);
    let volume = mount(&medium).unwrap();
    assert!(medium.poisoned().is_empty());
    populate(&volume).unwrap();
    drop(volume);
    medium.poison([slot], true);
    assert_eq!(mount(&medium).err(), Some(Error::Poison));
    assert_eq!(medium.poisoned(), [slot]);
}

/// Each block has the owner that uses it, whether it can be read or not.
#[test]
fn owners() {
    let medium = Poisoned::new();
    let volume = mount(&medium).unwrap();
    populate(&volume).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    let mut found = BTreeMap::new();
    for block in 0..volume.layout().blocks {
        if volume.role(block) == Role::Inode {
            medium.poison([block], true);
            let owner = volume.find_owner(block, Some).unwrap();
            medium.blocks.lock().unwrap().clear();
            let (ino, held) = owner.unwrap_or_else(|| panic!("block {block}"));
            found
                .entry(ino)
                .or_insert_with(Vec::new)
                .push((block, held));
        }
    }
    for (name, kinds) in [
        (&b"d"[..], &["directory"][..]),
        (b"f", &["list of extents", "extended attributes"]),
        (b"l", &["symbolic link"]),
        (b"g", &[]),
    ] {
        let entry = volume.lookup(&mut root, name).unwrap().unwrap();
        let node = volume.iget(entry.ino).unwrap();
        let held = found.remove(&entry.ino).unwrap_or_default();
        assert_eq!(held.len() as u64, node.blocks());
        for (block, held) in held {
            match held {
                Held::Metadata(what) => assert!(kinds.contains(&what), "{what}"),
                Held::Data(lblk) => {
                    let extents: Vec<_> = node.iter_extents().collect();
                    assert!(extents.iter().any(|extent| {
                        (extent.pblk..extent.pend()).contains(&block)
                            && lblk - extent.lblk == block - extent.pblk
                    }));
                }
            }
        }
    }
}
