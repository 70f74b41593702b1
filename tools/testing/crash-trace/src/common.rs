// SPDX-License-Identifier: GPL-2.0

//! Shares with the tests of the core: memory that can go back, what a power cut can leave of stores
//! that are not durable, and all that a user can see of a volume.

#![allow(dead_code, unreachable_pub)]

#[path = "../../../../fs/rdaxfs/core/tests/common/pm.rs"]
pub mod pm;
#[path = "../../../../fs/rdaxfs/core/tests/common/rng.rs"]
pub mod rng;
#[path = "../../../../fs/rdaxfs/core/tests/common/states.rs"]
pub mod states;
#[path = "../../../../fs/rdaxfs/core/tests/common/tree.rs"]
pub mod tree;
