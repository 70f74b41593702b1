// SPDX-License-Identifier: GPL-2.0

//! Damaged volumes, and what repair makes of them: never a panic, always a clean volume.

mod common;

use common::{
    mount,
    now,
    populated,
    Ram, //
};
use proptest::prelude::*;
use rdaxfs_check::{
    check,
    damage,
    repair,
    Kind,
    Options, //
};
use rdaxfs_core::{
    Error,
    Medium,
    Node,
    Result,
    Volume, //
};
use std::sync::{
    Mutex,
    OnceLock, //
};

/// A copy of a volume with something of everything.
fn volume() -> Ram {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| populated().0.into_inner().unwrap());
    Ram(Mutex::new(image.clone()))
}

/// Reads everything that has a name.
fn walk(volume: &Volume<&Ram>, dir: &mut Node) -> usize {
    let mut entries = Vec::new();
    volume
        .readdir(dir, 0, &mut |entry| {
            entries.push((entry.name.to_vec(), entry.ino));
            true
        })
        .unwrap();
    let mut count = entries.len();
    for (name, ino) in entries {
        assert_eq!(volume.lookup(dir, &name).unwrap().unwrap().ino, ino);
        let mut node = volume.iget(ino).unwrap();
        volume.xattr_list(&node, &mut |_| ()).unwrap();
        if node.inode().is_symlink() {
            volume.read_link(&node).unwrap();
        }
        if node.inode().is_dir() {
            count += walk(volume, &mut node);
        }
    }
    count
}

/// Repairs, and checks that it helped.
fn repair_all(ram: &Ram) {
    let done = repair(&ram, now(), |_| true).unwrap();
    assert!(done.left.is_clean(), "left after repair:\n{}", done.left);
    let report = check(&ram, &Options::default());
    assert!(report.is_clean(), "found after repair:\n{report}");
    let volume = mount(ram);
    assert!(!volume.recovery().unclean);
    let mut root = volume.iget(volume.root()).unwrap();
    walk(&volume, &mut root);
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => default.cases,
            None => 200,
        },
        max_shrink_iters: 200,
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn damaged_volumes_are_repaired(seed: u64, count in 1u32..20) {
        let ram = volume();
        damage(&&ram, seed, count).unwrap();
        // Both superblocks may be gone: then nothing can be done.
        if check(&&ram, &Options::default()).count(Kind::NoSuper) == 0 {
            repair_all(&ram);
        }
    }

    #[test]
    fn what_is_replayed_in_memory_is_what_repair_sees(seed: u64) {
        let ram = volume();
        damage(&&ram, seed, 3).unwrap();
        let before = ram.0.lock().unwrap().clone();
        check(&&ram, &Options::default());
        prop_assert!(before == *ram.0.lock().unwrap(), "a check changes nothing");
    }

    #[test]
    fn swapped_blocks_are_survived(swaps in proptest::collection::vec((1usize..1100, 1usize..1100), 1..100)) {
        let ram = volume();
        for (one, two) in swaps.into_iter().filter(|(one, two)| one != two) {
            let mut bytes = ram.0.lock().unwrap();
            let (low, high) = bytes.split_at_mut(one.max(two) * 4096);
            low[one.min(two) * 4096..][..4096].swap_with_slice(&mut high[..4096]);
        }
        repair_all(&ram);
    }

    #[test]
    fn noise_is_survived(bytes in proptest::collection::vec((0usize..(16 << 20), any::<u8>()), 1..200)) {
        let ram = volume();
        for (at, byte) in bytes {
            // Most of the metadata is at the front.
            let at = if at % 4 == 0 { at } else { at % (1 << 20) };
            ram.0.lock().unwrap()[at] = byte;
        }
        if check(&&ram, &Options::default()).count(Kind::NoSuper) == 0 {
            repair_all(&ram);
        }
    }
}

#[test]
fn nothing_but_superblocks_is_repaired_to_an_empty_volume() {
    for noise in [false, true] {
        let ram = volume();
        let mut state = 1u64;
        for byte in ram.0.lock().unwrap()[4096..(16 << 20) - 4096].iter_mut() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            *byte = if noise { (state >> 56) as u8 } else { 0 };
        }
        repair_all(&ram);
        let volume = mount(&ram);
        let mut root = volume.iget(volume.root()).unwrap();
        assert_eq!(walk(&volume, &mut root), 0);
    }
}

