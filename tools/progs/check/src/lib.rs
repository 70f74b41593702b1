// SPDX-License-Identifier: GPL-2.0

//! Checks every rule that the on-media format of rdaxfs has, without mounting, and puts in order
//! what does not keep to them.
//!
//! Nothing on a volume is trusted: any bytes give a [`Report`], in time and memory that its size
//! bounds.

#![forbid(unsafe_code)]

mod blobs;
mod claims;
mod damage;
mod dirs;
mod extents;
mod inodes;
mod journal;
mod map;
mod overlay;
mod repair;
mod report;
mod superblock;
mod tree;

pub use damage::{
    damage,
    Damage, //
};
pub use overlay::Overlay;
pub use repair::{
    repair,
    Repaired, //
};
pub use report::{
    Fix,
    InodeEdit,
    Kind,
    Problem,
    Report,
    Severity,
    Summary,
    Where, //
};

use claims::Claims;
use extents::Placed;
use inodes::Info;
use rdaxfs_core::Medium;
use rdaxfs_format::{
    Layout,
    SuperBlock, //
};
use std::collections::BTreeMap;

/// What to check, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Check the volume as it will be once the journal is replayed, instead of as it is. The medium
    /// itself is not changed.
    pub replay: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { replay: true }
    }
}

/// Checks the volume on `medium`.
pub fn check(medium: &impl Medium, options: &Options) -> Report {
    let mut report = Report::default();
    let Some(sb) = superblock::check(medium, &mut report) else {
        return report;
    };
    let pending = journal::check(medium, &sb.layout(), &mut report);
    if pending == 0 || !options.replay {
        Checker::new(medium, &sb, &mut report).run();
        return report;
    }
    let overlay = Overlay::new(medium);
    match journal::replay(&overlay, &sb.layout(), &report) {
        Ok(()) => Checker::new(&overlay, &sb, &mut report).run(),
        Err(error) => report.add(Problem::new(
            Kind::Io,
            format!("the journal cannot be replayed: {error:?}"),
        )),
    }
    report
}

/// Returns which blocks of a volume whose journal is empty are in use, and by what.
fn claims_of(medium: &impl Medium, sb: &SuperBlock) -> Claims {
    let mut report = Report::default();
    let mut checker = Checker::new(medium, sb, &mut report);
    checker.run();
    checker.claims
}

/// What is known of a volume while it is checked.
struct Checker<'a, M: Medium> {
    medium: &'a M,
    sb: &'a SuperBlock,
    layout: Layout,
    report: &'a mut Report,
    claims: Claims,
    /// All inodes that are in use and make sense.
    inodes: BTreeMap<u64, Info>,
    /// The blocks of extents of files that have some.
    chains: BTreeMap<u64, Vec<u64>>,
    /// The extents of directories.
    dirs: BTreeMap<u64, Vec<Placed>>,
}

impl<'a, M: Medium> Checker<'a, M> {
    fn new(medium: &'a M, sb: &'a SuperBlock, report: &'a mut Report) -> Self {
        Self {
            medium,
            sb,
            layout: sb.layout(),
            report,
            claims: Claims::default(),
            inodes: BTreeMap::new(),
            chains: BTreeMap::new(),
            dirs: BTreeMap::new(),
        }
    }

    fn run(&mut self) {
        for block in self.check_map() {
            self.check_inode_block(block);
        }
        self.check_root();
        let all: Vec<u64> = self.inodes.keys().copied().collect();
        // What has a checksum and an owner is believed before data is, which has neither.
        for &ino in &all {
            self.check_metadata(ino);
        }
        for &ino in &all {
            self.check_data(ino);
        }
        for &ino in &all {
            self.check_dir(ino);
        }
        self.check_tree();
        self.report.summary.used_blocks = self.claims.blocks();
    }

    fn add(&mut self, problem: Problem) {
        self.report.add(problem);
    }
}
