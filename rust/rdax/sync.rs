// SPDX-License-Identifier: GPL-2.0

//! Locks and waiting that the kernel crate lacks.

pub mod nofs;
pub mod rwsem;
pub mod timer;
pub mod wait_var;

pub use self::{
    nofs::NoFs,
    rwsem::RwSem,
    timer::Timer, //
};
