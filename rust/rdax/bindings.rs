// SPDX-License-Identifier: GPL-2.0

//! Raw bindings: the kernel crate's, plus our own bindgen run for the headers it leaves out.
//!
//! Private to the crate. Modules that use rdax see none of this; if something is missing, wrap it
//! in a safe abstraction here first.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    // Not every rustc knows the next one.
    unknown_lints,
    unnecessary_transmutes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

pub use kernel::bindings::*;

use kernel::ffi;
use pin_init::MaybeZeroable;

type __kernel_size_t = usize;

include!(concat!(
    env!("RDAX_OBJTREE"),
    "/rust/bindings/bindings_generated.rs"
));
