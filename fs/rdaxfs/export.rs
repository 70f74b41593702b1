// SPDX-License-Identifier: GPL-2.0

//! Files without names: handles, and the parents of directories.

use crate::{
    inode::iget,
    mount::checked,
    Rdaxfs, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use rdax::fs::{
    export::Operations,
    Inode,
    SuperBlock, //
};
use rdaxfs_core::{
    Error as CoreError,
    Locate, //
};

impl Operations for Rdaxfs {
    fn inode_by_handle(
        sb: &SuperBlock<Self>,
        ino: u64,
        generation: u32,
    ) -> Result<ARef<Inode<Self>>> {
        // A file that is deleted but open can be opened. What has no name and is not open is stale
        // already: `iget` does not read it.
        let inode = iget(sb, ino)?;
        if inode.generation() != generation {
            return Err(ESTALE);
        }
        Ok(inode)
    }

    fn parent(dir: &Inode<Self>) -> Result<ARef<Inode<Self>>> {
        let sb = dir.sb();
        let parent = dir.data().read().inode().parent.get();
        match iget(sb, parent) {
            Err(err) if err == ESTALE => {
                let corrupt =
                    CoreError::corrupt("parent directory is a free inode").of_inode(parent);
                checked(sb, Err(corrupt))
            }
            parent => parent,
        }
    }
}
