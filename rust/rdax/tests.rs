// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what needs a kernel but no device.

use crate::{
    badblocks::{
        BadBlocks,
        BadRange, //
    },
    block::Limits,
    gate::{
        Gate,
        Notifier,
        Notify,
        PageRange,
        Passage,
        Waited, //
    },
    memremap::{
        layout,
        MemRegion,
        PhysRange, //
    },
    stat::{
        Counter,
        Histogram, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc,
    time::Delta, //
};

#[kunit_tests(rdax)]
mod suite {
    use super::*;

    fn bad(sector: u64, len: u64) -> BadRange {
        BadRange { sector, len }
    }

    #[test]
    fn badblocks_find_set_clear() -> Result {
        let list = KBox::pin_init(BadBlocks::new(), GFP_KERNEL)?;
        let list: &BadBlocks = &list;
        assert!(list.is_empty());
        list.set(bad(100, 8))?;
        assert!(!list.is_empty());
        assert_eq!(list.first_in(0, 100), None);
        assert_eq!(list.first_in(96, 8), Some(bad(100, 8)));
        // Clearing the middle splits the run.
        list.clear(bad(102, 2))?;
        assert_eq!(list.first_in(102, 2), None);
        assert_eq!(list.first_in(102, 4), Some(bad(104, 4)));
        list.clear(bad(0, 200))?;
        assert!(list.is_empty());
        Ok(())
    }

    #[test]
    fn badblocks_report_a_full_list() -> Result {
        let list = KBox::pin_init(BadBlocks::new(), GFP_KERNEL)?;
        let list: &BadBlocks = &list;
        let full = (0..10_000).find(|i| list.set(bad(i * 2, 1)).is_err());
        assert!(full.is_some());
        Ok(())
    }

    #[test]
    fn counters_add_up() {
        let counter = Counter::new();
        for i in 0..100 {
            counter.add(i);
        }
        assert_eq!(counter.sum(), 4950);
    }

    #[test]
    fn histograms_have_powers_of_two() -> Result {
        let times = Histogram::new();
        for nanos in [i64::MIN, -1, 0, 999, 1000, 1999, 2000, 3999, 4000, i64::MAX] {
            times.add(Delta::from_nanos(nanos));
        }
        let counts = times.counts();
        assert_eq!(counts.get(..4), Some([4u64, 2, 2, 1].as_slice()));
        assert_eq!(counts.last(), Some(&1));
        let shown = CString::try_from_fmt(fmt!("{times}"))?;
        assert_eq!(shown.to_bytes(), b"1 4\n2 2\n4 2\n8 1\ninf 1\n");
        Ok(())
    }

    #[test]
    fn limits_refuse_odd_blocks() {
        for size in [0, 256, 513, 8192] {
            assert!(Limits::new().logical_block_size(size).is_err());
        }
        assert!(Limits::new().logical_block_size(4096).is_ok());
    }

    #[test]
    fn regions_refuse_what_is_not_theirs() -> Result {
        let request = |start, len| {
            let name = CString::try_from_fmt(fmt!("rdax-kunit"))?;
            MemRegion::request(PhysRange { start, len }, name)
        };
        assert!(request(0, 0).is_err());
        assert!(request(u64::MAX - 4095, 8192).is_err());
        // The first megabytes of a PC are RAM.
        assert!(request(16 << 20, 4096).is_err());
        // Far above all RAM, yet within 40 bits of physical address, nobody has a claim; and a
        // claim excludes the next.
        let far = 1 << 38;
        let claim = request(far, 4096)?;
        assert_eq!(claim.range().start, far);
        assert!(request(far, 4096).is_err());
        drop(claim);
        request(far, 4096)?;
        Ok(())
    }

    #[test]
    fn gate_keeps_faults_and_pins_out() -> Result {
        let gate = KBox::pin_init(Gate::new(), GFP_KERNEL)?;
        let gate: &Gate = &gate;
        let access = Gate::access(5, PageRange::page(5));
        assert_eq!(gate.enter(&access), Passage::Open);
        let closed = Gate::close(gate, PageRange::aligned(5, 2))?;
        assert_eq!(gate.enter(&access), Passage::Closed);
        assert_eq!(gate.recheck(&access), Passage::Closed);
        assert!(gate.closed_after_pin(PageRange::page(7)));
        assert!(!gate.closed_after_pin(PageRange::page(8)));
        let refused = Gate::register(gate, PageRange::ALL, None).map(drop);
        assert_eq!(refused, Err(EBUSY));
        // Nobody waits, so nobody gets a ticket.
        assert_eq!(closed.no_progress(|_| false).tickets, 0);
        drop(closed);
        assert_eq!(gate.recheck(&access), Passage::Open);
        gate.wait_access(&access)?;
        gate.wait_open(PageRange::ALL)?;
        Ok(())
    }

    struct Told(Counter);

    impl Notify for Told {
        fn wanted(&self) {
            self.0.add(1);
        }
    }

    #[test]
    fn gate_waits_for_registered_pins() -> Result {
        let gate = KBox::pin_init(Gate::new(), GFP_KERNEL)?;
        let gate: &Gate = &gate;
        let told = Arc::new(Told(Counter::new()), GFP_KERNEL)?;
        let notifier: Notifier = told.clone();
        let pin = Gate::register(gate, PageRange::page(5), Some(notifier))?;
        let closed = Gate::close(gate, PageRange::ALL)?;
        assert_eq!((closed.pins(), closed.notify_pins()), (1, 1));
        assert_eq!((closed.notify_pins(), told.0.sum()), (0, 1));
        assert_eq!(closed.wait_pins(Some(20)), Ok(Waited::TimedOut));
        drop(pin);
        assert_eq!(closed.wait_pins(None), Ok(Waited::Done));
        Ok(())
    }

    #[test]
    fn layout_spans_ranges() {
        let ranges = [
            PhysRange {
                start: 8 << 20,
                len: 2 << 20,
            },
            PhysRange {
                start: 2 << 20,
                len: 4 << 20,
            },
        ];
        assert_eq!(layout::total_pages(&ranges), 1536);
        assert_eq!(layout::locate(&ranges, 511), Some((2048 + 511, 1)));
        assert_eq!(layout::locate(&ranges, 512), Some((512, 1024)));
        assert_eq!(layout::page_of(&ranges, 512), Some(512));
        assert_eq!(layout::locate(&ranges, 1536), None);
    }
}
