// SPDX-License-Identifier: GPL-2.0

//! Memory as a medium.

use rdaxfs_core::{
    Error,
    Medium,
    Result, //
};
use std::sync::Mutex;

/// A medium where every store is durable at once.
pub struct Ram(pub Mutex<Vec<u8>>);

impl Ram {
    pub fn new(size: usize) -> Self {
        Self(Mutex::new(vec![0; size]))
    }
}

fn range(at: u64, len: u64, size: usize) -> Result<std::ops::Range<usize>> {
    let end = at
        .checked_add(len)
        .filter(|&end| end <= size as u64)
        .ok_or(Error::Io)?;
    Ok(at as usize..end as usize)
}

impl Medium for &Ram {
    fn size(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        let bytes = self.0.lock().unwrap();
        out.copy_from_slice(&bytes[range(at, out.len() as u64, bytes.len())?]);
        Ok(())
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        let mut bytes = self.0.lock().unwrap();
        let range = range(at, data.len() as u64, bytes.len())?;
        bytes[range].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }

    fn fence(&self) -> Result {
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        let mut bytes = self.0.lock().unwrap();
        let range = range(at, len, bytes.len())?;
        bytes[range].fill(0);
        Ok(())
    }
}
