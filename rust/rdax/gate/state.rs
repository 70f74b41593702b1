// SPDX-License-Identifier: GPL-2.0

//! What the gate's spinlock protects: closed ranges with their visitors, and pins.

use super::{
    chain::{
        Chain,
        Node, //
    },
    env::{
        Caller,
        Env,
        Notify, //
    },
    patience::{
        Patience,
        Turn, //
    },
    range::PageRange,
    ticket::{
        Fits,
        Sweep,
        TaskId,
        Visitor, //
    }, //
};

/// A fault, or another access that a drain keeps out.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Who.
    pub task: TaskId,
    /// The page offset that it needs.
    pub pos: u64,
    /// What it may map: a huge page has more pages than that.
    pub range: PageRange,
}

/// What the gate says to an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a closed gate keeps the access out"]
pub enum Passage {
    /// Nothing drains there.
    Open,
    /// A drain is at it, but has given this task a ticket.
    Admitted,
    /// Not now.
    Closed,
}

/// What can be seen of a drain.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// What it drains.
    pub range: PageRange,
    /// How often it has unmapped the range.
    pub rounds: u64,
    /// How many tasks wait at it.
    pub waiting: usize,
    /// How many tasks have a ticket.
    pub admitted: usize,
}

/// What can be seen of a task at a closed range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Who, since when.
    pub caller: Caller,
    /// The page offset that it needs.
    pub pos: u64,
    /// Whether it has a ticket, and so does not wait any more.
    pub admitted: bool,
}

/// What can be seen of a registered pin that a drain waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who pinned, and when.
    pub caller: Caller,
    /// What is pinned.
    pub range: PageRange,
}

/// A range that is being drained.
pub(super) struct Closed<E: Env> {
    pub(super) id: u64,
    pub(super) range: PageRange,
    round: u64,
    notified: bool,
    patience: Patience,
    visitors: Chain<E, Visitor>,
}

impl<E: Env> Closed<E> {
    pub(super) fn new(range: PageRange, now: u64) -> Self {
        Self {
            id: 0,
            range,
            round: 0,
            notified: false,
            patience: Patience::new(now),
            visitors: Chain::new(),
        }
    }

    fn sweep_of(&mut self, task: TaskId) -> Option<&mut Sweep> {
        self.visitors
            .find_mut(|visitor| visitor.task == task && visitor.sweep.is_some())
            .and_then(|visitor| visitor.sweep.as_mut())
    }

    /// Whether the access has a ticket. One that it shows to be used up is taken away.
    fn admits(&mut self, access: &Access) -> bool {
        let round = self.round;
        match self.sweep_of(access.task) {
            None => false,
            Some(sweep) if sweep.fits(access.pos, round) == Fits::Yes => true,
            Some(_) => {
                self.forget(access.task);
                false
            }
        }
    }

    fn advance(&mut self, access: &Access) {
        let round = self.round;
        if let Some(sweep) = self.sweep_of(access.task) {
            sweep.advance(access.pos, round);
        }
    }

    pub(super) fn arrive(&mut self, visitor: Node<E, Visitor>) {
        self.visitors.push(visitor);
    }

    /// Whether the task neither waits nor has a ticket any more, or has one.
    pub(super) fn lets_go_on(&mut self, task: TaskId) -> bool {
        self.sweep_of(task).is_some()
    }

    /// Takes away the ticket of a task, or its place among those that wait.
    pub(super) fn forget(&mut self, task: TaskId) {
        while self
            .visitors
            .remove(|visitor| visitor.task == task)
            .is_some()
        {}
    }

    /// A task has woken up.
    pub(super) fn woke(&mut self, task: TaskId) {
        let round = self.round;
        if let Some(sweep) = self.sweep_of(task) {
            sweep.woke(round);
        }
    }

