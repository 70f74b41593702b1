// SPDX-License-Identifier: GPL-2.0

//! What a check found.

use rdaxfs_core::format_types::{
    Extent,
    SuperBlock, //
};
use serde::Serialize;
use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The medium cannot be read there.
    Io,
    /// There is no superblock.
    NoSuper,
    /// The volume has features that are not known here.
    Features,
    /// One of the two superblocks does not check out.
    BadSuper,
    /// The superblocks differ.
    StaleSuper,
    /// The volume was not unmounted.
    NotUnmounted,
    /// The volume is marked as corrupt.
    MarkedBad,
    /// A transaction is to be replayed.
    PendingTransaction,
    /// A journal slot does not check out.
    BadSlot,
    /// A group of the inode map does not check out.
    BadMap,
    /// The inode map marks a block that holds no inodes.
    BadMapBit,
    /// An inode does not check out.
    BadInode,
    /// The root directory is not there.
    NoRoot,
    /// An extent makes no sense, or reaches past the volume.
    BadExtent,
    /// Extents of a file overlap.
    OverlappingExtents,
    /// A block past the end of a file is not marked as unwritten.
    WrittenPastEnd,
    /// A group of extents does not check out.
    BadExtentGroup,
    /// A chain of blocks leads nowhere.
    BadChain,
    /// A block is used twice.
    BlockUsedTwice,
    /// The extended attributes do not check out.
    BadXattrs,
    /// The target of a symbolic link does not check out.
    BadTarget,
    /// A directory has holes, unwritten blocks or a bad size.
    BadDirShape,
    /// A slot of a directory does not check out.
    BadEntry,
    /// An entry names no inode in use.
    DanglingEntry,
    /// An entry has another file type than its inode.
    WrongFileType,
    /// A directory has a name twice.
    DuplicateName,
    /// A directory has two names.
    DirLinkedTwice,
    /// A directory has another parent than the directory that holds its name.
    WrongParent,
    /// The link count is not the number of links.
    WrongLinkCount,
    /// An inode without a name that is to be freed.
    Orphan,
    /// An inode without a name that has a link count.
    Lost,
    /// Directories that are only within each other.
    Cycle,
    /// A field that is not used is not zero.
    StrayField,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// What a power cut may leave; mounting deals with it.
    Note,
    /// Nothing may leave this.
    Error,
}

impl Kind {
    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::StaleSuper | Self::NotUnmounted | Self::PendingTransaction | Self::Orphan => {
                Severity::Note
            }
            _ => Severity::Error,
        }
    }
}

/// Where an extent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// In this place of the inode.
    Inode(usize),
    /// In a block of extents.
    Group {
        /// The block.
        block: u64,
        /// The group in the block.
        index: usize,
        /// The place in the group.
        place: usize,
    },
}

/// A change of one inode.
#[derive(Clone, Copy, Debug)]
pub enum InodeEdit {
    /// It is free.
    Free,
    /// Fields that make no sense become such that do.
    Sanitize,
    /// Its link count.
    Links(u32),
    /// Its size in bytes.
    Size(u64),
    /// The directory that holds it.
    Parent(u64),
    /// It has no extended attributes.
    NoXattrs,
    /// It has no blocks of extents, and no target in blocks.
    NoChain,
}

/// What puts a problem in order.
#[derive(Clone, Debug)]
pub enum Fix {
    /// Make both superblocks like this, the newer one of them.
    Super(Box<SuperBlock>),
    /// Mount or replay deals with it.
    Recover,
    /// The end of the repair says on the medium what the volume is like.
    Finish,
    /// Free this journal slot.
    ClearSlot(u64),
    /// Make a group of the inode map anew that marks these blocks.
    Map(u64, Vec<u64>),
    /// Take the mark off a block.
    Unmark(u64),
    /// Make an empty root directory.
    Root,
    /// Change an inode.
    Inode(u64, InodeEdit),
    /// Empty a group of extents (block, index) of an inode.
    EmptyGroup(u64, u64, usize),
    /// End the chain of extent blocks of an inode after this block.
    EndChain(u64, u64),
    /// Set (or drop) an extent of an inode.
    Extent(u64, Where, Option<Extent>),
    /// Free slots of directory (inode, block, first slot, count).
    FreeSlots(u64, u64, usize, usize),
    /// Set the file type of an entry (directory, block, slot).
    FileType(u64, u64, usize, u8),
    /// Give the inode a name in `/lost+found`.
    Reconnect(u64),
}

/// Something that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// What.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The inode it is about.
    pub inode: Option<u64>,
    /// The block it is about.
    pub block: Option<u64>,
    /// All of it, for humans.
    pub text: String,
    /// Whether it can be put in order.
    pub repairable: bool,
    /// How it is put in order, one after the other.
    #[serde(skip)]
    pub fixes: Vec<Fix>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            inode: None,
            block: None,
            text: text.into(),
            repairable: false,
            fixes: Vec::new(),
        }
    }

    pub(crate) fn of(kind: Kind, ino: u64, text: impl Into<String>) -> Self {
        Self {
            inode: Some(ino),
            ..Self::new(kind, text)
        }
    }

    pub(crate) fn at(mut self, block: u64) -> Self {
        self.block = Some(block);
        self
    }

    pub(crate) fn fix(mut self, fix: Fix) -> Self {
        self.repairable = true;
        self.fixes.push(fix);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ino) = self.inode {
            write!(f, "inode {ino}: ")?;
        }
        f.write_str(&self.text)?;
        match self.block {
            Some(block) => write!(f, " (block {block})"),
            None => Ok(()),
        }
    }
}

/// What is on a volume.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Summary {
    /// Blocks of the volume.
    pub blocks: u64,
    /// Blocks that inodes use, those with the inodes themselves included.
    pub used_blocks: u64,
    /// Inodes in use.
    pub inodes: u64,
    /// Of these, directories.
    pub directories: u64,
    /// Extents.
    pub extents: u64,
    /// Entries of directories.
    pub entries: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
    /// What is on the volume.
    pub summary: Summary,
}

impl Report {
    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Whether there is nothing but what a power cut may leave.
    pub fn is_consistent(&self) -> bool {
        self.errors().next().is_none()
    }

    /// Whether there is nothing at all.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// What no power cut may leave.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        let error = |problem: &&Problem| problem.severity == Severity::Error;
        self.problems.iter().filter(error)
    }

    /// How many problems of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.kind == kind)
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        Ok(())
    }
}
