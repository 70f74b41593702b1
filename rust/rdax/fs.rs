// SPDX-License-Identifier: GPL-2.0

//! The VFS, for one filesystem type.
//!
//! A filesystem implements [`FileSystem`] and the `Operations` traits of the parts it has:
//! [`inode::Operations`], [`inode::DirOperations`], [`inode::FiemapOperations`],
//! [`dir::Operations`], [`xattr::Operations`], [`export::Operations`], [`ioctl::Operations`].
//! Tables of operations are values ([`inode::Ops`], [`file::Ops`], [`address_space::Ops`]) which
//! it attaches to each inode; so a symbolic link and a directory have different ones, as in C.
//! [`Registration`] makes the type known.
//!
//! Not supported: volumes without a block device or with more than one, quotas, case folding,
//! encryption, `fs-verity`.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h)

pub mod acl;
pub mod address_space;
pub mod anon;
pub mod context;
pub mod dentry;
pub mod dir;
pub mod export;
pub mod file;
pub mod fileattr;
pub mod fs_type;
pub mod idmap;
pub mod inode;
pub mod ioctl;
pub mod kiocb;
pub mod kstat;
pub mod log;
pub mod regular;
pub mod setattr;
pub mod super_block;
pub mod time;
pub mod xattr;

pub use self::{
    dentry::Dentry,
    file::File,
    fs_type::Registration,
    idmap::Idmap,
    inode::Inode,
    kiocb::Kiocb,
    log::Log,
    setattr::Setattr,
    super_block::SuperBlock,
    time::Timespec, //
};

use crate::pin;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// A type of filesystem: what it keeps with each volume and inode, and how volumes come and go.
///
/// Operations may sleep unless they say otherwise.
#[vtable]
pub trait FileSystem: Send + Sync + Sized + 'static {
    /// As in `/proc/filesystems`.
    const NAME: &'static CStr;

    /// Its extended attributes, normally [`xattr::Handlers::NEW`].
    const XATTR: xattr::Handlers<Self>;

    /// Its file handles, normally [`export::Ops::NEW`].
    const EXPORT: export::Ops<Self>;

    /// How its files are pinned, [`pin::Ops::NEW`] if they are.
    const PINS: pin::Ops<Self>;

    /// What it keeps for all volumes, see [`SuperBlock::type_data`].
    type TypeData: Send + Sync;

    /// Mount options.
    type Options: Send;

    /// What it keeps with a volume, see [`SuperBlock::data`]. Dropped when no inode is left in
    /// use, while the device is still open.
    type SuperData: Send + Sync;

    /// What it keeps with an inode, see [`Inode::data`]. Dropped after a grace period, where
    /// sleeping is not allowed.
    type InodeData: Send + Sync;

    /// The options to begin with: the defaults, or those of a volume that is remounted.
    fn options(mounted: Option<&SuperBlock<Self>>) -> Self::Options;

    /// Takes one mount option in. `ENOPARAM` if it is not known, `EINVAL` if its value is wrong.
    fn parse(options: &mut Self::Options, parameter: &context::Parameter<'_>) -> Result;

    /// Reads a volume. Its device is open.
    fn fill_super(
        sb: &SuperBlock<Self, super_block::New>,
        options: &Self::Options,
        request: context::Request,
    ) -> Result<Arc<Self::SuperData>>;

    /// The root directory, once there is data.
    fn root(sb: &SuperBlock<Self>) -> Result<ARef<Inode<Self>>>;

    /// Applies options to a mounted volume, all or none. The VFS has synced it; it lets no
    /// writers in while a volume becomes read-only.
    fn reconfigure(
        sb: &SuperBlock<Self>,
        options: &Self::Options,
        request: context::Request,
    ) -> Result;

    /// Makes all changes durable; if `wait` is false it may only begin.
    fn sync_fs(sb: &SuperBlock<Self>, wait: bool) -> Result;

    /// All writers are out, and the volume is synced.
    fn freeze_fs(sb: &SuperBlock<Self>) -> Result;

    /// Writers come back.
    fn unfreeze_fs(sb: &SuperBlock<Self>) -> Result;

    /// How full it is.
    fn statfs(sb: &SuperBlock<Self>) -> Result<super_block::Statfs>;

    /// Prints the options that are not default, each as `,name` or `,name=value`.
    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile) -> Result;

    /// The device is gone: nothing may touch it any more.
    fn shutdown(sb: &SuperBlock<Self>);

    /// Nobody references the inode any more, but its pages may still be in use: waits for that.
    fn unmap_inode(inode: &Inode<Self>);

    /// As the last use of an inode, whose mapping is empty. If it has no names it is to be
    /// deleted.
    fn evict_inode(inode: &Inode<Self>);
}