    pub(super) fn begin_round(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    pub(super) fn progress(&mut self, now: u64) {
        self.patience.progress(now);
    }

    /// Gives tickets to those that wait and for which `f` holds. Returns how many.
    fn grant(&mut self, f: impl Fn(&Visitor) -> bool) -> usize {
        let mut granted = 0usize;
        self.visitors.for_each_mut(|visitor| {
            if visitor.sweep.is_none() && f(visitor) {
                visitor.sweep = Some(Sweep::new(visitor.pos));
                granted = granted.saturating_add(1);
            }
        });
        granted
    }

    /// Gives tickets to those that wait for a page of the range when the one before it is held: they
    /// may be who holds it. Returns how many.
    fn grant_halfway(&mut self, held: impl Fn(u64) -> bool) -> usize {
        let pages = self.range.first()..self.range.end();
        self.grant(|visitor| {
            let before = visitor.pos.checked_sub(1);
            before.is_some_and(|page| pages.contains(&page) && held(page))
        })
    }

    /// If the drain is young, gives tickets to those halfway. Returns how many, and how many
    /// milliseconds are left until patience is over.
    pub(super) fn admit_halfway(&mut self, now: u64, held: impl Fn(u64) -> bool) -> (usize, u64) {
        let mut granted = 0usize;
        if self.patience.is_young(now) {
            granted = self.grant_halfway(held);
        }
        if granted > 0 {
            self.patience.restart(now);
        }
        (granted, self.patience.left(now))
    }

    /// If patience is over, gives tickets to those halfway, or, if there are none or it was their
    /// turn the last time, to all that wait. Returns how many, and how many milliseconds are left
    /// until it is over next.
    pub(super) fn no_progress(&mut self, now: u64, held: impl Fn(u64) -> bool) -> (usize, u64) {
        let mut granted = 0usize;
        if self.patience.is_over(now) {
            let mut turn = self.patience.turn();
            if turn == Turn::Halfway {
                granted = self.grant_halfway(held);
            }
            if granted == 0 {
                turn = Turn::Everybody;
                granted = self.grant(|_| true);
            }
            if granted == 0 {
                self.patience.restart(now);
            } else {
                self.patience.granted(turn, now);
            }
        }
        (granted, self.patience.left(now))
    }

    fn look(&self) -> Drain {
        let admitted = self.visitors.iter().filter(|v| v.sweep.is_some()).count();
        Drain {
            range: self.range,
            rounds: self.round,
            waiting: self.visitors.iter().count().saturating_sub(admitted),
            admitted,
        }
    }
}

/// A pin of a file range, registered.
pub(super) struct Pin<E: Env> {
    pub(super) id: u64,
    holder: Holder,
    notifier: Option<E::Notifier>,
}

impl<E: Env> Pin<E> {
    pub(super) fn new(range: PageRange, notifier: Option<E::Notifier>) -> Self {
        let caller = E::caller();
        Self {
            id: 0,
            holder: Holder { caller, range },
            notifier,
        }
    }
}

/// The state of a gate.
pub(super) struct State<E: Env> {
    closed: Chain<E, Closed<E>>,
    pins: Chain<E, Pin<E>>,
    last_id: u64,
}

impl<E: Env> State<E> {
    /// Nothing drains, nothing is pinned.
    pub(super) const fn new() -> Self {
        Self {
            closed: Chain::new(),
            pins: Chain::new(),
            last_id: 0,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// How many ranges are closed.
    pub(super) fn nr_closed(&self) -> usize {
        self.closed.iter().count()
    }

    pub(super) fn is_closed(&self, range: &PageRange) -> bool {
        self.closed
            .iter()
            .any(|closed| closed.range.overlaps(range))
    }

    pub(super) fn close(&mut self, mut closed: Node<E, Closed<E>>) -> u64 {
        let id = self.next_id();
        closed.value_mut().id = id;
        self.closed.push(closed);
        id
    }

    pub(super) fn open(&mut self, id: u64) -> Option<Node<E, Closed<E>>> {
        self.closed.remove(|closed| closed.id == id)
    }

    pub(super) fn closed(&mut self, id: u64) -> Option<&mut Closed<E>> {
        self.closed.find_mut(|closed| closed.id == id)
    }

    /// The first range that keeps the access out.
    pub(super) fn obstacle(&mut self, access: &Access) -> Option<&mut Closed<E>> {
        let mut id = None;
        self.closed.for_each_mut(|closed| {
            if closed.range.overlaps(&access.range) && !closed.admits(access) {
                id = Some(closed.id);
            }
        });
        self.closed(id?)
    }

    /// What the gate says to an access.
    pub(super) fn passage(&mut self, access: &Access) -> Passage {
        if !self.is_closed(&access.range) {
            Passage::Open
        } else if self.obstacle(access).is_some() {
            Passage::Closed
        } else {
            Passage::Admitted
        }
    }

    /// The sweeps of the task go on to this access, which is admitted.
    pub(super) fn advance(&mut self, access: &Access) {
        self.closed.for_each_mut(|closed| {
            if closed.range.overlaps(&access.range) {
                closed.advance(access);
            }
        });
    }

    pub(super) fn pin(&mut self, mut pin: Node<E, Pin<E>>) -> u64 {
        let id = self.next_id();
        pin.value_mut().id = id;
        self.pins.push(pin);
        id
    }

    /// Removes a pin. Also says whether a drain wants its range.
    pub(super) fn unpin(&mut self, id: u64) -> (Option<Node<E, Pin<E>>>, bool) {
        let mut pin = self.pins.remove(|pin| pin.id == id);
        let wanted = pin
            .as_mut()
            .is_some_and(|pin| self.is_closed(&pin.value_mut().holder.range));
        (pin, wanted)
    }

    pub(super) fn nr_pins(&self, range: &PageRange) -> usize {
        self.pins
            .iter()
            .filter(|pin| pin.holder.range.overlaps(range))
            .count()
    }

    /// Tells the holders of pins in a closed range, unless they have been told.
    pub(super) fn notify(&mut self, id: u64) -> usize {
        let Some(closed) = self.closed(id) else {
            return 0;
        };
        let (range, notified) = (closed.range, closed.notified);
        closed.notified = true;
        if notified {
            return 0;
        }
        let pins = self.pins.iter();
        let overlapping = pins.filter(|pin| pin.holder.range.overlaps(&range));
        let notifiers = overlapping.filter_map(|pin| pin.notifier.as_ref());
        notifiers.map(Notify::wanted).count()
    }

    /// Shows each drain to `f`.
    pub(super) fn for_each_drain(&self, f: impl FnMut(Drain)) {
        self.closed.iter().map(Closed::look).for_each(f);
    }

    /// Shows each pin that a drain waits for to `f`.
    pub(super) fn for_each_holder(&self, f: impl FnMut(Holder)) {
        let holders = self.pins.iter().map(|pin| pin.holder);
        holders
            .filter(|holder| self.is_closed(&holder.range))
            .for_each(f);
    }

    /// Shows each task that waits at a drain, or has a ticket of one, to `f`.
    pub(super) fn for_each_waiter(&self, mut f: impl FnMut(Waiter)) {
        for visitor in self.closed.iter().flat_map(|closed| closed.visitors.iter()) {
            f(Waiter {
                caller: visitor.caller,
                pos: visitor.pos,
                admitted: visitor.sweep.is_some(),
            });
        }
    }
}

impl<E: Env> Default for State<E> {
    fn default() -> Self {
        Self::new()
    }
}
