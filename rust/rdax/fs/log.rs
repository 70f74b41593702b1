// SPDX-License-Identifier: GPL-2.0

//! Log lines about one volume, and reports to those who listen for errors of it.
//!
//! A line begins with the filesystem type and the device: `rdaxfs (pmem0): shut down`. Lines that
//! an unprivileged task can cause are limited in rate by the volume's own
//! `struct ratelimit_state`, with the kernel's default of 10 in 5 seconds.
//!
//! C headers: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h),
//! [`include/linux/fserror.h`](srctree/include/linux/fserror.h)

use super::{
    super_block::Stage,
    FileSystem,
    Inode,
    SuperBlock, //
};
use crate::bindings;
use kernel::{
    fmt,
    prelude::*,
    print::{
        call_printk,
        format_strings, //
    },
    str::CString,
    types::Opaque, //
};

/// A `struct ratelimit_state`.
#[pin_data]
struct Limit {
    #[pin]
    state: Opaque<bindings::ratelimit_state>,
}

// SAFETY: a `struct ratelimit_state` belongs to no thread.
unsafe impl Send for Limit {}
// SAFETY: `___ratelimit()` locks the state.
unsafe impl Sync for Limit {}

impl Limit {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- Opaque::ffi_init(|slot: *mut bindings::ratelimit_state| {
                // SAFETY: `slot` is valid for writes and pinned, as `ffi_init` has it.
                unsafe { bindings::rdax_helper_ratelimit_init(slot) }
            }),
        })
    }
}

/// The log of one volume.
pub struct Log {
    name: CString,
    limit: Pin<KBox<Limit>>,
}

impl Log {
    /// Returns the log of `device`, which holds a filesystem of type `fs`.
    pub fn new(fs: &CStr, device: &CStr) -> Result<Self> {
        Ok(Self {
            name: CString::try_from_fmt(fmt!("{} ({})", fs, device))?,
            limit: KBox::pin_init(Limit::new(), GFP_KERNEL)?,
        })
    }

    /// Logs an error; the text ends without a new line.
    pub fn err(&self, text: fmt::Arguments<'_>) {
        self.print(&format_strings::ERR, text);
    }

    /// Logs a warning.
    pub fn warn(&self, text: fmt::Arguments<'_>) {
        self.print(&format_strings::WARNING, text);
    }

    /// Logs something that is in order.
    pub fn info(&self, text: fmt::Arguments<'_>) {
        self.print(&format_strings::INFO, text);
    }

    /// Returns whether there may be another line now. How many may not be is logged later.
    pub fn may_log(&self) -> bool {
        let name = self.name.as_char_ptr();
        // SAFETY: `limit` was initialised by `Limit::new()` and is pinned; `name` is terminated
        // and outlives the call.
        unsafe { bindings::rdax_helper_ratelimit(self.limit.state.get(), name) }
    }

    fn print(&self, level: &[u8; format_strings::LENGTH], text: fmt::Arguments<'_>) {
        // SAFETY: all callers in this file pass one of `format_strings`; a `CString` ends in NUL.
        unsafe { call_printk(level, self.name.to_bytes_with_nul(), fmt!("{}\n", text)) };
    }
}

impl<T: FileSystem, S: Stage> SuperBlock<T, S> {
    /// Returns the log of the volume.
    pub fn log(&self) -> Result<Log> {
        Log::new(T::NAME, self.id())
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// Tells listeners (`FAN_FS_ERROR`) that metadata is corrupt or lost. The event is made by a
    /// worker; it is lost, with a line in the log, while the volume is mounted or unmounted.
    pub fn report_metadata(&self, error: Error) {
        // SAFETY: `self` is a superblock in use, as its type says; errors are negative numbers.
        unsafe { bindings::rdax_helper_report_metadata(self.as_ptr(), error.to_errno()) };
    }

    /// Tells listeners that the volume was shut down.
    pub fn report_shutdown(&self) {
        // SAFETY: `self` is a superblock in use, as its type says.
        unsafe { bindings::rdax_helper_report_shutdown(self.as_ptr()) };
    }
}

impl<T: FileSystem> Inode<T> {
    /// Tells listeners that `len` bytes of the file from byte `pos` on are lost.
    pub fn report_data_lost(&self, pos: u64, len: u64) {
        let pos = i64::try_from(pos).unwrap_or(i64::MAX);
        // SAFETY: `self` is an inode in use, as its type says; the report takes a reference.
        unsafe { bindings::rdax_helper_report_data_lost(self.as_ptr(), pos, len) };
    }
}
