// SPDX-License-Identifier: GPL-2.0

//! Damaging a volume, to see what becomes of it. The same seed does the same to the same volume.

use crate::extents::group_at;
use rdaxfs_core::{
    format_types::{
        Dirent,
        DiskInode,
        EntryHead,
        Extent,
        ExtentGroup,
        ImapGroup,
        Layout,
        RawExtent,
        SlotHead,
        BLOCK_SIZE,
        DIR_SLOT,
        DIR_SLOTS,
        GROUPS_PER_BLOCK,
        IMAP_GROUP_BLOCKS,
        IMAP_GROUP_SIZE,
        INLINE_EXTENTS,
        INODES_PER_BLOCK,
        INODE_SIZE,
        SLOT_HEAD, //
    },
    load_super,
    Medium,
    Result, //
};
use serde::Serialize;

/// Something that was stored over.
#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    /// The first byte.
    pub at: u64,
    /// How many bytes.
    pub len: u64,
    /// What it was and what was done to it.
    pub what: String,
}

/// Random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 if that is 0.
    fn below(&mut self, end: u64) -> u64 {
        self.roll().checked_rem(end).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.below(list.len() as u64) as usize).copied()
    }

    /// Small, around the size of a volume, or anything.
    fn number(&mut self, blocks: u64) -> u64 {
        match self.below(4) {
            0 => self.below(4),
            1 => self.below(blocks),
            2 => self.below(blocks.saturating_mul(INODES_PER_BLOCK)),
            _ => self.roll() >> self.below(64),
        }
    }
}

/// The metadata of a volume.
#[derive(Default)]
struct Parts {
    /// Inodes in use.
    inodes: Vec<u64>,
    /// Blocks that hold inodes.
    inode_blocks: Vec<u64>,
    /// Blocks of extents, each with its inode.
    groups: Vec<(u64, u64)>,
    /// Blocks of directories, each with its inode.
    dirs: Vec<(u64, u64)>,
    /// First blocks of blobs.
    blobs: Vec<u64>,
}

impl Parts {
    fn find(medium: &impl Medium, layout: &Layout) -> Self {
        let mut parts = Self::default();
        let mut bytes = [0; IMAP_GROUP_SIZE];
        for index in 0..layout.imap_groups() {
            let loaded = medium.load(layout.imap_at(index), &mut bytes).ok();
            let Some(group) = loaded.and_then(|()| ImapGroup::decode(&bytes, index).ok()) else {
                continue;
            };
            for block in group.blocks() {
                parts.add_block(medium, layout, block);
            }
        }
        parts
    }

    fn add_block(&mut self, medium: &impl Medium, layout: &Layout, block: u64) {
        self.inode_blocks.push(block);
        for ino in block * INODES_PER_BLOCK..(block + 1) * INODES_PER_BLOCK {
            if let Some(inode) = load_inode(medium, layout, ino).filter(DiskInode::in_use) {
                self.inodes.push(ino);
                self.add_inode(ino, &inode);
            }
        }
    }

    fn add_inode(&mut self, ino: u64, inode: &DiskInode) {
        if inode.xattrs.get() != 0 {
            self.blobs.push(inode.xattrs.get());
        }
        match inode.extents.get() {
            0 => {}
            block if inode.has_extents() => self.groups.push((ino, block)),
            block => self.blobs.push(block),
        }
        if inode.is_dir() {
            for slot in 0..INLINE_EXTENTS {
                if let Ok(Some(extent)) = inode.extent(slot).get() {
                    self.dirs
                        .extend((extent.pblk..extent.pend()).map(|block| (ino, block)));
                }
            }
        }
    }
}

fn load_inode(medium: &impl Medium, layout: &Layout, ino: u64) -> Option<DiskInode> {
    let mut bytes = [0; INODE_SIZE];
    medium.load(layout.inode_at(ino), &mut bytes).ok()?;
    DiskInode::decode(&bytes, ino).ok()
}

/// Stores over `count` pieces of metadata. Some of what it does keeps all checksums right.
pub fn damage(medium: &impl Medium, seed: u64, count: u32) -> Result<Vec<Damage>> {
    let sb = load_super(medium)?;
    let mut damager = Damager {
        medium,
        layout: sb.layout(),
        parts: Parts::find(medium, &sb.layout()),
        dice: Dice(seed),
        done: Vec::new(),
    };
    // A volume need not have everything that can be damaged.
    for _ in 0..count.saturating_mul(16) {
        if damager.done.len() < count as usize {
            damager.one()?;
        }
    }
    medium.fence()?;
    Ok(damager.done)
}