#[test]
fn a_clean_volume_stays_as_it_is() {
    let ram = volume();
    let mut root = Mutex::new(0);
    let count = |ram: &Ram| {
        let volume = mount(ram);
        let mut root = volume.iget(volume.root()).unwrap();
        let count = walk(&volume, &mut root);
        volume.deactivate().unwrap();
        count
    };
    *root.get_mut().unwrap() = count(&ram);
    let done = repair(&&ram, now(), |_| true).unwrap();
    assert!(done.fixed.is_empty());
    assert_eq!(count(&ram), *root.get_mut().unwrap());
}

#[test]
fn a_superblock_comes_back_from_the_other() {
    for at in [0, (16 << 20) - 4096] {
        let ram = volume();
        (&ram).zero(at, 4096).unwrap();
        let report = check(&&ram, &Options::default());
        assert_eq!(report.count(Kind::BadSuper), 1, "{report}");
        repair_all(&ram);
    }
}

#[test]
fn lost_files_are_reconnected() {
    let ram = volume();
    let names = {
        let volume = mount(&ram);
        let mut root = volume.iget(volume.root()).unwrap();
        let count = walk(&volume, &mut root);
        volume.deactivate().unwrap();
        count
    };
    // The only block of the root directory.
    let block = {
        let volume = mount(&ram);
        let root = volume.iget(volume.root()).unwrap();
        let block = root.iter_extents().next().unwrap().pblk;
        volume.deactivate().unwrap();
        block
    };
    (&&ram).zero(block * 4096, 4096).unwrap();
    let report = check(&&ram, &Options::default());
    assert!(report.count(Kind::Lost) > 20, "{report}");
    repair_all(&ram);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    // All but second names, and lost+found itself.
    assert!(walk(&volume, &mut root) >= names - 10);
}

/// Memory of which some blocks cannot be read until they are stored to as a whole.
struct Poisoned {
    ram: Ram,
    blocks: Mutex<Vec<u64>>,
}

impl Poisoned {
    fn check(&self, at: u64, len: u64, whole: bool) -> Result<()> {
        let mut blocks = self.blocks.lock().unwrap();
        if whole {
            blocks.retain(|block| block * 4096 < at || (block + 1) * 4096 > at + len);
        }
        match blocks
            .iter()
            .any(|block| block * 4096 < at + len && (block + 1) * 4096 > at)
        {
            true => Err(Error::Io),
            false => Ok(()),
        }
    }
}

impl Medium for &Poisoned {
    fn size(&self) -> u64 {
        (&self.ram).size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result<()> {
        self.check(at, out.len() as u64, false)?;
        (&self.ram).load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result<()> {
        self.check(at, data.len() as u64, true)?;
        (&self.ram).store(at, data)
    }

    fn flush(&self, _at: u64, _len: u64) -> Result<()> {
        Ok(())
    }

    fn fence(&self) -> Result<()> {
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result<()> {
        self.check(at, len, true)?;
        (&self.ram).zero(at, len)
    }

    fn heal(&self, at: u64, len: u64) -> Result<()> {
        for at in (at..at + len).step_by(4096) {
            if self.check(at, 4096, false).is_err() {
                self.zero(at, 4096)?;
            }
        }
        Ok(())
    }
}

#[test]
fn poison_in_metadata_is_put_in_order() {
    let mut seen = 0;
    // The front of the volume: superblock, journal, inode map, inodes, directories, chains.
    for block in (0..700).chain([4095]) {
        let medium = Poisoned {
            ram: volume(),
            blocks: Mutex::new(vec![block]),
        };
        if !check(&&medium, &Options::default()).is_clean() {
            seen += 1;
            let done = repair(&&medium, now(), |_| true).unwrap();
            assert!(done.left.is_clean(), "block {block}:\n{}", done.left);
            let report = check(&&medium, &Options::default());
            assert!(report.is_clean(), "block {block}:\n{report}");
        }
    }
    assert!(seen > 50, "{seen}");
}
