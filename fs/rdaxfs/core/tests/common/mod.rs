// SPDX-License-Identifier: GPL-2.0

//! Memory as a medium, and what the tests share.

#![allow(dead_code, unreachable_pub)]

pub mod icache;
pub mod overlap;
pub mod pm;
pub mod ram;
pub mod rng;
pub mod script;
pub mod scripts;
pub mod smp;
pub mod states;
pub mod tree;
pub mod verify;

pub use ram::Ram;
use rdaxfs_core::{
    format,
    FormatOptions,
    MountOptions,
    Volume, //
};

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
