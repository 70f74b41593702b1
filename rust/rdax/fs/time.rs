// SPDX-License-Identifier: GPL-2.0

//! Times of files.
//!
//! C header: [`include/linux/time64.h`](srctree/include/linux/time64.h)

use crate::bindings;

/// A point in time: seconds since 1970 and nanoseconds (below 10⁹) after that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timespec {
    /// Seconds; negative before 1970.
    pub secs: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

impl From<bindings::timespec64> for Timespec {
    fn from(raw: bindings::timespec64) -> Self {
        Self {
            secs: raw.tv_sec,
            nanos: u32::try_from(raw.tv_nsec).unwrap_or(0),
        }
    }
}

impl From<Timespec> for bindings::timespec64 {
    fn from(time: Timespec) -> Self {
        Self {
            tv_sec: time.secs,
            tv_nsec: time.nanos as isize,
        }
    }
}
