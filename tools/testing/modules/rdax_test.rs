// SPDX-License-Identifier: GPL-2.0

//! Tests of the crate that need memory: page maps of several ranges, checked access, persistence,
//! claims, and what a leaf can get wrong without `unsafe`. Runs them when it is loaded, over a
//! reserved range of RAM whose content is lost, and writes KTAP to the kernel log; loading fails if
//! a test does. As long as it is loaded there is a disk `rdax_test0`.
//!
//! ```text
//! insmod rdax_test.ko start=0x100000000 size=0x10000000
//! ```

use kernel::{
    faux,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use rdax::{
    block::{
        self,
        Bio,
        BioDisk,
        Limits,
        Live,
        Op, //
    },
    dax::{
        self,
        AccessMode,
        Properties, //
    },
    memremap::{
        alignment,
        FailureHandler,
        FailureRegistration,
        MapOwner,
        MemRegion,
        PageMap,
        Pages,
        PhysRange,
        PAGE_SIZE, //
    },
    nd::Region, //
};

module! {
    type: Tests,
    name: "rdax_test",
    authors: ["The rdax authors"],
    description: "Tests of the rdax crate over reserved RAM",
    license: "GPL",
    params: {
        start: u64 {
            default: 0,
            description: "Physical start of the reserved range, in bytes",
        },
        size: u64 {
            default: 0,
            description: "Its size in bytes, at least 16 MiB",
        },
    },
}

const MIB: u64 = 1 << 20;

fn claim(start: u64, len: u64) -> Result<MemRegion> {
    let name = CString::try_from_fmt(fmt!("rdax_test"))?;
    MemRegion::request(PhysRange { start, len }, name)
}

fn map(ranges: &[(u64, u64)]) -> Result<PageMap> {
    let base = module_parameters::start.value();
    let mut regions = KVec::new();
    for &(offset, len) in ranges {
        let start = base.checked_add(offset).ok_or(EINVAL)?;
        regions.push(claim(start, len)?, GFP_KERNEL)?;
    }
    PageMap::new(CString::try_from_fmt(fmt!("rdax_test"))?, regions, -1)
}

/// 4 MiB, a gap of 2 MiB, 6 MiB; the second range first.
fn two_ranges() -> Result<PageMap> {
    map(&[(6 * MIB, 6 * MIB), (0, 4 * MIB)])
}

fn check(condition: bool) -> Result {
    condition.then_some(()).ok_or(EINVAL)
}

fn several_ranges_are_one() -> Result {
    let map = two_ranges()?;
    check(map.nr_pages() == 10 * MIB / PAGE_SIZE)?;
    check(map.ranges().len() == 2)?;
    let mut out = [0u8; 8];
    for page in 0..map.nr_pages() {
        map.store_nt(page * PAGE_SIZE, &page.to_le_bytes())?.fence();
    }
    for page in 0..map.nr_pages() {
        map.read(page * PAGE_SIZE, &mut out)?;
        check(u64::from_le_bytes(out) == page)?;
    }
    Ok(())
}

fn access_is_checked() -> Result {
    let map = two_ranges()?;
    let end = map.nr_pages() * PAGE_SIZE;
    let mut out = [0u8; 16];
    map.read(end - 16, &mut out)?;
    check(map.read(end - 15, &mut out).is_err())?;
    check(map.read(end, &mut out).is_err())?;
    check(map.read(u64::MAX, &mut out).is_err())?;
    // No copy runs from one range into what lies behind it.
    check(map.read(6 * MIB - 8, &mut out).is_err())?;
    check(map.store_nt(6 * MIB - 8, &out).is_err())?;
    check(map.write_back(0, 7 * MIB).is_err())?;
    check(map.zero(end - PAGE_SIZE, 2 * PAGE_SIZE).is_err())
}

fn zeroes_span_ranges() -> Result {
    let map = two_ranges()?;
    let mut out = [0u8; 64];
    for offset in [6 * MIB - 128, 6 * MIB - 64, 6 * MIB, 6 * MIB + 64] {
        map.store_nt(offset, &[0xff; 64])?.fence();
    }
    map.zero(6 * MIB - 64, 128)?.fence();
    for (offset, byte) in [
        (6 * MIB - 128, 0xff),
        (6 * MIB - 64, 0),
        (6 * MIB, 0),
        (6 * MIB + 64, 0xff),
    ] {
        map.read(offset, &mut out)?;
        check(out == [byte; 64])?;
    }
    Ok(())
}

fn stores_become_clean() -> Result {
    let map = two_ranges()?;
    let mut out = [0u8; 5];
    let stored = map.store(3, b"dirty")?;
    let stored = stored.write_back()?;
    stored.fence();
    map.read(3, &mut out)?;
    check(&out == b"dirty")
}

fn claims_exclude() -> Result {
    let first = two_ranges()?;
    check(two_ranges().is_err_and(|err| err == EBUSY))?;
    drop(first);
    two_ranges().map(drop)
}

fn misalignment_is_refused() -> Result {
    let odd = alignment() / 2;
    check(map(&[(odd, 2 * MIB)]).is_err_and(|err| err == EOPNOTSUPP))?;
    check(map(&[(0, 2 * MIB + odd)]).is_err_and(|err| err == EOPNOTSUPP))?;
    check(map(&[]).is_err_and(|err| err == EINVAL))?;
    // Whatever was claimed before the error is free again.
    check(map(&[(4 * MIB, 2 * MIB), (0, odd)]).is_err())?;
    two_ranges().map(drop)
}

struct Owner(PageMap);

impl MapOwner for Owner {
    fn page_map(&self) -> &PageMap {
        &self.0
    }
}

struct Deaf;

impl FailureHandler for Deaf {
    fn memory_failure(&self, _pages: Pages, _flags: i32) -> Result {
        Err(EOPNOTSUPP)
    }
}

fn one_failure_handler_at_a_time() -> Result {
    let owner = Arc::new(Owner(two_ranges()?), GFP_KERNEL)?;
    let deaf = Arc::new(Deaf, GFP_KERNEL)?;
    let first = FailureRegistration::new(owner.clone(), deaf.clone())?;
    check(FailureRegistration::new(owner.clone(), deaf.clone()).is_err())?;
    drop(first);
    FailureRegistration::new(owner, deaf).map(drop)
}

/// A disk whose driver looks at the segments of every bio, whatever it asks for.
struct Careless(PageMap);

impl Careless {
    fn serve(&self, bio: &Bio) -> Result {
        for segment in bio.segments() {
            let offset = segment.disk_offset();
            match bio.op() {
                Op::Read => self.0.read_segment(offset, &segment)?,
                Op::Write => self.0.write_segment(offset, &segment)?.leave_to_flush(),
                _ => return Err(EINVAL),
            }
        }
        Ok(())
    }
}

#[vtable]
impl block::Operations for Careless {
    fn submit_bio(&self, bio: Bio) {
        let result = self.serve(&bio);
        bio.complete(result);
    }
}

#[vtable]
impl dax::Operations for Careless {
    fn page_map(&self) -> &PageMap {
        &self.0
    }

    fn direct_access(&self, _pgoff: u64, nr_pages: u64, _mode: AccessMode) -> Result<Pages> {
        // Beyond the end.
        Ok(Pages {
            pgoff: u64::MAX,
            len: nr_pages,
        })
    }

    fn zero_page_range(&self, _pgoff: u64, _nr_pages: u64) -> Result {
        Err(EIO)
    }
}

/// Fields are dropped in this order: first the disk.
struct Disk {
    disk: BioDisk<Careless, Live>,
    _parent: faux::Registration,
}

/// A disk that is not below a namespace.
fn disk() -> Result<Disk> {
    let map = two_ranges()?;
    let sectors = map.nr_pages() * PAGE_SIZE / 512;
    let limits = Limits::new().write_zeroes(true);
    let parent = faux::Registration::new(c"rdax_test", None)?;
    let disk = Arc::new(Careless(map), GFP_KERNEL)?;
    let disk = BioDisk::new(c"rdax_test0", limits, sectors, -1, disk)?;
    Ok(Disk {
        disk: disk.add_disk(parent.as_ref().as_ref())?,
        _parent: parent,
    })
}

fn a_disk_elsewhere_has_no_region() -> Result {
    let disk = disk()?;
    check(Region::apply_read_only(&disk.disk).is_err_and(|err| err == ENODEV))
}

/// Devices that are synchronous and that are not, made of each other's memory.
fn devices_are_what_they_are_told() -> Result {
    let ops = Arc::new(Careless(two_ranges()?), GFP_KERNEL)?;
    for round in 0..8 {
        let mut devices = KVec::new();
        for i in 0..4 {
            let properties = Properties {
                synchronous: (round + i) % 2 == 0,
                write_cache: i % 2 == 0,
            };
            let device = dax::Device::new(ops.clone(), properties)?;
            check(device.properties() == properties)?;
            devices.push(device, GFP_KERNEL)?;
        }
    }
    Ok(())
}

type Test = (&'static str, fn() -> Result);

const TESTS: [Test; 9] = [
    ("several_ranges_are_one", several_ranges_are_one),
    ("access_is_checked", access_is_checked),
    ("zeroes_span_ranges", zeroes_span_ranges),
    ("stores_become_clean", stores_become_clean),
    ("claims_exclude", claims_exclude),
    ("misalignment_is_refused", misalignment_is_refused),
    (
        "one_failure_handler_at_a_time",
        one_failure_handler_at_a_time,
    ),
    (
        "a_disk_elsewhere_has_no_region",
        a_disk_elsewhere_has_no_region,
    ),
    (
        "devices_are_what_they_are_told",
        devices_are_what_they_are_told,
    ),
];

struct Tests {
    _disk: Disk,
}

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("1..{}\n", TESTS.len());
        let mut failed = false;
        for (i, (name, test)) in TESTS.iter().enumerate() {
            match test() {
                Ok(()) => pr_info!("ok {} {}\n", i + 1, name),
                Err(err) => {
                    pr_info!("not ok {} {} ({:?})\n", i + 1, name, err);
                    failed = true;
                }
            }
        }
        if failed {
            return Err(EINVAL);
        }
        Ok(Self { _disk: disk()? })
    }
}
