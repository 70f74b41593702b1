// SPDX-License-Identifier: GPL-2.0

//! What the tests of the core look at volumes with.

#![allow(dead_code)]

#[path = "../../../../../fs/rdaxfs/core/tests/common/pm.rs"]
pub mod pm;
#[path = "../../../../../fs/rdaxfs/core/tests/common/rng.rs"]
pub mod rng;
#[path = "../../../../../fs/rdaxfs/core/tests/common/script.rs"]
pub mod script;
#[path = "../../../../../fs/rdaxfs/core/tests/common/tree.rs"]
pub mod tree;
