// SPDX-License-Identifier: GPL-2.0

//! Threads that do all operations at the same time on one volume, under the locks that the VFS and the
//! kernel module hold, over a medium that reports each access that a lock should have kept apart.
//!
//! The number of operations of each thread is `RDAX_SMP_OPS`.

use crate::common::{
    icache::Cache,
    overlap::{
        doing,
        seed,
        Overlap, //
    },
    rng::Rng,
    script::{
        dir,
        file, //
    },
    smp::{
        check::{
            check_dir,
            check_inode, //
        },
        Dir,
        Entries,
        Task,
        World,
        DIRS,
        NOW, //
    }, //
};
use rdaxfs_core::{
    format,
    Error,
    FormatOptions,
    Medium,
    MountOptions,
    Node,
    Span,
    Volume, //
};
use std::{
    collections::HashMap,
    sync::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        Arc,
        RwLock, //
    }, //
};

const SIZE: usize = 24 << 20;
const THREADS: u64 = 4;

fn volume_options() -> MountOptions {
    MountOptions {
        shards: 2,
        now: NOW(),
        ..MountOptions::default()
    }
}

/// Nothing that is on the medium is wrong.
fn fsck(medium: &Overlap) {
    let report = rdaxfs_check::check(medium, &rdaxfs_check::Options::default());
    let problem = report.errors().next();
    assert!(problem.is_none(), "{problem:?}");
}

fn ops() -> u64 {
    let set = std::env::var("RDAX_SMP_OPS").ok();
    set.map_or(1500, |ops| ops.parse().expect("RDAX_SMP_OPS is a number"))
}

/// Lets the threads take steps on the volume, which has `old` in its directories, and returns what they
/// made of that.
fn round(
    cache: &Cache,
    number: u64,
    old: Vec<Entries>,
    step: impl Fn(u64, &mut Task<'_, '_>) + Sync,
) -> Vec<Entries> {
    let volume = &cache.volume;
    let root_inode = cache.iget(volume.root()).unwrap();
    let mut root = root_inode.node.write().unwrap();
    let dirs = old.into_iter().enumerate().map(|(i, entries)| {
        let name = format!("dir{i}");
        let found = volume.lookup(&mut root, name.as_bytes()).unwrap().unwrap();
        Dir {
            inode: cache.iget(found.ino).unwrap(),
            entries: RwLock::new(entries),
        }
    });
    let world = World {
        cache,
        dirs: dirs.collect(),
        renames: Default::default(),
        last: AtomicU64::new(volume.root()),
    };
    drop(root);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (world, step) = (&world, &step);
            scope.spawn(move || {
                seed(number << 8 | thread);
                let mut task = Task {
                    world,
                    rng: Rng(number << 16 | thread),
                    open: Vec::new(),
                };
                for _ in 0..ops() {
                    step(thread, &mut task);
                }
                doing("close");
            });
        }
    });
    doing("check");
    let dirs = world.dirs.into_iter().map(|dir| {
        let entries = dir.entries.into_inner().unwrap();
        check_dir(volume, &mut dir.inode.node.write().unwrap(), &entries);
        for (ino, kind) in entries.values() {
            let inode = cache.iget(*ino).expect("a name names an inode");
            let (content, node) = (inode.content.read().unwrap(), inode.node.read().unwrap());
            check_inode(volume, &node, &content, *kind);
        }
        entries
    });
    dirs.collect()
}

fn no_overlaps(medium: &Overlap) {
    let (overlaps, total) = medium.overlaps();
    assert!(total == 0, "{total} overlaps: {overlaps:#?}");
}

/// A thread that panics leaves locks and inodes behind that others wait for: ends all of them, and says
/// what it may have panicked of.
fn exit_on_panic(medium: &Overlap) {
    let (medium, hook) = (medium.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        hook(info);
        let (overlaps, total) = medium.overlaps();
        eprintln!("{total} overlaps: {overlaps:#?}");
        std::process::exit(101);
    }));
}

