// SPDX-License-Identifier: GPL-2.0

//! Waiting for a condition on a variable that has no wait queue of its own.
//!
//! Waiters on other variables may be woken too; conditions are looked at again.
//!
//! # Examples
//!
//! ```
//! # use kernel::{prelude::*, sync::atomic::{Acquire, Atomic, Full}};
//! # use rdax::sync::wait_var;
//! struct Thing {
//!     users: Atomic<u32>,
//! }
//!
//! impl Thing {
//!     fn wait(&self) -> Result {
//!         wait_var::wait_killable(&self.users, || self.users.load(Acquire) == 0)
//!     }
//!
//!     fn put(&self) {
//!         if self.users.fetch_sub(1, Full) == 1 {
//!             wait_var::wake(&self.users);
//!         }
//!     }
//! }
//! ```
//!
//! C header: [`include/linux/wait_bit.h`](srctree/include/linux/wait_bit.h)

use crate::bindings;
use core::ffi::c_void;
use kernel::{
    prelude::*,
    time::Jiffies, //
};

/// # Safety
///
/// `condition` is a valid `F` that nobody else uses.
unsafe extern "C" fn call<F: FnMut() -> bool>(condition: *mut c_void) -> bool {
    // SAFETY: by this function's own requirement.
    unsafe { (*condition.cast::<F>())() }
}

fn wait<V, F: FnMut() -> bool>(var: &V, mut condition: F, timeout: isize) -> Result<bool> {
    let var: *const V = var;
    // SAFETY: `var` is an address only. `call` gets the `F` it was made for, which lives until
    // the helper returns.
    let rest = unsafe {
        bindings::rdax_helper_wait_var_killable(
            var.cast_mut().cast(),
            Some(call::<F>),
            (&raw mut condition).cast(),
            timeout,
        )
    };
    match rest {
        0 => Ok(false),
        1.. => Ok(true),
        _ => Err(EINTR),
    }
}

/// Sleeps until `condition` holds, which is looked at when `var` is woken; `EINTR` if a fatal
/// signal comes first. The condition must not sleep.
pub fn wait_killable<V>(var: &V, condition: impl FnMut() -> bool) -> Result {
    wait(var, condition, isize::MAX).map(drop)
}

/// As [`wait_killable`], for `timeout` jiffies at most; whether `condition` holds.
pub fn wait_killable_timeout<V>(
    var: &V,
    condition: impl FnMut() -> bool,
    timeout: Jiffies,
) -> Result<bool> {
    wait(
        var,
        condition,
        isize::try_from(timeout).unwrap_or(isize::MAX),
    )
}

/// Wakes who waits on `var`, after a full barrier: a change before it is seen by those who are
/// about to wait.
pub fn wake<V>(var: &V) {
    let var: *const V = var;
    // SAFETY: `var` is an address only.
    unsafe { bindings::rdax_helper_wake_var(var.cast_mut().cast()) };
}
