// SPDX-License-Identifier: GPL-2.0

//! Volumes with damage: what is not known to be free is never allocated, what is good can be read,
//! and a mount that fails stores nothing.

use crate::common::{
    make,
    script::{
        file,
        write_piece, //
    },
    Ram, //
};
use rdaxfs_core::{
    fail_allocation,
    format_types::{
        crc32c,
        DiskTime,
        EntryHead,
        SlotHead,
        BLOCK_SIZE,
        IMAP_GROUP_SIZE,
        INLINE_BYTES,
        INODE_SIZE,
        SLOT_HEAD, //
    },
    Error,
    Medium,
    MountOptions,
    Node,
    Result,
    Volume, //
};
use std::sync::atomic::{
    AtomicU64,
    Ordering, //
};

const NOW: fn() -> DiskTime = || DiskTime::new(1, 2);
const SIZE: usize = 16 << 20;
const FILES: u8 = 20;

fn name(index: u8) -> [u8; 2] {
    [b'f', b'a' + index]
}

fn mount<M: Medium>(medium: M, read_only: bool) -> Result<Volume<M>> {
    let options = MountOptions {
        read_only,
        ..MountOptions::default()
    };
    Volume::mount(medium, &options)
}

/// A volume with small files, and their inode numbers.
fn volume() -> (Ram, Vec<u64>) {
    let ram = make(SIZE);
    let volume = mount(&ram, false).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    let inos = (0..FILES)
        .map(|index| {
            let mut node = volume
                .create(&mut root, &name(index), &file(), NOW())
                .unwrap();
            write_piece(&volume, &mut node, 0, &[index; 5000], NOW()).unwrap();
            node.ino()
        })
        .collect();
    volume.deactivate().unwrap();
    (ram, inos)
}

fn image(ram: &Ram) -> Vec<u8> {
    ram.0.lock().unwrap().clone()
}

fn at(ino: u64) -> usize {
    ino as usize * INODE_SIZE
}

/// Changes inode `ino` on the medium and gives it a good checksum.
fn change(ram: &Ram, ino: u64, f: impl FnOnce(&mut [u8])) {
    let mut bytes = ram.0.lock().unwrap();
    let inode = &mut bytes[at(ino)..at(ino) + INODE_SIZE];
    f(inode);
    let crc = crc32c(0, &inode[4..]);
    inode[..4].copy_from_slice(&crc.to_le_bytes());
}

const INLINE: usize = INODE_SIZE - INLINE_BYTES;
const NLINK: usize = 24;

fn set_links(ram: &Ram, ino: u64, nlink: u32) {
    change(ram, ino, |inode| {
        inode[NLINK..NLINK + 4].copy_from_slice(&nlink.to_le_bytes());
    });
}

fn flip(ram: &Ram, ino: u64) {
    ram.0.lock().unwrap()[at(ino) + 40] ^= 1;
}

fn content<M: Medium>(volume: &Volume<M>, node: &Node) -> Vec<u8> {
    let mut bytes = vec![0; node.size().next_multiple_of(BLOCK_SIZE) as usize];
    for extent in node.iter_extents() {
        let from = (extent.lblk * BLOCK_SIZE) as usize;
        let to = (extent.end() * BLOCK_SIZE) as usize;
        volume
            .medium()
            .load(extent.pblk * BLOCK_SIZE, &mut bytes[from..to])
            .unwrap();
    }
    bytes.truncate(node.size() as usize);
    bytes
}

