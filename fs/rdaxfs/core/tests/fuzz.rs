// SPDX-License-Identifier: GPL-2.0

//! Damaged volumes: nothing on one makes the core panic, loop or read past the medium; all that
//! comes of it is an error.

use crate::common::{
    pm::Pm,
    rng::Rng,
    script::{
        file,
        options,
        write_piece, //
    },
    scripts,
};
use rdaxfs_core::{
    format_types::{
        crc32c,
        DiskTime,
        Layout,
        BLOCK_SIZE, //
    },
    AttrChange,
    Error,
    Medium,
    MountOptions,
    Node,
    Result,
    Volume,
    XattrMode, //
};
use std::{
    collections::{
        HashMap,
        HashSet, //
    },
    time::{
        Duration,
        Instant, //
    }, //
};

const NOW: fn() -> DiskTime = || DiskTime::new(9, 0);
/// Images of each kind.
const IMAGES: u64 = 6000;

/// Volumes with something of everything on them.
fn volumes() -> Vec<Pm> {
    let scripts = scripts::all().into_iter();
    scripts
        .map(|(_, script)| {
            let pm = Pm::new(script.image);
            // Not to the end: files are gone there.
            let steps = script.steps.len() / 2;
            for event in script
                .steps
                .iter()
                .take(steps)
                .flat_map(|step| &step.events)
            {
                if let crate::common::pm::Kind::Store { at, data } = &event.kind {
                    pm.put(*at, data);
                }
            }
            pm
        })
        .collect()
}

/// A structure of the volume, and where its checksum is and what it covers.
struct Structure {
    at: u64,
    len: usize,
    crc: usize,
    /// Bytes before the checksum that it covers, too.
    before: usize,
}

/// Where something is that has a checksum.
fn structures(pm: &Pm) -> Vec<Structure> {
    let layout = Layout::new(pm.size() / BLOCK_SIZE);
    let mut all = Vec::new();
    let mut add = |at, len, crc, before| {
        all.push(Structure {
            at,
            len,
            crc,
            before,
        })
    };
    add(0, 512, 8, 8);
    add(layout.end_block() * BLOCK_SIZE, 512, 8, 8);
    for group in 0..layout.imap_groups() {
        add(layout.imap_at(group), 256, 0, 0);
    }
    let mut bytes = [0; 8];
    for at in (layout.first_block() * BLOCK_SIZE..layout.end_block() * BLOCK_SIZE).step_by(256) {
        pm.load(at, &mut bytes).unwrap();
        // Inodes and groups of extents.
        if bytes[4..6] == [0x52, 0x49] || bytes[4..6] == [0x45, 0x58] {
            add(at, 256, 0, 0);
        }
    }
    all
}

/// Damages a structure, and gives it a good checksum if `fix`.
fn damage(pm: &Pm, structure: &Structure, fix: bool, rng: &mut Rng) {
    let mut bytes = vec![0; structure.len];
    pm.load(structure.at, &mut bytes).unwrap();
    for _ in 0..=rng.below(3) {
        let at = rng.below(structure.len as u64) as usize;
        match rng.below(4) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next() as u8,
            2 => {
                // A number that is close to another one, or to a limit.
                let at = at / 8 * 8;
                let value: [u8; 8] = bytes[at..at + 8].try_into().unwrap();
                let value = u64::from_le_bytes(value);
                let delta = [1, u64::MAX, 16, 512, 1 << 40, 1 << 52, 1 << 63];
                let value = value.wrapping_add(delta[rng.below(7) as usize]);
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            _ => {
                // Something that is elsewhere in it.
                let from = rng.below(structure.len as u64 / 8) as usize * 8;
                let to = rng.below(structure.len as u64 / 8) as usize * 8;
                bytes.copy_within(from..from + 8, to);
            }
        }
    }
    if fix {
        let Structure { crc, before, .. } = *structure;
        let sum = crc32c(0, &bytes[..before.min(crc)]);
        let sum = crc32c(sum, &bytes[crc + 4..]);
        bytes[crc..crc + 4].copy_from_slice(&sum.to_le_bytes());
    }
    pm.put(structure.at, &bytes);
}

/// Does something to everything that is found.
fn use_all(volume: &Volume<Pm>, ino: u64, depth: u32, rng: &mut Rng) -> Result {
    let mut dir = volume.iget(ino)?;
    let mut entries = Vec::new();
    volume.readdir(&mut dir, 0, &mut |entry| {
        entries.push((entry.name.to_vec(), entry.ino));
        entries.len() < 1000
    })?;
    for (name, child) in entries {
        let _ = volume.lookup(&mut dir, &name);
        let Ok(mut node) = volume.iget(child) else {
            continue;
        };
        let _ = use_node(volume, &mut node, rng);
        if node.inode().is_dir() && depth < 4 {
            let _ = use_all(volume, child, depth + 1, rng);
            let _ = volume.rmdir(&mut dir, &name, &mut node, NOW());
        } else if rng.below(3) == 0 {
            let _ = volume.unlink(&mut dir, &name, &mut node, NOW());
        }
        let _ = volume.evict(&mut node);
    }
    volume.create(&mut dir, b"new", &file(), NOW()).map(drop)
}

