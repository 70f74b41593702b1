// SPDX-License-Identifier: GPL-2.0

//! Mounting, remounting, freezing, unmounting.

use crate::{
    error::{
        errno,
        CoreResult,
        Corrupt, //
    },
    inode,
    medium::Pmem,
    mount::{
        checked,
        shut_down,
        Mount, //
    },
    node::InodeData,
    options::Options,
    stamp::to_disk,
    unfreed,
    Rdaxfs, //
};
use kernel::{
    cpu,
    debugfs::Dir,
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};
use rdax::{
    dax,
    fs::{
        context::{
            Parameter,
            Request, //
        },
        export,
        super_block::{
            New,
            Statfs, //
        },
        xattr,
        FileSystem,
        Inode,
        Log,
        SuperBlock, //
    },
    pin,
    random::random_u64, //
};
use rdaxfs_core::{
    format_types::{
        self,
        State,
        BLOCK_SIZE,
        LINK_MAX,
        MAX_FILE_SIZE,
        NAME_MAX, //
    },
    Error as CoreError,
    Locate,
    Medium,
    MountOptions,
    Orphans,
    Recovery,
    Volume, //
};

/// What `statfs()` tells it by: "rdax".
const MAGIC: u32 = 0x7264_6178;

#[inline(never)]
fn is_rdaxfs(medium: &Pmem) -> bool {
    let mut bytes = [0; format_types::SUPER_SIZE];
    // Without a first superblock there may still be the second one.
    medium.load(0, &mut bytes).is_err() || format_types::SuperBlock::has_magic(&bytes)
}

#[inline(never)]
fn mount(sb: &SuperBlock<Rdaxfs, New>, request: Request, log: &Log) -> Result<Arc<Volume<Pmem>>> {
    let options = MountOptions {
        read_only: request.read_only,
        no_stores: sb.device_is_read_only(),
        shards: cpu::nr_cpu_ids().into(),
        huge_offset: 0,
        seed: random_u64(),
        now: to_disk(sb.now()),
    };
    if options.no_stores && !options.read_only {
        return Err(EROFS);
    }
    let failed = |error| {
        if !request.quiet {
            tell_failure(log, error);
        }
        errno(error)
    };
    let (volume, orphans) = read(open(sb, request, log)?, options).map_err(failed)?;
    volume.start(&orphans, &options).map_err(failed)?;
    tell_recovery(log, &volume.recovery());
    if let Some((count, first)) = volume.damage() {
        tell_damage(log, count, first);
    }
    Ok(volume)
}

/// Returns the memory of a volume of rdaxfs.
#[inline(never)]
fn open(sb: &SuperBlock<Rdaxfs, New>, request: Request, log: &Log) -> Result<Pmem> {
    let medium = Pmem::new(dax::Volume::new(sb)?);
    if !is_rdaxfs(&medium) {
        if !request.quiet {
            log.err(fmt!("not an rdaxfs volume"));
        }
        return Err(EINVAL);
    }
    Ok(medium)
}

/// Reads a volume. What is returned is not on the stack: mounting goes on from there.
#[inline(never)]
fn read(medium: Pmem, mut options: MountOptions) -> CoreResult<(Arc<Volume<Pmem>>, Orphans)> {
    options.huge_offset = medium.volume().phys_offset_in_huge().unwrap_or(0);
    Volume::read(medium, &options, |volume| {
        Arc::new(volume, GFP_KERNEL).map_err(|_| CoreError::NoMemory)
    })
}

/// Tells the VFS and the log what the superblock says.
#[inline(never)]
fn describe(sb: &SuperBlock<Rdaxfs, New>, core: &Volume<Pmem>, log: &Log) {
    let on_medium = core.superblock();
    sb.set_uuid(&on_medium.uuid);
    if on_medium.state() == State::Errors {
        log.warn(fmt!("has errors; run fsck.rdaxfs"));
    }
}

/// Returns what is kept with the volume.
#[inline(never)]
fn mounted(
    sb: &SuperBlock<Rdaxfs, New>,
    core: Arc<Volume<Pmem>>,
    log: Log,
    options: &Options,
) -> Result<Arc<Mount>> {
    let mount = Mount::new(core.clone(), log, sb.id(), options, sb.type_data());
    // The volume says that it is in use. A `Mount` that is dropped takes that back.
    let mount = mount.inspect_err(|_| {
        let _ = core.deactivate();
    })?;
    Ok(Arc::new(mount, GFP_KERNEL)?)
}