struct Damager<'a, M: Medium> {
    medium: &'a M,
    layout: Layout,
    parts: Parts,
    dice: Dice,
    done: Vec<Damage>,
}

impl<M: Medium> Damager<'_, M> {
    fn store(&mut self, at: u64, data: &[u8], what: String) -> Result {
        self.medium.store(at, data)?;
        self.medium.flush(at, data.len() as u64)?;
        self.done.push(Damage {
            at,
            len: data.len() as u64,
            what,
        });
        Ok(())
    }

    fn one(&mut self) -> Result {
        match self.dice.below(10) {
            0..=2 => self.scribble(),
            3..=5 => self.inode(),
            6 => self.entry(),
            7 => self.group(),
            8 => self.map(),
            _ => self.slot(),
        }
    }

    /// Flips a bit, or stores zeros or noise, anywhere in the metadata.
    fn scribble(&mut self) -> Result {
        let layout = self.layout;
        let (start, len, what) = match self.dice.below(6) {
            0 => (0, 512, "first superblock"),
            1 => (layout.end_block() * BLOCK_SIZE, 512, "second superblock"),
            2 => (
                layout.imap_at(self.dice.below(layout.imap_groups())),
                256,
                "inode map",
            ),
            3 => {
                let block = self.dice.pick(&self.parts.inode_blocks).unwrap_or(0);
                (block * BLOCK_SIZE, BLOCK_SIZE, "block of inodes")
            }
            4 => {
                let block = self.dice.pick(&self.parts.dirs).unwrap_or((0, 0)).1;
                (block * BLOCK_SIZE, BLOCK_SIZE, "block of a directory")
            }
            _ => {
                let mut blocks = self.parts.blobs.clone();
                blocks.extend(self.parts.groups.iter().map(|group| group.1));
                let block = self.dice.pick(&blocks).unwrap_or(0);
                (block * BLOCK_SIZE, BLOCK_SIZE, "block of a chain")
            }
        };
        let offset = self.dice.below(len);
        let most = (len - offset).min(1 << self.dice.below(11));
        let mut bytes = vec![0; most as usize];
        self.medium.load(start + offset, &mut bytes)?;
        let how = match self.dice.below(3) {
            0 => {
                let bit = self.dice.below(8);
                if let Some(byte) = bytes.first_mut() {
                    *byte ^= 1 << bit;
                }
                "a bit flipped"
            }
            1 => {
                bytes.fill(0);
                "zeros"
            }
            _ => {
                bytes.fill_with(|| self.dice.roll() as u8);
                "noise"
            }
        };
        self.store(start + offset, &bytes, format!("{what}: {how}"))
    }

    fn extent(&mut self) -> RawExtent {
        let blocks = self.layout.blocks;
        RawExtent::new(&Extent {
            lblk: self.dice.number(blocks),
            pblk: self.dice.number(blocks),
            len: self.dice.below(9),
            unwritten: self.dice.below(2) == 0,
        })
    }

    /// Changes a field of an inode.
    fn inode(&mut self) -> Result {
        let Some(ino) = self.dice.pick(&self.parts.inodes) else {
            return Ok(());
        };
        let Some(mut inode) = load_inode(self.medium, &self.layout, ino) else {
            return Ok(());
        };
        let number = self.dice.number(self.layout.blocks);
        let field = self.dice.below(12);
        match field {
            0 => inode.nlink.set(number as u32),
            1 => inode.size.set(number),
            2 => inode.mode.set(number as u16),
            3 => inode.extents.set(number),
            4 => inode.xattrs.set(number),
            5 => inode.parent.set(number),
            6 => inode.generation.set(number as u32),
            7 => inode.flags.set(number as u32),
            8 => inode = DiskInode::free(ino, inode.generation.get()),
            9 => inode.nlink.set(0),
            _ => {
                let slot = self.dice.below(INLINE_EXTENTS as u64) as usize;
                let extent = self.extent();
                inode.set_extent(slot, extent);
            }
        }
        let at = self.layout.inode_at(ino);
        let what = format!("inode {ino}: field {field} is {number}");
        self.store(at, inode.encode(), what)
    }

    /// Changes an entry of a directory.
    fn entry(&mut self) -> Result {
        let Some((dir, block)) = self.dice.pick(&self.parts.dirs) else {
            return Ok(());
        };
        let mut bytes = vec![0; BLOCK_SIZE as usize];
        self.medium.load(block * BLOCK_SIZE, &mut bytes)?;
        let mut entries = Vec::new();
        let mut slot = 0;
        while let Some(dirent) = (slot < DIR_SLOTS)
            .then(|| Dirent::decode(&bytes, slot, dir).ok())
            .flatten()
        {
            entries.push((slot, dirent));
            slot += dirent.slots;
        }
        let Some((slot, mut dirent)) = self.dice.pick(&entries) else {
            return Ok(());
        };
        let how = self.dice.below(4);
        match how {
            0 => dirent.ino = self.dice.number(self.layout.blocks),
            1 => dirent.ino = self.dice.pick(&self.parts.inodes).unwrap_or(0),
            2 => dirent.file_type = self.dice.below(16) as u8,
            _ => dirent = Dirent::free(dirent.slots),
        }
        if dirent.ino == 0 {
            dirent = Dirent::free(dirent.slots);
        }
        let mut out = [0; DIR_SLOT * DIR_SLOTS];
        let len = dirent.encode(dir, &mut out).unwrap_or(0);
        let at = block * BLOCK_SIZE + (slot * DIR_SLOT) as u64;
        let what = format!("directory {dir}: entry {slot} names {}", dirent.ino);
        self.store(at, out.get(..len).unwrap_or_default(), what)
    }

    /// Changes a group of extents.
    fn group(&mut self) -> Result {
        let Some((ino, block)) = self.dice.pick(&self.parts.groups) else {
            return Ok(());
        };
        let Some(inode) = load_inode(self.medium, &self.layout, ino) else {
            return Ok(());
        };
        let generation = inode.generation.get();
        let index = self.dice.below(GROUPS_PER_BLOCK as u64) as usize;
        let mut bytes = [0; ExtentGroup::SIZE];
        self.medium.load(group_at(block, index), &mut bytes)?;
        let Ok(old) = ExtentGroup::decode(&bytes, ino, generation, index) else {
            return Ok(());
        };
        let next = match (index, self.dice.below(3)) {
            (0, 0) => self.dice.number(self.layout.blocks),
            _ => old.next(),
        };
        let mut group = ExtentGroup::new(ino, generation, index, next);
        group.extents = old.extents;
        let place = self.dice.below(group.extents.len() as u64) as usize;
        let extent = self.extent();
        if let Some(slot) = group.extents.get_mut(place) {
            *slot = extent;
        }
        let what = format!("inode {ino}: group {index} of its extents");
        self.store(group_at(block, index), group.encode(), what)
    }

    /// Flips a bit of the inode map.
    fn map(&mut self) -> Result {
        let index = self.dice.below(self.layout.imap_groups());
        let at = self.layout.imap_at(index);
        let mut bytes = [0; IMAP_GROUP_SIZE];
        self.medium.load(at, &mut bytes)?;
        let Ok(mut group) = ImapGroup::decode(&bytes, index) else {
            return Ok(());
        };
        let bit = match self.dice.pick(&self.parts.inode_blocks) {
            Some(block) if self.dice.below(2) == 0 => block % IMAP_GROUP_BLOCKS,
            _ => self.dice.below(IMAP_GROUP_BLOCKS),
        };
        group.set(bit, !group.get(bit));
        let what = format!("inode map: bit {bit} of group {index} flipped");
        self.store(at, group.encode(), what)
    }

    /// Puts a transaction into a journal slot, or what looks like one.
    fn slot(&mut self) -> Result {
        let slot = self.dice.below(self.layout.slots);
        let sequence = self.dice.roll() | 1;
        let mut payload = Vec::new();
        for _ in 0..=self.dice.below(3) {
            let at = self.dice.number(self.layout.blocks).wrapping_mul(8);
            let data: Vec<u8> = (0..8).map(|_| self.dice.roll() as u8).collect();
            payload.extend_from_slice(EntryHead::new(at, data.len()).bytes());
            payload.extend_from_slice(&data);
        }
        let head = SlotHead::new(sequence, &payload);
        let at = self.layout.slot_at(slot);
        let mut bytes = head.bytes().to_vec();
        debug_assert_eq!(bytes.len(), SLOT_HEAD);
        if let Some(commit) = bytes.first_chunk_mut::<8>() {
            *commit = sequence.to_le_bytes();
        }
        bytes.extend_from_slice(&payload);
        if self.dice.below(2) == 0 {
            let index = self.dice.below(bytes.len() as u64) as usize;
            bytes[index] ^= 1;
        }
        self.store(at, &bytes, format!("journal slot {slot}: a transaction"))
    }
}