fn use_node(volume: &Volume<Pm>, node: &mut Node, rng: &mut Rng) -> Result {
    let _ = volume.read_link(node);
    let mut names = Vec::new();
    let _ = volume.xattr_list(node, &mut |name| names.push(name.to_vec()));
    for name in &names {
        let _ = volume.xattr_get(node, name, None);
    }
    let attr = AttrChange::default();
    let _ = volume.xattr_set(node, b"user.new", Some(&[1; 100]), XattrMode::Any, &attr);
    if !node.inode().is_reg() {
        return Ok(());
    }
    let size = node.size();
    let pos = if size < 1 << 24 {
        rng.below(size + 5000)
    } else {
        size
    };
    let results = [
        volume.map(node, pos >> 12, 100).map(drop),
        write_piece(volume, node, pos.min(1 << 40), &[1; 5000], NOW()).map(drop),
        volume.punch(node, pos / 2, 10_000, NOW()),
        volume.insert(node, 4096, 4096, NOW()),
        volume.collapse(node, 0, 4096, NOW()),
        volume.allocate(node, pos, 20_000, true, 0, NOW()),
        volume.fill(node, 0, 4, false).map(drop),
        volume.zero_range(node, 100, 9000, false, 0, NOW()),
        volume.set_size(node, 3, NOW()),
    ];
    results.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

/// Checks that no block is seen through two inodes. Returns how many inodes there are.
fn check_owners(volume: &Volume<Pm>) -> usize {
    let mut owners = HashMap::new();
    let mut seen = HashSet::new();
    let mut todo = vec![volume.root()];
    while let Some(ino) = todo.pop() {
        if !seen.insert(ino) {
            continue;
        }
        let Ok(mut node) = volume.iget(ino) else {
            continue;
        };
        for extent in node.iter_extents() {
            for block in extent.pblk..extent.pend() {
                assert_eq!(owners.insert(block, ino), None, "block {block}");
            }
        }
        if node.inode().is_dir() {
            let _ = volume.readdir(&mut node, 0, &mut |entry| {
                todo.push(entry.ino);
                true
            });
        }
    }
    seen.len()
}

#[derive(Default, Debug)]
struct Tally {
    images: u64,
    mounted: u64,
    /// Mounted read-only with damage.
    damaged: u64,
    /// Inodes of all volumes that were mounted.
    seen: usize,
    corrupt: u64,
    other: u64,
    slowest: Duration,
}

impl Tally {
    /// Mounts `pm`, uses it, and puts it back.
    fn attempt(&mut self, pm: &Pm, mark: usize, rng: &mut Rng) {
        let started = Instant::now();
        for read_only in [false, true] {
            let options = MountOptions {
                read_only,
                ..options()
            };
            match Volume::mount(pm.clone(), &options) {
                Ok(volume) => {
                    self.mounted += u64::from(!read_only);
                    self.seen += check_owners(&volume);
                    if volume.damage().is_some() {
                        assert!(read_only);
                        self.damaged += 1;
                    }
                    let _ = use_all(&volume, volume.root(), 0, rng);
                    let _ = volume.usage();
                    let _ = volume.deactivate();
                }
                Err(Error::Corrupt(_)) => self.corrupt += u64::from(!read_only),
                Err(_) => self.other += u64::from(!read_only),
            }
        }
        self.slowest = self.slowest.max(started.elapsed());
        self.images += 1;
        pm.rollback(mark);
    }

    fn report(&self, what: &str) {
        println!("{what}: {self:?}");
        assert!(self.slowest < Duration::from_secs(60));
        assert!(self.mounted > 0 && self.corrupt > 0 && self.damaged > 0);
    }
}

fn structured(fix: bool, seed: u64) -> Tally {
    let mut rng = Rng(seed);
    let mut tally = Tally::default();
    for pm in volumes() {
        let structures = structures(&pm);
        for _ in 0..IMAGES / 6 {
            let mark = pm.mark();
            for _ in 0..=rng.below(3) {
                let pick = rng.below(structures.len() as u64) as usize;
                damage(&pm, &structures[pick], fix, &mut rng);
            }
            tally.attempt(&pm, mark, &mut rng);
        }
    }
    tally
}

#[test]
fn good_checksums() {
    structured(true, 1).report("damage with good checksums");
}

#[test]
fn bad_checksums() {
    structured(false, 2).report("damage with bad checksums");
}

#[test]
fn anywhere() {
    let mut rng = Rng(3);
    let mut tally = Tally::default();
    for pm in volumes() {
        for _ in 0..IMAGES / 12 {
            let mark = pm.mark();
            for _ in 0..=rng.below(20) {
                // Mostly where something is.
                let end = [pm.size(), 1 << 18][rng.below(2) as usize];
                let at = rng.below(end - 64) / 8 * 8;
                let bytes: Vec<u8> = (0..=rng.below(63)).map(|_| rng.next() as u8).collect();
                pm.put(at, &bytes);
            }
            tally.attempt(&pm, mark, &mut rng);
        }
    }
    tally.report("damage anywhere");
}

/// Blocks of extents without extents, whose chain is a circle.
#[test]
fn circle() {
    let pm = volumes().swap_remove(3);
    let heads: Vec<u64> = structures(&pm)
        .iter()
        .map(|structure| structure.at)
        .filter(|at| {
            let mut magic = [0; 8];
            pm.load(*at, &mut magic).unwrap();
            at % BLOCK_SIZE == 0 && magic[4..6] == [0x45, 0x58]
        })
        .collect();
    assert!(!heads.is_empty());
    for &head in &heads {
        for group in 0..16 {
            let mut bytes = vec![0; 256];
            pm.load(head + group * 256, &mut bytes).unwrap();
            bytes[32..].fill(0);
            let next = if group == 0 { head / BLOCK_SIZE } else { 0 };
            bytes[16..24].copy_from_slice(&next.to_le_bytes());
            let sum = crc32c(0, &bytes[4..]);
            bytes[..4].copy_from_slice(&sum.to_le_bytes());
            pm.put(head + group * 256, &bytes);
        }
    }
    pm.record();
    let mounted = Volume::mount(pm.clone(), &options());
    assert!(matches!(mounted.err(), Some(Error::Corrupt(_))));
}
