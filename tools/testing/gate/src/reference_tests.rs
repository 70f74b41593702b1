// SPDX-License-Identifier: GPL-2.0

//! Random histories, against the rules said in another way.

use crate::{
    plain_env::{
        huge_access,
        PlainEnv, //
    },
    protocol::{
        self,
        ClosedRange, //
    },
    range::PageRange,
    state::Passage, //
};
use proptest::prelude::*;
use std::collections::HashMap;

/// A ticket: the faults that were made with it.
#[derive(Clone, Debug)]
struct Ticket {
    from: u64,
    faults: Vec<(u64, u64)>,
}

impl Ticket {
    /// Ascending; and a page that is faulted again, or the next one, has been unmapped once at most.
    fn fits(&self, pos: u64, round: u64) -> bool {
        let ascending = self.faults.iter().all(|&(earlier, _)| earlier <= pos);
        let mut rounds: Vec<u64> = self
            .faults
            .iter()
            .filter_map(|&(earlier, round)| (earlier == pos).then_some(round))
            .chain([round])
            .collect();
        rounds.dedup();
        let soon = self
            .faults
            .last()
            .is_none_or(|&(_, last)| round <= last + 1);
        pos >= self.from && ascending && rounds.len() <= 2 && soon
    }
}

#[derive(Debug)]
struct Drain {
    pages: Vec<bool>,
    round: u64,
    now: u64,
    /// The last tickets went to tasks that seemed to be halfway, and there was no progress since.
    favoured: bool,
    visitors: HashMap<usize, Option<Ticket>>,
    waiting_at: HashMap<usize, u64>,
}

const PAGES: u64 = 24;

#[derive(Clone, Debug)]
enum Step {
    Close(u64, u64),
    Open(usize),
    Round(usize),
    /// With pages held that have a bit set.
    Grant(usize, u32),
    Progress(usize),
    Wait(usize, u64, u32),
    Fault(usize, u64, u32, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let access = || (0usize..3, 0..PAGES, 0u32..3);
    prop_oneof![
        2 => (0..PAGES, 1u64..8).prop_map(|(first, len)| Step::Close(first, len)),
        1 => any::<usize>().prop_map(Step::Open),
        4 => any::<usize>().prop_map(Step::Round),
        4 => any::<(usize, u32)>().prop_map(|(drain, held)| Step::Grant(drain, held)),
        1 => any::<usize>().prop_map(Step::Progress),
        8 => access().prop_map(|(task, pos, order)| Step::Wait(task, pos, order)),
        16 => (access(), any::<bool>())
            .prop_map(|((task, pos, order), maps)| Step::Fault(task, pos, order, maps)),
    ]
}

#[derive(Default)]
struct Reference(Vec<Drain>);

impl Reference {
    fn touches(drain: &Drain, pos: u64, order: u32) -> bool {
        let first = pos >> order << order;
        (first..first + (1 << order)).any(|page| drain.pages.get(page as usize) == Some(&true))
    }

    /// Takes away tickets that do not fit; which drains keep the access out, and whether any is
    /// touched.
    fn obstacles(&mut self, task: usize, pos: u64, order: u32) -> (Vec<usize>, bool) {
        let (mut obstacles, mut touched) = (Vec::new(), false);
        for (i, drain) in self.0.iter_mut().enumerate() {
            if !Self::touches(drain, pos, order) {
                continue;
            }
            touched = true;
            let round = drain.round;
            match drain.visitors.get(&task) {
                Some(Some(ticket)) if ticket.fits(pos, round) => continue,
                Some(Some(_)) => drop(drain.visitors.remove(&task)),
                _ => {}
            }
            obstacles.push(i);
        }
        (obstacles, touched)
    }

    fn fault(&mut self, task: usize, pos: u64, order: u32, maps: bool) -> Passage {
        let (obstacles, touched) = self.obstacles(task, pos, order);
        if !obstacles.is_empty() {
            return Passage::Closed;
        }
        if !touched {
            return Passage::Open;
        }
        for drain in self
            .0
            .iter_mut()
            .filter(|drain| Self::touches(drain, pos, order))
        {
            if let (true, Some(Some(ticket))) = (maps, drain.visitors.get_mut(&task)) {
                ticket.faults.push((pos, drain.round));
            }
        }
        Passage::Admitted
    }

    /// The task goes to sleep at the oldest drain that keeps it out.
    fn wait(&mut self, task: usize, pos: u64, order: u32) {
        let (obstacles, _) = self.obstacles(task, pos, order);
        if let Some(drain) = obstacles.first().and_then(|&i| self.0.get_mut(i)) {
            drain.visitors.insert(task, None);
            drain.waiting_at.insert(task, pos);
        }
    }

