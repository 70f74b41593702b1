// SPDX-License-Identifier: GPL-2.0

//! A file of two pages, mapped by everybody: its blocks, its page table, who faults, pins and
//! drains. What is not the gate is modelled after `mm/gup.c`, `fs/dax.c` and the fault path.

use crate::{
    loom_env::LoomEnv,
    protocol::{
        self,
        register,
        Refused, //
    },
    range::PageRange,
    state::{
        Access,
        Passage, //
    },
    ticket::TaskId, //
};
use loom::sync::{
    atomic::{
        fence,
        AtomicBool,
        AtomicUsize,
        Ordering::{
            Relaxed,
            SeqCst, //
        }, //
    },
    Mutex,
    RwLock, //
};

pub(super) const PAGES: usize = 2;

/// A page of the file, with its block.
struct Page {
    /// References other than those of page tables.
    refs: AtomicUsize,
    /// The one page table entry, which changes under the lock only.
    mapped: AtomicBool,
    table: Mutex<()>,
    /// A drain is on, not about to begin or end: written under `invalidate_lock`.
    draining: AtomicBool,
    /// The block belongs to another file.
    reused: AtomicBool,
}

impl Page {
    fn new() -> Self {
        Self {
            refs: AtomicUsize::new(0),
            mapped: AtomicBool::new(false),
            table: Mutex::new(()),
            draining: AtomicBool::new(false),
            reused: AtomicBool::new(false),
        }
    }

    /// As `gup_fast_pte_range()`: takes a reference, which is a full barrier, and looks again.
    fn pin_fast(&self) -> bool {
        if !self.mapped.load(Relaxed) {
            return false;
        }
        self.refs.fetch_add(1, Relaxed);
        fence(SeqCst);
        if self.mapped.load(Relaxed) {
            return true;
        }
        self.refs.fetch_sub(1, Relaxed);
        false
    }

    /// As `follow_page_pte()`, under the lock of the page table.
    fn pin_slow(&self) -> bool {
        let _table = self.table.lock().unwrap();
        let mapped = self.mapped.load(Relaxed);
        if mapped {
            self.refs.fetch_add(1, Relaxed);
        }
        mapped
    }

    fn set_mapped(&self, mapped: bool) {
        let _table = self.table.lock().unwrap();
        self.mapped.store(mapped, Relaxed);
    }
}

/// What is done about a gate that is closed after a pin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterPin {
    /// Nothing: `pin_user_pages()` of those who do not know the gate.
    Keep,
    /// As `pin.rs` does it.
    Check,
}

pub(super) struct World {
    pub(super) gate: LoomEnv,
    /// Held shared by faults and exclusively by the drain. What is in the file.
    invalidate: RwLock<[bool; PAGES]>,
    pages: [Page; PAGES],
}

/// The pages that somebody has pinned.
pub(super) struct Pinned<'a>(&'a World, Vec<usize>);

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        for &page in &self.1 {
            if let Some(page) = self.0.pages.get(page) {
                assert!(!page.reused.load(Relaxed), "reused while pinned");
                page.refs.fetch_sub(1, SeqCst);
            }
        }
        if !self.1.is_empty() {
            self.0.gate.arrivals.add();
        }
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            gate: LoomEnv::new(),
            invalidate: RwLock::new([true; PAGES]),
            pages: [(); PAGES].map(|()| Page::new()),
        }
    }

    /// Maps all, as if it had been touched.
    pub(super) fn touched(self) -> Self {
        self.pages.iter().for_each(|page| page.set_mapped(true));
        self
    }

    /// The fault path. Whether there is something to map.
    fn fault(&self, task: usize, page: usize) -> bool {
        let access = Access {
            task: TaskId(task),
            pos: page as u64,
            range: PageRange::page(page as u64),
        };
        loop {
            if protocol::enter(&self.gate, &access) == Passage::Closed {
                protocol::wait_access(&self.gate, &access).unwrap();
                continue;
            }
            let in_file = self.invalidate.read().unwrap();
            let passage = protocol::recheck(&self.gate, &access);
            if passage == Passage::Closed {
                continue;
            }
            // A ticket is the only way past a drain.
            let draining = self.pages[page].draining.load(Relaxed);
            assert!(!draining || passage == Passage::Admitted);
            if in_file[page] {
                self.pages[page].set_mapped(true);
            }
            return in_file[page];
        }
    }

    /// As `pin_user_pages_fast()`: the pages up to the first that is not there.
    pub(super) fn pin(&self, task: usize, pages: &[usize], then: AfterPin) -> Pinned<'_> {
        let mut pinned = Pinned(self, Vec::new());
        for &page in pages {
            let there = self.pages[page].pin_fast()
                || loop {
                    if self.pages[page].pin_slow() {
                        break true;
                    }
                    if !self.fault(task, page) {
                        break false;
                    }
                };
            if !there {
                return pinned;
            }
            pinned.1.push(page);
            let range = PageRange::page(page as u64);
            if then == AfterPin::Check && protocol::closed_after_pin(&self.gate, &range) {
                drop(pinned);
                return Pinned(self, Vec::new());
            }
        }
        pinned
    }

    /// A pin of a file range, held for a transfer; whether there was one.
    pub(super) fn dma(&self, page: usize) -> bool {
        let registered = match register(&self.gate, PageRange::page(page as u64), None) {
            Ok(registered) => registered,
            Err(refused) => {
                assert_eq!(refused, Refused::Closed);
                return false;
            }
        };
        let in_file = self.invalidate.read().unwrap()[page];
        if in_file {
            self.pages[page].refs.fetch_add(1, Relaxed);
            drop(Pinned(self, vec![page]));
        }
        drop(registered);
        self.gate.arrivals.add();
        in_file
    }

    /// Punches the pages: they leave the file, and another gets their blocks. Returns how many
    /// tickets that took.
    pub(super) fn punch(&self, range: PageRange) -> usize {
        let (mut now, mut tickets) = (0, 0);
        let mut lock = self.invalidate.write().unwrap();
        let closed = protocol::close(&self.gate, range, now).unwrap();
        let pages = range.first() as usize..range.end() as usize;
        for page in &self.pages[pages.clone()] {
            page.draining.store(true, Relaxed);
        }
        loop {
            let seen = self.gate.arrivals.count();
            closed.begin_round();
            let drained = &self.pages[pages.clone()];
            drained.iter().for_each(|page| page.set_mapped(false));
            // The flush of the TLB.
            fence(SeqCst);
            let busy = drained.iter().any(|page| page.refs.load(Relaxed) != 0);
            if !busy && closed.pins() == 0 {
                break;
            }
            drop(lock);
            if self.gate.waiting() == 0 {
                self.gate.arrivals.wait(seen);
            }
            if self.gate.waiting() != 0 {
                now += 1000;
                let held = |page| self.pages[page as usize].refs.load(Relaxed) != 0;
                tickets += closed.no_progress(now, held).tickets;
            }
            lock = self.invalidate.write().unwrap();
        }
        for page in pages {
            lock[page] = false;
            self.pages[page].reused.store(true, Relaxed);
            self.pages[page].draining.store(false, Relaxed);
        }
        drop(closed);
        drop(lock);
        tickets
    }
}
