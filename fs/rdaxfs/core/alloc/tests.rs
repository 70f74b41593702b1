// SPDX-License-Identifier: GPL-2.0

//! The allocator against a bitmap, after years of use, and from several threads.

extern crate std;

use super::*;
use proptest::prelude::*;
use rdaxfs_format::MAX_BLOCKS;
use std::{
    cell::RefCell,
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    println,
    vec,
    vec::Vec, //
};

const MIB: u64 = 256;

fn random(state: &mut u64, bound: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % bound
}

/// The pages of a medium: which are referenced.
#[derive(Default)]
struct Pages(RefCell<BTreeSet<u64>>);

impl Medium for Pages {
    fn size(&self) -> u64 {
        0
    }
    fn load(&self, _at: u64, _out: &mut [u8]) -> Result {
        Ok(())
    }
    fn store(&self, _at: u64, _data: &[u8]) -> Result {
        Ok(())
    }
    fn flush(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }
    fn fence(&self) -> Result {
        Ok(())
    }
    fn zero(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }
    fn referenced(&self, block: u64, len: u64) -> (bool, u64) {
        let held = self.0.borrow();
        let first = held.contains(&block);
        let other = (block..block + len).find(|block| held.contains(block) != first);
        (first, other.map_or(len, |other| other - block))
    }
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(Purpose, u64, Option<u64>),
    Free(usize, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![3 => 1..10u64, 2 => 1..2000u64];
    let goal = prop::option::of(0..16 * MIB);
    prop_oneof![
        3 => (0..4u8, len, goal).prop_map(|(purpose, len, goal)| {
            let purpose = match purpose {
                0 => Purpose::Metadata,
                1 => Purpose::Small,
                2 => Purpose::Stream(len % 777),
                _ => Purpose::Huge,
            };
            Op::Alloc(purpose, len, goal.filter(|_| purpose != Purpose::Huge))
        }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, part)| Op::Free(which, part)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// No referenced block is handed out, none that is not stays away, and what is set aside comes
    /// back with its last reference.
    #[test]
    fn referenced(
        shards in 1..5u64,
        mut held in prop::collection::btree_set(0..64 * MIB, 0..300),
        ops in prop::collection::vec(op(), 1..100),
    ) {
        let layout = Layout::new(64 * MIB);
        let alloc = Allocator::new(layout, 0, shards).unwrap();
        let fresh = alloc.free_blocks();
        held.retain(|&block| layout.is_data(block, 1));
        let pages = Pages::default();
        pages.0.replace(held);
        let mut runs: Vec<Run> = Vec::new();
        for op in ops {
            match op {
                Op::Alloc(purpose, len, goal) => {
                    if let Ok(run) = alloc.alloc(&pages, purpose, len, goal, 0) {
                        prop_assert_eq!(pages.referenced(run.block, run.len), (false, run.len));
                        prop_assert!(purpose != Purpose::Huge || run.len % HUGE_BLOCKS == 0);
                        runs.push(run);
                    }
                }
                Op::Free(which, hold) if !runs.is_empty() => {
                    let run = runs.swap_remove(which % runs.len());
                    if hold {
                        // Somebody pins it before it is freed.
                        pages.0.borrow_mut().insert(run.block + run.len / 2);
                    }
                    alloc.release(&pages, run);
                }
                Op::Free(..) => {}
            }
            let used: u64 = runs.iter().map(|run| run.len).sum();
            prop_assert_eq!(alloc.free_blocks() + alloc.busy_blocks() + used, fresh);
            prop_assert!(alloc.busy_blocks() <= pages.0.borrow().len() as u64);
            let mut shown = 0;
            alloc.for_each_busy(&pages, |_, len, _| shown += len);
            prop_assert_eq!(shown, alloc.busy_blocks());
        }
        let some = pages.0.borrow().iter().next().copied();
        pages.0.borrow_mut().retain(|&block| Some(block) == some);
        alloc.sweep(&pages);
        prop_assert!(alloc.busy_blocks() <= 1);
        pages.0.borrow_mut().clear();
        alloc.sweep(&pages);
        prop_assert_eq!(alloc.busy_blocks(), 0);
        let used: u64 = runs.iter().map(|run| run.len).sum();
        prop_assert_eq!(alloc.free_blocks() + used, fresh);
    }

    /// What is handed out was free; what is free is counted; all comes back.
    #[test]
    fn bitmap(pad in 0..1024u64, shards in 1..5u64, ops in prop::collection::vec(op(), 1..200)) {
        let layout = Layout::new(64 * MIB);
        let alloc = Allocator::new(layout, pad, shards).unwrap();
        let fresh = alloc.free_blocks();
        let whole = alloc.whole_chunks();
        let mut used = vec![true; layout.blocks as usize];
        used[layout.first_block() as usize..layout.end_block() as usize].fill(false);
        prop_assert_eq!(used.iter().filter(|used| !**used).count() as u64, fresh);
        let mut runs: Vec<Run> = Vec::new();
        for op in ops {
            match op {
                Op::Alloc(purpose, len, goal) => {
                    match alloc.alloc(&Pages::default(), purpose, len, goal, (len % 7) as usize) {
                        Ok(run) => {
                            prop_assert!(run.len > 0 && run.len <= len);
                            prop_assert!(layout.is_data(run.block, run.len));
                            if purpose == Purpose::Huge {
                                prop_assert_eq!(run.len % HUGE_BLOCKS, 0);
                                prop_assert_eq!(alloc.huge_offset(run.block), 0);
                            }
                            if let Some(goal) = goal.filter(|&goal| layout.is_data(goal, 1)) {
                                prop_assert!(used[goal as usize] || run.block == goal);
                            }
                            for block in run.block..run.block + run.len {
                                prop_assert!(!used[block as usize]);
                                used[block as usize] = true;
                            }
                            runs.push(run);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, Error::NoSpace);
                            let left = match purpose {
                                Purpose::Metadata => alloc.free_blocks(),
                                Purpose::Huge => alloc.whole_chunks().min(len / HUGE_BLOCKS)
                                    .min(alloc.available() / HUGE_BLOCKS),
                                _ => alloc.available(),
                            };
                            prop_assert_eq!(left, 0);
                        }
                    }
                }
                Op::Free(which, part) if !runs.is_empty() => {
                    let which = which % runs.len();
                    let mut run = runs.swap_remove(which);
                    if part && run.len > 1 {
                        let rest = Run { block: run.block + 1, len: run.len - 1 };
                        runs.push(rest);
                        run.len = 1;
                    }
                    alloc.free(run);
                    used[run.block as usize..(run.block + run.len) as usize].fill(false);
                }
                Op::Free(..) => {}
            }
            prop_assert_eq!(used.iter().filter(|used| !**used).count() as u64, alloc.free_blocks());
        }
        // What a mount would find.
        let mut claims = Claims::new(layout, pad, shards).unwrap();
        for &run in &runs {
            claims.claim(run).unwrap();
        }
        let Space::Complete(again) = claims.finish() else { panic!() };
        prop_assert_eq!(again.free_blocks(), alloc.free_blocks());
        prop_assert_eq!(again.whole_chunks(), alloc.whole_chunks());
        for run in runs {
            alloc.free(run);
        }
        prop_assert_eq!(alloc.free_blocks(), fresh);
        prop_assert_eq!(alloc.whole_chunks(), whole);
    }
}

type File = Vec<Run>;

/// As a file is written: in pieces, each after the one before, as `Volume::alloc_data` does it.
fn write(alloc: &Allocator, blocks: u64, home: usize) -> Option<File> {
    let mut file = File::new();
    let (mut at, mut goal) = (0, None);
    while at < blocks {
        let len = (blocks - at).min(64).min(HUGE_BLOCKS - at % HUGE_BLOCKS);
        let purpose = if at + len >= HUGE_BLOCKS {
            Purpose::Stream(at % HUGE_BLOCKS)
        } else {
            Purpose::Small
        };
        let goal_now = goal.filter(|&goal| at % HUGE_BLOCKS != 0 || alloc.huge_offset(goal) == 0);
        match alloc.alloc(&Pages::default(), purpose, len, goal_now, home) {
            Ok(run) => {
                at += run.len;
                goal = Some(run.block + run.len);
                file.push(run);
            }
            Err(_) => {
                file.into_iter().for_each(|run| alloc.free(run));
                return None;
            }
        }
    }
    Some(file)
}

/// Fills a volume up to `percent` and lets files come and go until 12 times its size was written.
/// Returns the chunks that are whole then, and those that could be.
fn age(percent: u64) -> (u64, u64) {
    let layout = Layout::new(1024 * MIB);
    let alloc = Allocator::new(layout, 3, 2).unwrap();
    let fresh = alloc.free_blocks();
    let mut state = 88172645463325252;
    let mut files: BTreeMap<u64, File> = BTreeMap::new();
    let (mut next, mut written) = (0, 0);
    while written < fresh * 12 {
        let kind = random(&mut state, 100);
        let blocks = match kind {
            0..=79 => 1 + random(&mut state, 16),
            80..=97 => 16 + random(&mut state, 400),
            _ => 512 + random(&mut state, 8192),
        };
        while alloc.free_blocks() < fresh * (100 - percent) / 100 + blocks {
            let pick = random(&mut state, next);
            let later = files.range(pick..).next().map(|entry| *entry.0);
            let key = later.or_else(|| files.keys().next().copied()).unwrap();
            for run in files.remove(&key).unwrap() {
                alloc.free(run);
            }
        }
        if let Some(file) = write(&alloc, blocks, (kind % 2) as usize) {
            files.insert(next, file);
            next += 1;
            written += blocks;
        }
    }
    let (possible, whole) = (alloc.free_blocks() / HUGE_BLOCKS, alloc.whole_chunks());
    // A file of 64 MiB that is allocated at once.
    let want = (64 * MIB / HUGE_BLOCKS).min(whole);
    let mut got = 0;
    while got < want {
        let len = (want - got) * HUGE_BLOCKS;
        let run = alloc
            .alloc(&Pages::default(), Purpose::Huge, len, None, 0)
            .unwrap();
        assert_eq!(alloc.huge_offset(run.block), 0);
        got += run.len / HUGE_BLOCKS;
    }
    println!(
        "aged at {percent} %: {} files; {whole} chunks are whole where {possible} could be; a file \
         of 64 MiB gets {got} of 32 huge pages",
        files.len(),
    );
    (whole, possible)
}

/// After years of use, whole chunks are left, and a file that is allocated at once gets them all.
#[test]
fn aged() {
    // How full, and how many percent of the chunks that could be whole are, at least.
    for (percent, least) in [(50, 75), (75, 45), (90, 0)] {
        let (whole, possible) = age(percent);
        assert!(whole * 100 >= possible * least);
    }
}

/// Threads that take and give blocks never get the same one.
#[test]
fn threads() {
    let layout = Layout::new(64 * MIB);
    let alloc = &Allocator::new(layout, 0, 4).unwrap();
    let fresh = alloc.free_blocks();
    let owners: Vec<_> = (0..layout.blocks).map(|_| Atomic::new(0)).collect();
    let give = |run: Run| {
        for block in run.block..run.block + run.len {
            owners[block as usize].sub(1);
        }
        alloc.free(run);
    };
    let work = |thread: u64| {
        let mut state = thread + 1;
        let mut runs: Vec<Run> = Vec::new();
        for _ in 0..40_000 {
            let purpose = match random(&mut state, 4) {
                0 => Purpose::Metadata,
                1 => Purpose::Small,
                2 => Purpose::Stream(0),
                _ => Purpose::Huge,
            };
            let len = 1 + random(&mut state, 1500);
            if let Ok(run) = alloc.alloc(&Pages::default(), purpose, len, None, thread as usize) {
                for block in run.block..run.block + run.len {
                    assert_eq!(owners[block as usize].add(1), 0);
                }
                runs.push(run);
            }
            while runs.len() > 24 || !runs.is_empty() && random(&mut state, 3) == 0 {
                let pick = random(&mut state, runs.len() as u64) as usize;
                give(runs.swap_remove(pick));
            }
        }
        runs.into_iter().for_each(give);
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
    assert_eq!(alloc.free_blocks(), fresh);
}

/// The memory that the largest volumes take.
#[test]
fn memory() {
    let chunks_of_tib = (1u64 << 28) / HUGE_BLOCKS;
    let bytes = chunks_of_tib * (HUGE_BLOCKS / 8 + 3);
    println!("free blocks of a TiB: {} KiB", bytes >> 10);
    assert!(MAX_BLOCKS / HUGE_BLOCKS * (HUGE_BLOCKS / 8 + 3) < 1 << 38);
}
