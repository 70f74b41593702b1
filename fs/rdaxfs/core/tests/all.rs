// SPDX-License-Identifier: GPL-2.0

//! All tests of the core as one program: what they share is compiled once.

mod common;

mod atomic;
mod crash;
mod damaged;
mod facts;
mod faults;
mod full;
mod fuzz;
mod model;
mod mutants;
mod names;
mod poison;
mod scale;
mod smoke;
mod smp;
