// SPDX-License-Identifier: GPL-2.0

//! A medium whose stores stay in memory.

use rdaxfs_core::{
    Error,
    Medium,
    Result, //
};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        MutexGuard,
        PoisonError, //
    },
};

const BLOCK: usize = 4096;

/// Shows another medium, but keeps what is stored to itself.
pub struct Overlay<'a, M: Medium> {
    below: &'a M,
    blocks: Mutex<BTreeMap<u64, Box<[u8; BLOCK]>>>,
}

impl<'a, M: Medium> Overlay<'a, M> {
    /// Nothing is stored yet.
    pub fn new(below: &'a M) -> Self {
        Self {
            below,
            blocks: Mutex::new(BTreeMap::new()),
        }
    }

    /// How many blocks differ, perhaps, from the medium below.
    pub fn changed(&self) -> usize {
        self.lock().len()
    }

    /// The blocks that may differ from the medium below, each with its number.
    pub(crate) fn into_blocks(self) -> BTreeMap<u64, Box<[u8; BLOCK]>> {
        self.blocks
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Box<[u8; BLOCK]>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts `len` bytes from byte `at` at blocks: block, offset in it, length, offset in the bytes.
    fn parts(&self, at: u64, len: usize) -> Result<Vec<(u64, usize, usize, usize)>> {
        let end = at.checked_add(len as u64).ok_or(Error::Io)?;
        if end > self.size() {
            return Err(Error::Io);
        }
        let mut parts = Vec::new();
        let mut done = 0;
        while done < len {
            let here = at + done as u64;
            let offset = (here % BLOCK as u64) as usize;
            let part = (BLOCK - offset).min(len - done);
            parts.push((here / BLOCK as u64, offset, part, done));
            done += part;
        }
        Ok(parts)
    }
}

impl<M: Medium> Medium for Overlay<'_, M> {
    fn size(&self) -> u64 {
        self.below.size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        let blocks = self.lock();
        for (block, offset, len, done) in self.parts(at, out.len())? {
            let out = &mut out[done..done + len];
            match blocks.get(&block) {
                Some(bytes) => out.copy_from_slice(&bytes[offset..offset + len]),
                None => self.below.load(block * BLOCK as u64 + offset as u64, out)?,
            }
        }
        Ok(())
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        let mut blocks = self.lock();
        for (block, offset, len, done) in self.parts(at, data.len())? {
            let mut bytes = match blocks.remove(&block) {
                Some(bytes) => bytes,
                None => {
                    let mut bytes = Box::new([0; BLOCK]);
                    let at = block * BLOCK as u64;
                    let there = (self.size() - at).min(BLOCK as u64) as usize;
                    // A poisoned block can be stored to as a whole.
                    match self.below.load(at, &mut bytes[..there]) {
                        Err(_) if len == BLOCK => {}
                        loaded => loaded?,
                    }
                    bytes
                }
            };
            bytes[offset..offset + len].copy_from_slice(&data[done..done + len]);
            blocks.insert(block, bytes);
        }
        Ok(())
    }

    fn flush(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }

    fn fence(&self) -> Result {
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        let zeros = [0; BLOCK];
        let mut done = 0;
        while done < len {
            let part = (len - done).min(BLOCK as u64);
            self.store(at.saturating_add(done), &zeros[..part as usize])?;
            done += part;
        }
        Ok(())
    }
}

impl<M: Medium> Medium for &Overlay<'_, M> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        (**self).load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        (**self).store(at, data)
    }

    fn flush(&self, at: u64, len: u64) -> Result {
        (**self).flush(at, len)
    }

    fn fence(&self) -> Result {
        (**self).fence()
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        (**self).zero(at, len)
    }
}
