// SPDX-License-Identifier: GPL-2.0

//! Delays at random between the steps of drains, faults and pins, so that tests meet what happens
//! rarely.
//!
//! With debug assertions, `/sys/kernel/debug/rdax/delay_us` says how long each [`Point`] delays at
//! most: at random, in microseconds, 0 for not at all. Points that must not sleep spin, for
//! 20 microseconds at most. `delays` beside it counts the delays of each. Without debug assertions a
//! point is no code.

#[cfg(debug_assertions)]
mod random;

#[cfg(debug_assertions)]
pub use self::random::point;

#[cfg(debug_assertions)]
pub(crate) use self::random::Files;

/// Defines [`Point`] with the names that users see.
macro_rules! points {
    ($($(#[$doc:meta])* $point:ident: $name:literal,)*) => {
        /// A step that can be delayed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])* $point,)*
        }

        #[cfg(debug_assertions)]
        impl Point {
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$point, $name),)*];
        }
    };
}

points! {
    /// A drain has closed the gate, and is going to unmap.
    Closed: "closed",
    /// A drain has unmapped, and is going to look for held pages.
    Unmapped: "unmapped",
    /// A drain has given `invalidate_lock` back to wait.
    Unlocked: "unlocked",
    /// A drain is going to take `invalidate_lock` again.
    Relock: "relock",
    /// A drain has `invalidate_lock` again.
    Relocked: "relocked",
    /// A drain is going to take entries out.
    TakeOut: "take_out",
    /// A drain has taken entries out, and the blocks are to change.
    TakenOut: "taken_out",
    /// An inode is evicted: its entries are to be taken out.
    Evict: "evict",
    /// Entries of held pages have been made empty, and are to be deleted.
    Emptied: "emptied",
    /// The references of a folio have been read, and its mappings are to be. Spins.
    Counted: "counted",
    /// A fault was let through the gate, and is going to take `invalidate_lock`.
    Entered: "entered",
    /// A fault was let through under `invalidate_lock`, and is going to map.
    Rechecked: "rechecked",
    /// A fault has returned a locked page, which is going to be mapped.
    Lent: "lent",
    /// A fault is going to enter a page of an orphan.
    Adopt: "adopt",
    /// An orphan was found held, and is to be entered or pinned.
    Unsettled: "unsettled",
    /// A pin of memory has its references, and is going to look at the gate.
    Referenced: "referenced",
    /// A pin of a file range is registered, and is going to take references.
    Registered: "registered",
    /// A pin is going to put its references.
    Put: "put",
    /// Somebody is going to look whether blocks are idle.
    IdleRun: "idle_run",
    /// Blocks were found idle, or not, and are to be taken, or not.
    IdleRan: "idle_ran",
    /// A worker is going to sweep the busy blocks.
    Sweep: "sweep",
    /// A worker waits in the queue of a page, and is going to look whether it is idle.
    Watched: "watched",
    /// A worker has torn a device down, and is going to release the driver's module.
    TornDown: "torn_down",
}

/// Delays nobody.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_point: Point) {}
