// SPDX-License-Identifier: GPL-2.0

//! `ioctl()`.

use crate::Rdaxfs;
use kernel::{
    ioctl::{
        _IOC_SIZE, //
        _IOR,
    },
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};
use rdax::fs::{
    ioctl::{
        capable_admin,
        Operations, //
    },
    File,
    SuperBlock, //
};

/// `FS_IOC_GETVERSION`: the generation, to an `int`; its size is that of a `long`.
const GET_VERSION: u32 = _IOR::<c_long>(b'v' as u32, 1);
/// `FS_IOC_GETFSLABEL`.
const GET_LABEL: u32 = _IOR::<[u8; LABEL_LEN]>(0x94, 49);
/// `FS_IOC_SHUTDOWN`, which is XFS' `GOINGDOWN`.
const SHUTDOWN: u32 = _IOR::<u32>(b'X' as u32, 125);

const LABEL_LEN: usize = 256;

/// Sync and freeze first.
const SHUTDOWN_FREEZE: u32 = 0;
/// Finish what has begun; all that has been done is durable anyway.
const SHUTDOWN_LOG: u32 = 1;
/// At once.
const SHUTDOWN_NO_LOG: u32 = 2;

impl Operations for Rdaxfs {
    fn ioctl(file: &File<Self>, cmd: u32, arg: usize) -> Result<isize> {
        let user = |len| UserSlice::new(UserPtr::from_addr(arg), len);
        let sb = file.inode().sb();
        match cmd {
            GET_VERSION => {
                let generation = file.inode().generation();
                user(size_of::<u32>()).writer().write(&generation)?;
            }
            GET_LABEL => {
                let mut label = [0u8; LABEL_LEN];
                for (to, from) in label.iter_mut().zip(sb.data().core().superblock().label()) {
                    *to = *from;
                }
                user(_IOC_SIZE(cmd)).writer().write_slice(&label)?;
            }
            SHUTDOWN => {
                if !capable_admin() {
                    return Err(EPERM);
                }
                shut_down(sb, user(size_of::<u32>()).reader().read()?)?;
            }
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

fn shut_down(sb: &SuperBlock<Rdaxfs>, how: u32) -> Result {
    match how {
        SHUTDOWN_FREEZE => {
            sb.freeze()?;
            crate::mount::shut_down(sb);
            sb.thaw()
        }
        SHUTDOWN_LOG | SHUTDOWN_NO_LOG => {
            crate::mount::shut_down(sb);
            Ok(())
        }
        _ => Err(EINVAL),
    }
}