/// Lets the threads take steps on a new volume, a few mounts long.
fn run(step: impl Fn(u64, &mut Task<'_, '_>) + Sync) {
    let medium = Overlap::new(SIZE);
    exit_on_panic(&medium);
    format(&medium, &FormatOptions::default(), |_, _| {}).unwrap();
    let mount = || Volume::mount(medium.clone(), &volume_options()).unwrap();
    let volume = mount();
    let mut root = volume.iget(volume.root()).unwrap();
    let dirs = (0..DIRS).map(|i| {
        let name = format!("dir{i}");
        let node = volume.create(&mut root, name.as_bytes(), &dir(), NOW());
        node.unwrap().ino()
    });
    let dirs: Vec<u64> = dirs.collect();
    let known = dirs.iter().copied().chain([volume.root()]);
    let mut contents: HashMap<_, _> = known.map(|ino| (ino, Default::default())).collect();
    let mut entries = vec![Entries::new(); DIRS as usize];
    let mut volume = Some(volume);
    for number in 0..3 {
        let cache = Cache::new(volume.take().unwrap_or_else(mount));
        cache.set_contents(contents);
        entries = round(&cache, number, entries, &step);
        cache.shrink();
        contents = cache.contents();
        // Nothing is lost, and nothing is left over.
        let usage = cache.volume.usage();
        assert_eq!(usage.inodes, contents.len() as u64);
        cache.volume.sweep();
        assert_eq!(cache.volume.busy_blocks(), 0);
        cache.volume.deactivate().unwrap();
        let free = cache.volume.usage();
        no_overlaps(&medium);
        fsck(&medium);
        drop(cache);
        let again = mount();
        assert_eq!(again.usage(), free);
        again.deactivate().unwrap();
    }
    println!("{} accesses", medium.accesses());
}

#[test]
fn all_operations() {
    run(|_, task| task.step());
}

/// Blocks of inodes are given back, and become data, while their numbers are looked up.
#[test]
fn inode_blocks() {
    run(|thread, task| match thread % 2 {
        0 if task.rng.below(40) == 0 => task.burst(),
        0 => {}
        _ => task.by_number(),
    });
}

/// Owners of blocks are searched while files change.
#[test]
fn owners() {
    run(|thread, task| match thread {
        0 if task.rng.below(40) == 0 => task.find_owner(),
        0 => {}
        _ => task.step(),
    });
}

/// As in `inode_blocks`, at the worst moment: the block becomes data just before an inode in it is read.
#[test]
fn inode_block_becomes_data() {
    let medium = Overlap::new(SIZE);
    format(&medium, &FormatOptions::default(), |_, _| {}).unwrap();
    let volume = Volume::mount(medium.clone(), &volume_options()).unwrap();
    let mut root = volume.iget(volume.root()).unwrap();
    let made = (0..48).map(|_| volume.tmpfile(&root, &file(), NOW()).unwrap());
    let mut inodes: Vec<Node> = made.collect();
    // All of the last block of inodes is free but for its first one, and there are others.
    let block = inodes.last().unwrap().ino() / 16;
    let first = inodes.iter().position(|node| node.ino() / 16 == block);
    let mut last = inodes.remove(first.unwrap());
    for node in inodes.iter_mut().skip(4) {
        volume.evict(node).unwrap();
    }
    // A reserved number is not known to be free, and can become it without having been hashed.
    let mut others = Vec::new();
    let reserved = loop {
        let reserved = volume.reserve(&root, file().mode).unwrap();
        if reserved.ino() / 16 == block {
            break reserved;
        }
        others.push(reserved);
    };
    drop(others);
    let gone = reserved.ino();
    let (asked, changed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (was_asked, has_changed) = (asked.clone(), changed.clone());
    medium.before_load(volume.layout().inode_at(gone), move || {
        was_asked.store(1, Ordering::SeqCst);
        // Under a lock that keeps the block what it is, it does not change.
        for _ in 0..100_000 {
            if has_changed.load(Ordering::SeqCst) != 0 {
                break;
            }
            std::thread::yield_now();
        }
    });
    std::thread::scope(|scope| {
        let volume = &volume;
        let (asked, changed) = (&asked, &changed);
        let reader = scope.spawn(move || {
            let found = volume.iget(gone).map(drop);
            asked.store(1, Ordering::SeqCst);
            found
        });
        while asked.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        drop(reserved);
        volume.evict(&mut last).unwrap();
        for number in 0.. {
            let name = format!("file{number}");
            let mut node = volume.create(&mut root, name.as_bytes(), &file(), NOW());
            let node = node.as_mut().unwrap();
            let mapping = volume.begin_write(node, 0, 4096, &NOW().into()).unwrap();
            let Span::Written(at) = mapping.span else {
                panic!("{mapping:?}")
            };
            volume.medium().store(at * 4096, &[0xff; 4096]).unwrap();
            volume.end_write(node, 0, 4096, NOW()).unwrap();
            if at == block {
                break;
            }
            assert!(number < 200, "the block of inodes was not given back");
        }
        changed.store(1, Ordering::SeqCst);
        assert_eq!(reader.join().unwrap(), Err(Error::Stale));
    });
}

/// The superblock is stored under a lock of its own.
#[test]
fn superblock() {
    let medium = Overlap::new(SIZE);
    format(&medium, &FormatOptions::default(), |_, _| {}).unwrap();
    let volume = Volume::mount(medium.clone(), &volume_options()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let volume = &volume;
            scope.spawn(move || {
                seed(thread);
                for _ in 0..200 {
                    doing("mark of errors");
                    volume.mark_errors().unwrap();
                    volume.superblock();
                }
            });
        }
    });
    no_overlaps(&medium);
}