fn tell_failure(log: &Log, error: CoreError) {
    match error {
        CoreError::Corrupt(corrupt) => log.err(fmt!(
            "cannot be mounted: {}; run fsck.rdaxfs",
            Corrupt(corrupt)
        )),
        other => log.err(fmt!("cannot be mounted: {other:?}")),
    }
}

/// Says why a volume that is mounted read-only cannot be changed.
fn tell_damage(log: &Log, count: u64, first: CoreError) {
    match first {
        CoreError::Corrupt(corrupt) => log.warn(fmt!(
            "{count} damaged structures, read-only: {}; run fsck.rdaxfs",
            Corrupt(corrupt)
        )),
        other => log.warn(fmt!(
            "{count} damaged structures, read-only: {other:?}; run fsck.rdaxfs"
        )),
    }
}

fn tell_recovery(log: &Log, recovery: &Recovery) {
    if recovery.unclean {
        log.info(fmt!(
            "was not unmounted: {} transactions done again, {} unnamed inodes freed",
            recovery.transactions,
            recovery.orphans
        ));
    }
}

#[vtable]
impl FileSystem for Rdaxfs {
    const NAME: &'static CStr = c"rdaxfs";
    const XATTR: xattr::Handlers<Self> = xattr::Handlers::NEW;
    const EXPORT: export::Ops<Self> = export::Ops::NEW;
    const PINS: pin::Ops<Self> = pin::Ops::NEW;

    type TypeData = Dir;
    type Options = Options;
    type SuperData = Mount;
    type InodeData = InodeData;

    fn options(mounted: Option<&SuperBlock<Self>>) -> Options {
        mounted.map_or_else(Options::default, |sb| sb.data().options())
    }

    fn parse(options: &mut Options, parameter: &Parameter<'_>) -> Result {
        options.parse(parameter)
    }

    fn fill_super(
        sb: &SuperBlock<Self, New>,
        options: &Options,
        request: Request,
    ) -> Result<Arc<Mount>> {
        sb.set_block_size(BLOCK_SIZE as u32)?;
        let log = sb.log()?;
        let core = mount(sb, request, &log)?;
        sb.set_magic(MAGIC);
        sb.set_max_links(LINK_MAX);
        sb.set_max_size(MAX_FILE_SIZE);
        sb.set_time_range(i64::MIN, i64::MAX);
        sb.set_posix_acl();
        describe(sb, &core, &log);
        mounted(sb, core, log, options)
    }

    fn root(sb: &SuperBlock<Self>) -> Result<ARef<Inode<Self>>> {
        let root = inode::iget(sb, sb.data().core().root())?;
        if !root.is_dir() {
            let corrupt = CoreError::corrupt("root is no directory").of_inode(root.ino());
            return checked(sb, Err(corrupt));
        }
        Ok(root)
    }

    fn reconfigure(sb: &SuperBlock<Self>, options: &Options, request: Request) -> Result {
        let mount = sb.data();
        if request.change && request.read_only != sb.is_read_only() {
            if request.read_only {
                unfreed::free(sb);
                checked(sb, mount.core().deactivate())?;
            } else if let Some((count, first)) = mount.core().damage() {
                // What is free is not known.
                tell_damage(mount.log(), count, first);
                return Err(EROFS);
            } else if mount.is_stopped() || sb.device_is_read_only() {
                return Err(EROFS);
            } else {
                checked(sb, mount.core().activate(to_disk(sb.now())))?;
            }
        }
        mount.set_options(options);
        Ok(())
    }

    fn sync_fs(sb: &SuperBlock<Self>, wait: bool) -> Result {
        if !wait {
            return Ok(());
        }
        // Metadata is durable already; data may be in the cache of the device.
        sb.data().core().medium().fence().map_err(errno)
    }

    fn freeze_fs(sb: &SuperBlock<Self>) -> Result {
        Self::sync_fs(sb, true)
    }

    fn unfreeze_fs(_sb: &SuperBlock<Self>) -> Result {
        Ok(())
    }

    fn statfs(sb: &SuperBlock<Self>) -> Result<Statfs> {
        let usage = sb.data().core().usage();
        Ok(Statfs {
            blocks: usage.blocks,
            blocks_free: usage.free,
            blocks_available: usage.available,
            files: usage.inodes.saturating_add(usage.free_inodes),
            files_free: usage.free_inodes,
            name_max: NAME_MAX as u32,
        })
    }

    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile) -> Result {
        sb.data().options().show(seq);
        Ok(())
    }

    fn shutdown(sb: &SuperBlock<Self>) {
        shut_down(sb);
    }

    fn unmap_inode(inode: &Inode<Self>) {
        inode::unmap(inode);
    }

    fn evict_inode(inode: &Inode<Self>) {
        inode::evict(inode);
    }
}
