// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use crate::bindings;

/// An unpredictable number.
pub fn random_u64() -> u64 {
    // SAFETY: may be called by anybody.
    unsafe { bindings::get_random_u64() }
}
