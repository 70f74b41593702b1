// SPDX-License-Identifier: GPL-2.0

//! The two ways in which a drain and a pin find each other. There is no page table here whose
//! recheck would help, and no `invalidate_lock`.

use super::{
    check,
    check_to, //
};
use crate::{
    loom_env::LoomEnv,
    protocol::{
        close,
        closed_after_pin,
        register,
        Refused, //
    },
    range::PageRange, //
};
use loom::{
    sync::{
        atomic::{
            AtomicBool,
            AtomicUsize,
            Ordering::Relaxed, //
        },
        Arc, //
    },
    thread, //
};

/// A block of a file, and its page.
struct Block {
    gate: LoomEnv,
    refs: AtomicUsize,
    in_file: AtomicBool,
    reused: AtomicBool,
}

impl Block {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: LoomEnv::new(),
            refs: AtomicUsize::new(0),
            in_file: AtomicBool::new(true),
            reused: AtomicBool::new(false),
        })
    }

    /// Reads by DMA, for a while.
    fn transfer(&self) {
        thread::yield_now();
        assert!(!self.reused.load(Relaxed), "reads what is another file's");
    }
}

/// A pin through a page table: either the drain sees the reference or the pin sees the gate.
#[test]
fn user_pin_or_drain_sees_the_other() {
    check(|| {
        let block = Block::new();
        let pin = thread::spawn({
            let block = block.clone();
            move || {
                block.refs.fetch_add(1, Relaxed);
                let kept = !closed_after_pin(&block.gate, &PageRange::page(0));
                if kept {
                    block.transfer();
                }
                kept
            }
        });
        let closed = close(&block.gate, PageRange::page(0), 0).unwrap();
        let idle = block.refs.load(Relaxed) == 0;
        if idle {
            block.reused.store(true, Relaxed);
        }
        let kept = pin.join().unwrap();
        drop(closed);
        assert!(!(kept && idle), "neither saw the other");
    });
}

/// A pin that the range does not concern is kept.
#[test]
fn pin_elsewhere_is_kept() {
    check(|| {
        let block = Block::new();
        let pin = thread::spawn({
            let block = block.clone();
            move || closed_after_pin(&block.gate, &PageRange::page(7))
        });
        let closed = close(&block.gate, PageRange::page(0), 0).unwrap();
        drop(closed);
        assert!(!pin.join().unwrap());
    });
}

/// Pins a file range and reads from it, if there is anything.
fn dma(block: &Block) -> Result<bool, Refused> {
    let _pin = register(&block.gate, PageRange::page(0), None)?;
    if !block.in_file.load(Relaxed) {
        return Ok(false);
    }
    block.refs.fetch_add(1, Relaxed);
    block.transfer();
    block.refs.fetch_sub(1, Relaxed);
    Ok(true)
}

/// Takes the block out of the file, once nobody has it, and gives it to another file.
fn truncate(block: &Block) {
    let closed = close(&block.gate, PageRange::page(0), 0).unwrap();
    closed.wait_pins(None).unwrap();
    assert_eq!(block.refs.load(Relaxed), 0);
    block.in_file.store(false, Relaxed);
    block.reused.store(true, Relaxed);
}

/// A pin of a file range: the lock alone keeps it and the drain apart, also when the range has been
/// opened again.
#[test]
fn file_pin_or_drain_sees_the_other() {
    check_to(4, || {
        let block = Block::new();
        let pins = [(); 2].map(|()| {
            let block = block.clone();
            thread::spawn(move || dma(&block))
        });
        truncate(&block);
        for pin in pins {
            assert!(matches!(pin.join().unwrap(), Ok(_) | Err(Refused::Closed)));
        }
        assert_eq!(dma(&block), Ok(false));
    });
}