/// Checks that the volume, mounted read-only, shows all files but the `bad` ones as they were, lets
/// nothing be changed, and that nothing of that stores anything.
fn shows_all_but(ram: &Ram, inos: &[u64], bad: &[u64], unlinked: &[u64]) {
    let before = image(ram);
    let volume = mount(ram, true).unwrap();
    assert!(volume.damage().is_some());
    assert_eq!(volume.usage().free, 0);
    let mut root = volume.iget(volume.root()).unwrap();
    for (index, &ino) in (0..).zip(inos) {
        let found = volume.lookup(&mut root, &name(index)).unwrap().unwrap();
        assert_eq!(found.ino, ino);
        match volume.iget(ino) {
            Ok(node) => {
                assert!(!bad.contains(&ino), "file {index}");
                assert_eq!(content(&volume, &node), [index; 5000]);
            }
            Err(Error::Corrupt(corrupt)) => {
                assert!(bad.contains(&ino), "file {index}: {corrupt}");
                assert_eq!(corrupt.ino(), Some(ino));
            }
            // One without links has only those who have it open.
            Err(Error::Stale) => assert!(unlinked.contains(&ino), "file {index}"),
            Err(other) => panic!("file {index}: {other:?}"),
        }
    }
    // Whatever the way, nothing is handed out.
    assert_eq!(volume.activate(NOW()), Err(Error::ReadOnly));
    let created = volume.create(&mut root, b"new", &file(), NOW());
    assert_eq!(created.err(), Some(Error::ReadOnly));
    let good = inos.iter().find(|ino| !bad.contains(ino)).unwrap();
    let mut node = volume.iget(*good).unwrap();
    let filled = volume.fill(&mut node, 10, 4, false);
    assert_eq!(filled.err(), Some(Error::ReadOnly));
    assert_eq!(volume.deactivate(), Ok(()));
    assert!(before == image(ram));
}

/// Checks that mounting it to write fails and stores nothing.
fn cannot_be_written(ram: &Ram) -> Error {
    let before = image(ram);
    let error = mount(ram, false).err().unwrap();
    assert!(before == image(ram));
    error
}

/// A bit of one inode flipped: what comes after it in the scan counts.
#[test]
fn flipped_bit() {
    for damaged in [0, FILES / 2, FILES - 1] {
        let (ram, inos) = volume();
        let ino = inos[usize::from(damaged)];
        flip(&ram, ino);
        let Error::Corrupt(corrupt) = cannot_be_written(&ram) else {
            panic!()
        };
        assert_eq!(corrupt.ino(), Some(ino));
        shows_all_but(&ram, &inos, &[ino], &[]);
    }
}

/// Two files with one block: neither can be used, whichever comes first.
#[test]
fn block_with_two_owners() {
    let (ram, inos) = volume();
    let raw: Vec<u8> = image(&ram)[at(inos[3]) + INLINE..][..16].to_vec();
    change(&ram, inos[9], |inode| {
        inode[INLINE..INLINE + 16].copy_from_slice(&raw);
    });
    assert!(matches!(cannot_be_written(&ram), Error::Corrupt(_)));
    shows_all_but(&ram, &inos, &[inos[3], inos[9]], &[]);
}

/// A file that has a block of inodes: that of the second file, and of its neighbours.
#[test]
fn block_of_inodes_with_two_owners() {
    let (ram, inos) = volume();
    let block = inos[1] * INODE_SIZE as u64 / BLOCK_SIZE;
    change(&ram, inos[FILES as usize - 1], |inode| {
        let mut place = inode[INLINE + 8..INLINE + 16].to_vec();
        place[..5].copy_from_slice(&block.to_le_bytes()[..5]);
        inode[INLINE + 8..INLINE + 16].copy_from_slice(&place);
    });
    let volume = mount(&ram, true);
    // The root directory may be in it, too.
    match volume {
        Ok(volume) => assert!(matches!(volume.iget(inos[1]), Err(Error::Corrupt(_)))),
        Err(error) => assert!(matches!(error, Error::Corrupt(_))),
    }
    assert!(matches!(cannot_be_written(&ram), Error::Corrupt(_)));
}

/// A group of the inode map cannot be read: there may be files of which nothing is known.
#[test]
fn inode_map() {
    let (ram, inos) = volume();
    let map = rdaxfs_core::load_super(&&ram).unwrap().layout().imap_at(1) as usize;
    ram.0.lock().unwrap()[map + IMAP_GROUP_SIZE / 2] ^= 1;
    assert!(matches!(cannot_be_written(&ram), Error::Corrupt(_)));
    shows_all_but(&ram, &inos, &[], &[]);
}

