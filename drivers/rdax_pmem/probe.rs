// SPDX-License-Identifier: GPL-2.0

//! Taking a namespace and giving it back.
//!
//! # Lock order
//!
//! The bus holds the namespace's `device_lock` around everything here. Below it come the locks of
//! the filesystem on the disk (`s_umount`, `invalidate_lock`, see `rdax::memremap`). The teardown
//! worker takes the latter without the former.

use crate::{
    dax::Failures,
    debugfs,
    info_block,
    module_parameters,
    pmem::Pmem, //
};
use kernel::{
    debugfs::Dir,
    module::this_module,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use rdax::{
    block::{
        BioDisk,
        Features,
        Limits,
        Live, //
    },
    dax,
    memremap::{
        alignment,
        FailureRegistration,
        MapOwner,
        MemRegion,
        PageMap, //
    },
    nd::{
        Driver,
        Event,
        Namespace,
        Region, //
    },
    teardown::Slot, //
};

/// The driver: what all its devices share.
pub(crate) struct PmemDriver {
    debugfs: Dir,
}

/// A bound namespace. Dropping it waits until nobody uses its memory any more.
pub(crate) struct Device {
    debugfs: Option<Pin<KBox<debugfs::Directory>>>,
    disk: Option<BioDisk<Pmem, Live>>,
    failures: Option<FailureRegistration>,
    dax: Option<Arc<dax::Device<Pmem>>>,
    pmem: Arc<Pmem>,
    slot: Option<Slot>,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.debugfs = None;
        // Syncs what is mounted, while everything still works, and shuts it down.
        self.disk = None;
        self.pmem.set_gone();
        // Pins may last. Only when they are gone may the filesystem be told that its device is
        // being removed: it frees what it believes to be unused then.
        self.pmem.page_map().drain();
        self.failures = None;
        self.dax = None;
        // The last reference on `pmem` drains once more, for accesses that `dax` still allowed.
    }
}

impl Driver for PmemDriver {
    type Data = Device;

    fn new() -> Result<Self> {
        Ok(Self {
            debugfs: Dir::new(c"rdax_pmem"),
        })
    }

    fn probe(&self, namespace: &Namespace) -> Result<KBox<Device>> {
        check_alignment(namespace)?;
        namespace.validate()?;
        check_personality(namespace)?;
        let pmem = map(namespace)?;
        pmem.populate_badblocks();
        self.assemble(namespace, pmem)
    }

    fn remove(&self, namespace: &Namespace, mut device: KBox<Device>) {
        let pmem = device.pmem.clone();
        let Some(slot) = device.slot.take() else {
            return;
        };
        let bound = module_parameters::drain_ms.value();
        if slot
            .drop_within(device, bound, this_module::<crate::LocalModule>())
            .is_err()
        {
            pmem.set_gone();
            pmem.page_map().unmap_files();
            dev_warn!(
                namespace.device(),
                "memory is still in use after {} ms; it stays reserved until the last user is gone\n",
                bound
            );
        }
        if let Err(err) = pmem.region.flush() {
            dev_err!(namespace.device(), "final flush failed: {:?}\n", err);
        }
    }

    fn shutdown(&self, namespace: &Namespace, device: &Device) {
        if let Err(err) = device.pmem.region.flush() {
            dev_err!(namespace.device(), "flush at shutdown failed: {:?}\n", err);
        }
    }

    fn notify(&self, namespace: &Namespace, device: &Device, event: Event) {
        let Some(disk) = &device.disk else {
            return;
        };
        match event {
            Event::RevalidatePoison => {
                device.pmem.populate_badblocks();
                disk.notify_badblocks();
            }
            Event::RevalidateRegion => {
                if let Err(err) = Region::apply_read_only(disk) {
                    dev_err!(
                        namespace.device(),
                        "the disk does not follow the region's read_only: {:?}\n",
                        err
                    );
                }
            }
        }
    }
}

