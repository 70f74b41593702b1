// SPDX-License-Identifier: GPL-2.0

//! Host tests of the gate.

#![forbid(unsafe_code)]
#![allow(dead_code)]

#[path = "../../../../rust/rdax/gate/chain.rs"]
mod chain;
#[path = "../../../../rust/rdax/gate/env.rs"]
mod env;
#[path = "../../../../rust/rdax/gate/patience.rs"]
mod patience;
#[path = "../../../../rust/rdax/gate/protocol.rs"]
mod protocol;
#[path = "../../../../rust/rdax/gate/range.rs"]
mod range;
#[path = "../../../../rust/rdax/gate/state.rs"]
mod state;
#[path = "../../../../rust/rdax/gate/ticket.rs"]
mod ticket;

#[cfg(test)]
mod loom_env;
#[cfg(test)]
mod models;
#[cfg(test)]
mod patience_tests;
#[cfg(test)]
mod plain_env;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod rule_tests;
