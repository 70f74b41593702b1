// SPDX-License-Identifier: GPL-2.0

//! How points delay.

use super::Point;
use crate::random::random_u64;
use kernel::{
    debugfs::Scope,
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        delay::{
            fsleep,
            udelay, //
        },
        Delta, //
    }, //
};

/// The longest delay, in microseconds.
const MAX_US: u32 = 1_000_000;
/// The longest one where a task must not sleep, in microseconds.
const MAX_SPIN_US: u32 = 20;

/// How long a point delays at most, in microseconds.
static DELAY_US: Atomic<u32> = Atomic::new(0);
/// How often each point has delayed.
static DELAYS: [Atomic<u64>; Point::ALL.len()] = [const { Atomic::new(0) }; Point::ALL.len()];

/// How long to delay now, at most `max` microseconds; `None` for not at all.
fn some_time(point: Point, max: u32) -> Option<Delta> {
    let max = max.min(DELAY_US.load(Relaxed));
    if max == 0 {
        return None;
    }
    if let Some(delays) = DELAYS.get(point as usize) {
        delays.fetch_add(1, Relaxed);
    }
    let micros = random_u64() % (u64::from(max) + 1);
    Some(Delta::from_micros(micros as i64))
}

/// Delays the current task.
///
/// Context: process context, may sleep; not in a task state to wait in.
#[inline(never)]
pub fn point(point: Point) {
    if let Some(time) = some_time(point, MAX_US) {
        fsleep(time);
    }
}

/// The same in the helpers.
#[no_mangle]
extern "C" fn rdax_delay_emptied() {
    point(Point::Emptied);
}

#[no_mangle]
extern "C" fn rdax_delay_unsettled() {
    point(Point::Unsettled);
}

#[no_mangle]
extern "C" fn rdax_delay_watched() {
    point(Point::Watched);
}

/// Any context.
#[no_mangle]
extern "C" fn rdax_delay_counted() {
    if let Some(time) = some_time(Point::Counted, MAX_SPIN_US) {
        udelay(time);
    }
}

fn show_delays(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for ((_, name), delays) in Point::ALL.iter().zip(&DELAYS) {
        writeln!(f, "{} {}", name, delays.load(Relaxed))?;
    }
    Ok(())
}

/// The files in debugfs. Dropping it removes them.
pub(crate) struct Files {
    _scope: Pin<KBox<Scope<()>>>,
}

impl Files {
    /// Creates them.
    pub(crate) fn new() -> Result<Self> {
        let _scope = KBox::pin_init(
            Scope::dir((), c"rdax", |(), dir| {
                dir.read_write_file(c"delay_us", &DELAY_US);
                dir.read_callback_file(c"delays", &DELAYS, &|_: &[_; Point::ALL.len()], f| {
                    show_delays(f)
                });
            }),
            GFP_KERNEL,
        )?;
        Ok(Self { _scope })
    }
}
