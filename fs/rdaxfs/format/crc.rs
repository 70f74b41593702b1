// SPDX-License-Identifier: GPL-2.0

//! CRC32C, as the kernel and every tool compute it.

/// Continues the CRC32C `seed` (0 to begin) over `data`.
#[cfg(CONFIG_RUST)]
pub fn crc32c(seed: u32, data: &[u8]) -> u32 {
    !rdax::crc32c::crc32c(!seed, data)
}

/// Continues the CRC32C `seed` (0 to begin) over `data`.
#[cfg(not(CONFIG_RUST))]
pub fn crc32c(seed: u32, data: &[u8]) -> u32 {
    crc32c::crc32c_append(seed, data)
}
