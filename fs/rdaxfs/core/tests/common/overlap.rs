// SPDX-License-Identifier: GPL-2.0

//! Memory as a medium for many threads, which reports accesses that a lock should have kept apart.

use super::rng::Rng;
use rdaxfs_core::{
    Error,
    Medium,
    Result, //
};
use std::{
    cell::{
        Cell,
        RefCell, //
    },
    collections::BTreeMap,
    ops::Range,
    sync::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        Arc,
        Mutex, //
    }, //
};

thread_local! {
    /// What this thread is doing, for reports.
    static DOING: Cell<&'static str> = const { Cell::new("nothing") };
    static RNG: RefCell<Rng> = const { RefCell::new(Rng(0)) };
}

/// Says what this thread does from now on.
pub fn doing(what: &'static str) {
    DOING.set(what);
}

/// Makes what this thread draws depend on `seed`.
pub fn seed(seed: u64) {
    RNG.replace(Rng(seed));
}

/// Gives other threads their chance to be where they must not.
fn let_others_run() {
    let turns = match RNG.with_borrow_mut(|rng| rng.below(64)) {
        0 => 100,
        turns => turns % 2,
    };
    for _ in 0..turns {
        std::thread::yield_now();
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Load,
    Store,
}

struct Active {
    id: u64,
    words: Range<u64>,
    access: Access,
    doing: &'static str,
}

#[derive(Default)]
struct State {
    next: u64,
    active: Vec<Active>,
    overlaps: Vec<String>,
    total: u64,
}

struct Shared {
    bytes: Vec<AtomicU64>,
    state: Mutex<State>,
    references: Mutex<BTreeMap<u64, u64>>,
    ambush: Mutex<Option<(u64, Ambush)>>,
}

/// What is done just before a load.
type Ambush = Box<dyn FnOnce() + Send>;

/// A medium that several threads use. A load and a store, or two stores, of the same 8 bytes at the same
/// time are an overlap.
#[derive(Clone)]
pub struct Overlap(Arc<Shared>);

impl Overlap {
    pub fn new(size: usize) -> Self {
        Self(Arc::new(Shared {
            bytes: (0..size / 8).map(|_| AtomicU64::new(0)).collect(),
            state: Mutex::default(),
            references: Mutex::default(),
            ambush: Mutex::default(),
        }))
    }

    /// The first overlaps, and how many there were.
    pub fn overlaps(&self) -> (Vec<String>, u64) {
        let state = self.0.state.lock().unwrap();
        (state.overlaps.clone(), state.total)
    }

    /// How many accesses there were.
    pub fn accesses(&self) -> u64 {
        self.0.state.lock().unwrap().next
    }

    /// A copy of all bytes.
    pub fn image(&self) -> Vec<u8> {
        let words = self.0.bytes.iter();
        words
            .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
            .collect()
    }

    /// Does `f` just before the next load from byte `at` on.
    pub fn before_load(&self, at: u64, f: impl FnOnce() + Send + 'static) {
        *self.0.ambush.lock().unwrap() = Some((at, Box::new(f)));
    }

    /// References block `block`, as a mapping does.
    pub fn get(&self, block: u64) {
        *self.0.references.lock().unwrap().entry(block).or_insert(0) += 1;
    }

    /// Ends a [`get`](Self::get).
    pub fn put(&self, block: u64) {
        let mut references = self.0.references.lock().unwrap();
        let count = references.get_mut(&block).unwrap();
        *count -= 1;
        if *count == 0 {
            references.remove(&block);
        }
    }

    fn access<R>(&self, at: u64, len: u64, access: Access, f: impl FnOnce() -> R) -> Result<R> {
        let end = at.checked_add(len).filter(|&end| end <= self.size());
        let words = at / 8..end.ok_or(Error::Io)?.div_ceil(8);
        let_others_run();
        let id = self.begin(words, access);
        let done = f();
        let_others_run();
        let mut state = self.0.state.lock().unwrap();
        state.active.retain(|active| active.id != id);
        Ok(done)
    }

    fn begin(&self, words: Range<u64>, access: Access) -> u64 {
        let mut state = self.0.state.lock().unwrap();
        let id = state.next;
        state.next += 1;
        let met = state.active.iter().find(|other| {
            (access == Access::Store || other.access == Access::Store)
                && words.start < other.words.end
                && other.words.start < words.end
        });
        if let Some(other) = met {
            let at = words.start.max(other.words.start) * 8;
            let report = format!(
                "block {} byte {}: {access:?} in {} overlaps {:?} in {}",
                at / 4096,
                at % 4096,
                DOING.get(),
                other.access,
                other.doing
            );
            state.total += 1;
            if state.overlaps.len() < 10 {
                state.overlaps.push(report);
            }
        }
        state.active.push(Active {
            id,
            words,
            access,
            doing: DOING.get(),
        });
        id
    }

    fn put_bytes(&self, at: u64, len: u64, byte: impl Fn(usize) -> u8) {
        let mut done = 0;
        while done < len {
            let (word, first) = ((at + done) / 8, (at + done) % 8);
            let part = (8 - first).min(len - done);
            let place = &self.0.bytes[word as usize];
            let mut bytes = place.load(Ordering::Relaxed).to_le_bytes();
            for i in 0..part {
                bytes[(first + i) as usize] = byte((done + i) as usize);
            }
            place.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
            done += part;
        }
    }
}

impl Medium for Overlap {
    fn size(&self) -> u64 {
        self.0.bytes.len() as u64 * 8
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        let ambush = self.0.ambush.lock().unwrap().take_if(|it| it.0 == at);
        if let Some((_, f)) = ambush {
            f();
        }
        self.access(at, out.len() as u64, Access::Load, || {
            for (place, at) in out.iter_mut().zip(at..) {
                let word = self.0.bytes[(at / 8) as usize].load(Ordering::Relaxed);
                *place = word.to_le_bytes()[(at % 8) as usize];
            }
        })
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        let len = data.len() as u64;
        self.access(at, len, Access::Store, || {
            self.put_bytes(at, len, |i| data[i])
        })
    }

    fn flush(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }

    fn fence(&self) -> Result {
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        self.access(at, len, Access::Store, || self.put_bytes(at, len, |_| 0))
    }

    fn referenced(&self, block: u64, len: u64) -> (bool, u64) {
        let references = self.0.references.lock().unwrap();
        let first = references.contains_key(&block);
        let alike = (block..block + len).take_while(|b| references.contains_key(b) == first);
        (first, alike.count() as u64)
    }
}