/// Inodes without a name are freed when all of the volume was found good, and not before.
#[test]
fn orphans() {
    let (ram, inos) = volume();
    let good = image(&ram);
    set_links(&ram, inos[2], 0);
    flip(&ram, inos[FILES as usize - 1]);
    assert!(matches!(cannot_be_written(&ram), Error::Corrupt(_)));
    shows_all_but(&ram, &inos, &inos[FILES as usize - 1..], &inos[2..3]);
    *ram.0.lock().unwrap() = good;
    let free = mount(&ram, true).unwrap().usage().free;
    set_links(&ram, inos[2], 0);
    let volume = mount(&ram, false).unwrap();
    assert_eq!(volume.recovery().orphans, 1);
    assert_eq!(volume.iget(inos[2]).err(), Some(Error::Stale));
    assert_eq!(volume.usage().free, free + 2);
}

/// A root directory without links, or that is none, makes the mount fail; it is not freed for it.
#[test]
fn root() {
    let (ram, _) = volume();
    let root = rdaxfs_core::load_super(&&ram).unwrap().root.get();
    let good = image(&ram);
    for damage in [
        |ram: &Ram, root| set_links(ram, root, 0),
        |ram: &Ram, root| change(ram, root, |inode| inode[6..8].fill(0)),
        |ram: &Ram, root| change(ram, root, |inode| inode[7] = 0o100644_u16.to_le_bytes()[1]),
    ] {
        *ram.0.lock().unwrap() = good.clone();
        damage(&ram, root);
        let Error::Corrupt(corrupt) = cannot_be_written(&ram) else {
            panic!()
        };
        assert_eq!(corrupt.ino(), Some(root), "{corrupt}");
        let before = image(&ram);
        assert!(matches!(mount(&ram, true).err(), Some(Error::Corrupt(_))));
        assert!(before == image(&ram));
    }
}

/// Without memory the mount of a damaged volume fails: it never knows less than with it.
#[test]
fn no_memory() {
    let (ram, inos) = volume();
    flip(&ram, inos[0]);
    let raw: Vec<u8> = image(&ram)[at(inos[3]) + INLINE..][..16].to_vec();
    change(&ram, inos[9], |inode| {
        inode[INLINE..INLINE + 16].copy_from_slice(&raw);
    });
    for nth in 1.. {
        fail_allocation(nth);
        let mounted = mount(&ram, true);
        if fail_allocation(0) > 0 {
            assert!(mounted.is_ok() && nth > 5);
            break;
        }
        assert_eq!(mounted.err(), Some(Error::NoMemory));
    }
    shows_all_but(&ram, &inos, &[inos[0], inos[3], inos[9]], &[]);
}

/// Writes a transaction into journal slot `slot` that stores `data` at byte `at`.
fn put_transaction(ram: &Ram, slot: u64, at: u64, data: &[u8]) {
    let layout = rdaxfs_core::load_super(&ram).unwrap().layout();
    let sequence = 7 + slot;
    let mut payload = EntryHead::new(at, data.len()).bytes().to_vec();
    payload.extend_from_slice(data);
    let mut head = SlotHead::new(sequence, &payload).bytes().to_vec();
    head[..8].copy_from_slice(&sequence.to_le_bytes());
    let from = layout.slot_at(slot) as usize;
    let mut bytes = ram.0.lock().unwrap();
    bytes[from..from + SLOT_HEAD].copy_from_slice(&head);
    bytes[from + SLOT_HEAD..from + SLOT_HEAD + payload.len()].copy_from_slice(&payload);
}

