// SPDX-License-Identifier: GPL-2.0

//! Host tests of the pure parts.

#![allow(dead_code)]

#[path = "../../../../drivers/rdax_pmem/geometry.rs"]
mod geometry;
#[path = "../../../../drivers/rdax_pmem/info_block.rs"]
mod info_block;
#[path = "../../../../rust/rdax/memremap/layout.rs"]
mod layout;

#[cfg(test)]
mod geometry_tests;
#[cfg(test)]
mod info_block_tests;
#[cfg(test)]
mod layout_tests;
