// SPDX-License-Identifier: GPL-2.0

//! The two superblocks.

use crate::report::{
    Fix,
    Kind,
    Problem,
    Report, //
};
use rdaxfs_core::{
    format_types::{
        State,
        SuperBlock,
        BLOCK_SIZE,
        FEATURES_INCOMPAT,
        FEATURES_RO_COMPAT,
        SUPER_SIZE, //
    },
    Medium, //
};

/// A superblock, or why there is none.
struct Copy {
    bytes: Option<[u8; SUPER_SIZE]>,
    decoded: Result<SuperBlock, &'static str>,
}

fn load(medium: &impl Medium, at: u64) -> Copy {
    let mut bytes = [0; SUPER_SIZE];
    if medium.load(at, &mut bytes).is_err() {
        return Copy {
            bytes: None,
            decoded: Err("superblock cannot be read"),
        };
    }
    let decoded = match SuperBlock::decode(&bytes) {
        Ok(sb) if sb.layout().bytes() > medium.size() => Err("volume is larger than its device"),
        Ok(sb) => Ok(sb),
        Err(bad) => Err(bad.what),
    };
    Copy {
        bytes: Some(bytes),
        decoded,
    }
}

/// Finds the second superblock, and how many blocks the volume has if it is the one of this volume.
fn find_second(medium: &impl Medium, first: &Copy) -> (u64, Copy) {
    let at_end = |blocks: u64| {
        let last = blocks.saturating_sub(1).saturating_mul(BLOCK_SIZE);
        (blocks, load(medium, last))
    };
    match &first.decoded {
        Ok(sb) => at_end(sb.layout().blocks),
        // A volume may be smaller than its device, and even a torn superblock says its size.
        Err(_) => {
            let torn = first.bytes.as_ref();
            torn.and_then(|bytes| SuperBlock::blocks_of_torn(bytes))
                .map(at_end)
                .filter(|(blocks, second)| {
                    let decoded = second.decoded.as_ref();
                    decoded.is_ok_and(|sb| sb.layout().blocks == *blocks)
                })
                .unwrap_or_else(|| at_end(medium.size() / BLOCK_SIZE))
        }
    }
}

/// Whether a superblock is a newer one of the volume of `other`.
fn is_newer(sb: &SuperBlock, other: &SuperBlock) -> bool {
    sb.uuid == other.uuid && SuperBlock::is_newer(sb.serial.get(), other.serial.get())
}

/// Checks both superblocks and returns the one to go by.
pub(crate) fn check(medium: &impl Medium, report: &mut Report) -> Option<SuperBlock> {
    let first = load(medium, 0);
    let (blocks, second) = find_second(medium, &first);
    let sb = match (&first.decoded, &second.decoded) {
        (Ok(one), Ok(two)) if is_newer(two, one) => *two,
        (Ok(one), _) => *one,
        (Err(_), Ok(two)) if two.layout().blocks == blocks => *two,
        (Err(why), _) => {
            report.add(Problem::new(Kind::NoSuper, *why));
            return None;
        }
    };
    report.summary.blocks = sb.layout().blocks;
    if sb.incompat.get() & !FEATURES_INCOMPAT != 0 || sb.ro_compat.get() & !FEATURES_RO_COMPAT != 0
    {
        report.add(Problem::new(Kind::Features, "volume has unknown features"));
        return None;
    }
    let fix = Fix::Super(Box::new(sb));
    for (copy, block, which) in [(&first, 0, "first"), (&second, blocks - 1, "second")] {
        if let Err(why) = copy.decoded {
            let problem = Problem::new(bad_kind(copy), format!("{which} {why}"));
            report.add(problem.at(block).fix(fix.clone()));
        }
    }
    if first.decoded.is_ok() && second.decoded.is_ok() && first.bytes != second.bytes {
        report.add(Problem::new(Kind::StaleSuper, "superblocks differ").fix(fix));
    }
    match sb.state() {
        State::Clean => {}
        State::Active => report
            .add(Problem::new(Kind::NotUnmounted, "volume was not unmounted").fix(Fix::Recover)),
        State::Errors => {
            let problem = Problem::new(Kind::MarkedBad, "volume is marked as corrupt");
            report.add(problem.fix(Fix::Finish));
        }
    }
    Some(sb)
}

/// A power cut tears a superblock, but the beginning of it is always the same.
fn bad_kind(copy: &Copy) -> Kind {
    let torn = copy.decoded.as_ref().err() == Some(&"superblock has a bad checksum");
    if torn
        && copy
            .bytes
            .is_some_and(|bytes| SuperBlock::has_magic(&bytes))
    {
        Kind::StaleSuper
    } else {
        Kind::BadSuper
    }
}