impl PmemDriver {
    /// Makes the DAX device and the disk. What was made is dropped, backwards, on any error.
    fn assemble(&self, namespace: &Namespace, pmem: Arc<Pmem>) -> Result<KBox<Device>> {
        let slot = Slot::new()?;
        let properties = dax::Properties {
            synchronous: pmem.region.is_sync(),
            write_cache: pmem.region.has_cache(),
        };
        let dax = Arc::new(dax::Device::new(pmem.clone(), properties)?, GFP_KERNEL)?;

        let name = CString::try_from_fmt(fmt!("r{}", namespace.disk_name()?.to_str()?))?;
        let mut disk = BioDisk::new(
            &name,
            limits(namespace, &pmem)?,
            pmem.sectors(),
            namespace.numa_node(),
            pmem.clone(),
        )?;
        disk.set_badblocks(pmem.clone());
        disk.attach_dax(&dax)?;
        let failures = Arc::new(
            Failures {
                device: dax.clone(),
            },
            GFP_KERNEL,
        )?;
        let mut device = KBox::new(
            Device {
                debugfs: None,
                disk: None,
                failures: Some(FailureRegistration::new(pmem.clone(), failures)?),
                dax: Some(dax),
                pmem,
                slot: Some(slot),
            },
            GFP_KERNEL,
        )?;
        device.debugfs = Some(debugfs::create(&self.debugfs, &name, device.pmem.clone())?);
        // Last: from here on the disk can be used.
        let disk = disk.add_disk(namespace.device())?;
        Region::apply_read_only(&disk)?;
        device.disk = Some(disk);
        Ok(device)
    }
}

/// Struct pages come in sections; a range that begins or ends within one cannot have them.
fn check_alignment(namespace: &Namespace) -> Result {
    let range = namespace.range();
    if range.is_aligned(alignment()) {
        return Ok(());
    }
    dev_err!(
        namespace.device(),
        "no DAX: {:#x}..{:#x} is not aligned to {} MiB, as struct pages need; recreate the namespace with --align, or align both ends of memmap=\n",
        range.start,
        range.start.saturating_add(range.len),
        alignment() >> 20
    );
    Err(EOPNOTSUPP)
}

/// A namespace with an info block has a layout of its own, which only its own driver knows.
fn check_personality(namespace: &Namespace) -> Result {
    if namespace.force_raw() {
        return Ok(());
    }
    let raw = namespace.raw_access(8192)?;
    for offset in info_block::OFFSETS {
        let mut signature = [0; info_block::SIGNATURE_LEN];
        if let Err(err) = raw.read(offset, &mut signature) {
            dev_warn!(
                namespace.device(),
                "cannot look for an info block at {:#x}: {:?}\n",
                offset,
                err
            );
            continue;
        }
        if let Some(owner) = info_block::Owner::of(offset, &signature) {
            dev_err!(
                namespace.device(),
                "in {} mode: bind it to nd_pmem, or make it raw (ndctl create-namespace -f -m raw), which destroys its data\n",
                owner.mode()
            );
            return Err(EOPNOTSUPP);
        }
    }
    Ok(())
}

/// Claims the namespace's memory and gives it struct pages.
fn map(namespace: &Namespace) -> Result<Arc<Pmem>> {
    let device = namespace.device();
    let name = || CString::try_from_fmt(fmt!("{}", device.name().to_str()?));
    let range = namespace.range();
    let region = MemRegion::request(range, name()?).inspect_err(|_| {
        dev_err!(
            device,
            "{:#x}..{:#x} is in use; see /proc/iomem\n",
            range.start,
            range.start.saturating_add(range.len)
        );
    })?;
    let mut regions = KVec::new();
    regions.push(region, GFP_KERNEL)?;
    let map = PageMap::new(name()?, regions, namespace.numa_node()).inspect_err(|err| {
        dev_err!(device, "no DAX: no struct pages: {:?}\n", err);
    })?;
    Arc::pin_init(
        Pmem::new(map, namespace.to_ref(), namespace.region()),
        GFP_KERNEL,
    )
}

/// What the disk can do.
fn limits(namespace: &Namespace, pmem: &Pmem) -> Result<Limits> {
    let flush = pmem.region.has_flush();
    if flush.is_none() {
        dev_warn!(
            namespace.device(),
            "unable to guarantee persistence of writes\n"
        );
    }
    let features = Features::WRITE_CACHE | Features::SYNCHRONOUS | Features::NOWAIT | Features::DAX;
    Ok(Limits::new()
        .features(features.with_if(flush == Some(true), Features::FUA))
        .logical_block_size(namespace.sector_size())?
        .write_zeroes(true))
}
