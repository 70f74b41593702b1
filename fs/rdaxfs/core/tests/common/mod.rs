// SPDX-License-Identifier: GPL-2.0

//! Memory as a medium, and what the tests share.

#![allow(dead_code, unreachable_pub)]

pub mod pm;
pub mod rng;
pub mod script;
pub mod scripts;
pub mod states;
pub mod tree;
pub mod verify;

use rdaxfs_core::{
    format,
    Error,
    FormatOptions,
    Medium,
    MountOptions,
    Result,
    Volume, //
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

pub fn make(size: usize) -> Ram {
    let ram = Ram::new(size);
    format(&&ram, &FormatOptions::default(), |_, _| {}).unwrap();
    ram
}

pub fn mount(ram: &Ram) -> Volume<&Ram> {
    let options = MountOptions {
        shards: 2,
        ..MountOptions::default()
    };
    Volume::mount(ram, &options).unwrap()
}
