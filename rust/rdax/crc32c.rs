// SPDX-License-Identifier: GPL-2.0

//! CRC-32C, computed by the CPU's instruction where there is one.
//!
//! C header: [`include/linux/crc32.h`](srctree/include/linux/crc32.h)

use crate::bindings;

/// Continues the checksum `seed` over `data`. Neither seed nor result is inverted.
///
/// Context: any.
pub fn crc32c(seed: u32, data: &[u8]) -> u32 {
    // SAFETY: `data` is valid for reads of its length.
    unsafe { bindings::crc32c(seed, data.as_ptr().cast(), data.len()) }
}