    /// Everybody that waits gets a ticket, but when some are halfway every other time, and
    /// after progress, only these.
    fn grant(drain: &mut Drain, held: u32) -> usize {
        drain.now += 1 << 20;
        let is_halfway = |pos: u64| {
            pos.checked_sub(1).is_some_and(|before| {
                drain.pages.get(before as usize) == Some(&true) && held >> before & 1 == 1
            })
        };
        let waiting = drain.visitors.iter().filter(|(_, ticket)| ticket.is_none());
        let waiting: Vec<usize> = waiting.map(|(&task, _)| task).collect();
        let halfway: Vec<usize> = waiting
            .iter()
            .copied()
            .filter(|task| is_halfway(drain.waiting_at[task]))
            .collect();
        let favour = !drain.favoured && !halfway.is_empty();
        let chosen = if favour { halfway } else { waiting };
        if !chosen.is_empty() {
            drain.favoured = favour;
        }
        for task in &chosen {
            let ticket = Ticket {
                from: drain.waiting_at[task],
                faults: Vec::new(),
            };
            drain.visitors.insert(*task, Some(ticket));
        }
        chosen.len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_gate_agrees(steps in prop::collection::vec(step(), 0..120)) {
        let gate = PlainEnv::new();
        let mut reference = Reference::default();
        let mut closed: Vec<ClosedRange<PlainEnv, &PlainEnv>> = Vec::new();
        for step in steps {
            match step {
                Step::Close(first, len) => {
                    let range = PageRange::new(first, first + len).unwrap();
                    closed.push(protocol::close(&gate, range, 0).unwrap());
                    reference.0.push(Drain {
                        pages: (0..PAGES + 8).map(|p| p >= first && p < first + len).collect(),
                        round: 0,
                        now: 0,
                        favoured: false,
                        visitors: HashMap::new(),
                        waiting_at: HashMap::new(),
                    });
                }
                Step::Open(i) | Step::Round(i) | Step::Grant(i, _) | Step::Progress(i)
                    if !closed.is_empty() =>
                {
                    let i = i % closed.len();
                    match step {
                        Step::Open(_) => {
                            drop(closed.remove(i));
                            reference.0.remove(i);
                        }
                        Step::Round(_) => {
                            closed[i].begin_round();
                            reference.0[i].round += 1;
                        }
                        Step::Progress(_) => {
                            closed[i].progress(reference.0[i].now);
                            reference.0[i].favoured = false;
                        }
                        Step::Grant(_, held) => {
                            let tickets = Reference::grant(&mut reference.0[i], held);
                            let held = |page: u64| held >> page & 1 == 1;
                            let grant = closed[i].no_progress(reference.0[i].now, held);
                            prop_assert_eq!(grant.tickets, tickets);
                        }
                        _ => unreachable!(),
                    }
                }
                Step::Open(_) | Step::Round(_) | Step::Grant(..) | Step::Progress(_) => {}
                Step::Wait(task, pos, order) => {
                    protocol::wait_access(&gate, &huge_access(task, pos, order)).unwrap();
                    reference.wait(task, pos, order);
                }
                Step::Fault(task, pos, order, maps) => {
                    let access = huge_access(task, pos, order);
                    let expected = reference.fault(task, pos, order, maps);
                    prop_assert_eq!(
                        if maps {
                            protocol::recheck(&gate, &access)
                        } else {
                            protocol::enter(&gate, &access)
                        },
                        expected
                    );
                }
            }
            prop_assert_eq!(gate.drains().len(), reference.0.len());
        }
        drop(closed);
        prop_assert_eq!(protocol::enter(&gate, &huge_access(0, 0, 9)), Passage::Open);
    }

    #[test]
    fn ranges_of_bytes_touch_what_they_should(start in 0u64..40_000, len in 0u64..40_000) {
        let range = PageRange::of_bytes(start, start + len);
        for page in 0..24 {
            let (first, end) = (page * 4096, (page + 1) * 4096);
            let touched = (first..end).any(|byte| byte >= start && byte < start + len);
            let overlaps = range.is_some_and(|range| range.overlaps(&PageRange::page(page)));
            prop_assert_eq!(touched, overlaps);
        }
    }

    #[test]
    fn ranges_never_overflow(a: u64, b: u64, pgoff: u64, order: u32) {
        let aligned = PageRange::aligned(pgoff, order);
        prop_assert!(aligned.first() < aligned.end());
        prop_assert!(PageRange::ALL.overlaps(&PageRange::page(pgoff)));
        prop_assert!(aligned.overlaps(&PageRange::page(pgoff.min(u64::MAX - 1))));
        if let Some(range) = PageRange::of_bytes(a, b) {
            prop_assert!(range.first() < range.end());
            prop_assert!(range.overlaps(&PageRange::page(a / 4096)));
        }
    }
}