/// Recovery stores nothing if one of the transactions stores to where no metadata can be.
#[test]
fn transactions_with_bad_targets() {
    let (ram, inos) = volume();
    let good = image(&ram);
    let layout = rdaxfs_core::load_super(&&ram).unwrap().layout();
    let inode = at(inos[0]);
    let data = &good[inode..inode + INODE_SIZE];
    put_transaction(&ram, 0, inode as u64, data);
    assert_eq!(mount(&ram, false).unwrap().recovery().transactions, 1);
    let end = layout.end_block() * BLOCK_SIZE;
    let first = layout.imap_at(0);
    for target in [
        0,
        512,
        layout.slot_at(0),
        layout.slot_at(1) + 8,
        layout.slot_at(layout.slots - 1),
        // Into the inode map, and out of the data.
        first - 8,
        end - 8,
        end,
        SIZE as u64 - 16,
        u64::MAX - 8,
    ] {
        *ram.0.lock().unwrap() = good.clone();
        put_transaction(&ram, 2, target, &[0xee; 16]);
        // A good one comes first.
        put_transaction(&ram, 0, inode as u64, &[0xee; INODE_SIZE]);
        let Error::Corrupt(corrupt) = cannot_be_written(&ram) else {
            panic!()
        };
        assert_eq!(corrupt.block(), Some(layout.slot_at(2) / BLOCK_SIZE));
        let before = image(&ram);
        assert!(matches!(mount(&ram, true).err(), Some(Error::Corrupt(_))));
        let recovered = rdaxfs_core::recover_journal(&&ram, &layout);
        assert!(matches!(recovered, Err(Error::Corrupt(_))));
        assert!(before == image(&ram));
    }
}

/// Memory in which one place cannot be read for a while.
struct Flaky<'a> {
    ram: &'a Ram,
    /// The first byte of the place, 0 for none.
    bad: AtomicU64,
    /// Loads until a signal comes.
    signal: AtomicU64,
    loads: AtomicU64,
}

impl<'a> Flaky<'a> {
    fn new(ram: &'a Ram, bad: u64) -> Self {
        Self {
            ram,
            bad: AtomicU64::new(bad),
            signal: AtomicU64::new(u64::MAX),
            loads: AtomicU64::new(0),
        }
    }
}

impl Medium for &Flaky<'_> {
    fn size(&self) -> u64 {
        self.ram.size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let bad = self.bad.load(Ordering::Relaxed);
        if bad != 0 && (at..at + out.len() as u64).contains(&bad) {
            return Err(Error::Poison);
        }
        self.ram.load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        self.ram.store(at, data)
    }

    fn flush(&self, at: u64, len: u64) -> Result {
        self.ram.flush(at, len)
    }

    fn fence(&self) -> Result {
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        self.ram.zero(at, len)
    }

    fn pause(&self) -> Result {
        match self.loads.load(Ordering::Relaxed) > self.signal.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}

/// An inode that could not be read when the volume was mounted is not used later, when it can be:
/// its blocks were not checked. The others of its block are.
#[test]
fn poison_that_goes_away() {
    let (ram, inos) = volume();
    let bad = inos[5];
    let flaky = Flaky::new(&ram, at(bad) as u64);
    assert_eq!(mount(&flaky, false).err(), Some(Error::Poison));
    let volume = mount(&flaky, true).unwrap();
    flaky.bad.store(0, Ordering::Relaxed);
    for &ino in &inos {
        match volume.iget(ino) {
            Ok(_) => assert_ne!(ino, bad),
            Err(error) => {
                assert_eq!(ino, bad);
                assert!(matches!(error, Error::Corrupt(_)));
            }
        }
    }
    assert_eq!(volume.activate(NOW()), Err(Error::ReadOnly));
}

/// A signal ends the mount while it reads a file of many extents.
#[test]
fn interrupted() {
    let ram = make(32 << 20);
    let whole = {
        let volume = mount(&ram, false).unwrap();
        let mut root = volume.iget(volume.root()).unwrap();
        let mut node = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
        for index in 0..4000 {
            write_piece(&volume, &mut node, index * 2 * BLOCK_SIZE, &[1], NOW()).unwrap();
        }
        assert!(node.extents() >= 4000);
        volume.deactivate().unwrap();
        let flaky = Flaky::new(&ram, 0);
        drop(mount(&flaky, true).unwrap());
        flaky.loads.load(Ordering::Relaxed)
    };
    // The journal, the map and the inodes of this volume are few loads; the rest is that file.
    for signal in [whole / 2, whole - 60] {
        let flaky = Flaky::new(&ram, 0);
        flaky.signal.store(signal, Ordering::Relaxed);
        assert_eq!(mount(&flaky, true).err(), Some(Error::Interrupted));
        assert_eq!(flaky.loads.load(Ordering::Relaxed), signal + 1);
    }
}
