// SPDX-License-Identifier: GPL-2.0

//! Memory that records what is done to it and can go back.

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
    ops::Range,
    rc::Rc, //
};

/// What was done.
#[derive(Clone, Debug)]
pub enum Kind {
    Store { at: u64, data: Vec<u8> },
    Flush { at: u64, len: u64 },
    Fence,
}

/// What was done, and by which CPU.
#[derive(Clone, Debug)]
pub struct Event {
    pub cpu: usize,
    pub kind: Kind,
}

/// A medium. Clones are the same one.
#[derive(Clone)]
pub struct Pm(Rc<Inner>);

/// Places and what they held, oldest first.
type Undo = Vec<(usize, Vec<u8>)>;

struct Inner {
    bytes: RefCell<Vec<u8>>,
    log: RefCell<Option<Vec<Event>>>,
    undo: RefCell<Option<Undo>>,
    cpu: Cell<usize>,
    calls_left: Cell<u64>,
}

impl Pm {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Rc::new(Inner {
            bytes: RefCell::new(bytes),
            log: RefCell::new(None),
            undo: RefCell::new(None),
            cpu: Cell::new(0),
            calls_left: Cell::new(0),
        }))
    }

    /// Its bytes now.
    pub fn image(&self) -> Vec<u8> {
        self.0.bytes.borrow().clone()
    }

    /// Says which CPU acts from now on.
    pub fn set_cpu(&self, cpu: usize) {
        self.0.cpu.set(cpu);
    }

    /// Makes the `nth` call from now on fail (1 is the next one); 0 makes none fail. Returns how
    /// many were left until then.
    pub fn fail_call(&self, nth: u64) -> u64 {
        self.0.calls_left.replace(nth)
    }

    fn call(&self) -> Result {
        match self.0.calls_left.get() {
            0 => Ok(()),
            left => {
                self.0.calls_left.set(left - 1);
                if left == 1 {
                    return Err(Error::Io);
                }
                Ok(())
            }
        }
    }

    /// Records from now on.
    pub fn record(&self) {
        *self.0.log.borrow_mut() = Some(Vec::new());
    }

    /// Ends recording.
    pub fn recorded(&self) -> Vec<Event> {
        self.0.log.borrow_mut().take().unwrap_or_default()
    }

    /// A point to go back to.
    pub fn mark(&self) -> usize {
        let mut undo = self.0.undo.borrow_mut();
        undo.get_or_insert_with(Vec::new).len()
    }

    /// Goes back to `mark`.
    pub fn rollback(&self, mark: usize) {
        let mut undo = self.0.undo.borrow_mut();
        let mut bytes = self.0.bytes.borrow_mut();
        let undo = undo.as_mut().expect("there is a mark");
        while undo.len() > mark {
            let (at, old) = undo.pop().unwrap();
            bytes[at..at + old.len()].copy_from_slice(&old);
        }
    }

    /// Forgets all marks.
    pub fn forget(&self) {
        *self.0.undo.borrow_mut() = None;
    }

    /// Stores without being recorded.
    pub fn put(&self, at: u64, data: &[u8]) {
        let at = at as usize;
        let place = &mut self.0.bytes.borrow_mut()[at..at + data.len()];
        if let Some(undo) = self.0.undo.borrow_mut().as_mut() {
            undo.push((at, place.to_vec()));
        }
        place.copy_from_slice(data);
    }

    /// The cache line `line`.
    pub fn line(&self, line: u64) -> [u8; 64] {
        let at = line as usize * 64;
        self.0.bytes.borrow()[at..at + 64].try_into().unwrap()
    }

    /// `len` bytes from byte `at`.
    pub fn bytes(&self, at: u64, len: u64) -> Vec<u8> {
        let range = at as usize..(at + len) as usize;
        self.0.bytes.borrow()[range].to_vec()
    }

    fn range(&self, at: u64, len: u64) -> Result<Range<usize>> {
        match at.checked_add(len) {
            Some(end) if end <= self.size() => Ok(at as usize..end as usize),
            _ => Err(Error::Io),
        }
    }

    fn log(&self, kind: Kind) {
        if let Some(log) = self.0.log.borrow_mut().as_mut() {
            let cpu = self.0.cpu.get();
            log.push(Event { cpu, kind });
        }
    }
}

impl Medium for Pm {
    fn size(&self) -> u64 {
        self.0.bytes.borrow().len() as u64
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        let range = self.range(at, out.len() as u64)?;
        self.call()?;
        out.copy_from_slice(&self.0.bytes.borrow()[range]);
        Ok(())
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        self.range(at, data.len() as u64)?;
        self.call()?;
        self.put(at, data);
        let data = data.to_vec();
        self.log(Kind::Store { at, data });
        Ok(())
    }

    fn flush(&self, at: u64, len: u64) -> Result {
        self.range(at, len)?;
        self.call()?;
        self.log(Kind::Flush { at, len });
        Ok(())
    }

    fn fence(&self) -> Result {
        self.call()?;
        self.log(Kind::Fence);
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        self.range(at, len)?;
        self.store(at, &vec![0; len as usize])?;
        self.flush(at, len)
    }
}
