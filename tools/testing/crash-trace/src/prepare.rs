// SPDX-License-Identifier: GPL-2.0

//! Makes a volume whose journal has a transaction to be done again, and an inode without a name:
//! for the kernel to recover.

use crate::{
    common::{
        pm::{
            Event,
            Kind,
            Pm, //
        },
        tree::PATTERN, //
    },
    expect::look, //
};
use rdaxfs_core::{
    format,
    format_types::DiskTime,
    AttrChange,
    Error,
    FormatOptions,
    MountOptions,
    NewInode,
    Volume,
    XattrMode, //
};

fn inode(mode: u16) -> NewInode<'static> {
    NewInode {
        mode,
        ..NewInode::default()
    }
}

/// Does some operations; what the last one stored is recorded.
fn operations(pm: &Pm) -> Result<(Vec<u8>, Vec<Event>), Error> {
    let now = DiskTime::new(1_700_000_000, 0);
    let volume = Volume::mount(pm.clone(), &MountOptions::default())?;
    let mut root = volume.iget(volume.root())?;
    let mut dir = volume.create(&mut root, b"old", &inode(0o040755), now)?;
    let mut file = volume.create(&mut dir, b"file", &inode(0o100644), now)?;
    let mut gone = volume.create(&mut dir, b"gone", &inode(0o100644), now)?;
    volume.allocate(&mut gone, 0, 65536, false, 0, now)?;
    volume.unlink(&mut dir, b"gone", &mut gone, now)?;
    let before = pm.image();
    pm.record();
    let (mode, change) = (XattrMode::Any, AttrChange::default());
    volume.xattr_set(&mut file, b"user.big", Some(&[b'x'; 3000]), mode, &change)?;
    Ok((before, pm.recorded()))
}

/// Such a volume of `size` bytes: the power went when the last operation was committed.
pub fn dirty(size: usize) -> Result<Vec<u8>, String> {
    let failed = |error| format!("{error:?}");
    let pm = Pm::new(vec![PATTERN; size]);
    format(&pm, &FormatOptions::default(), |_, _| {}).map_err(failed)?;
    let (before, events) = operations(&pm).map_err(failed)?;
    let pm = Pm::new(before);
    for event in events {
        if let Kind::Store { at, data } = &event.kind {
            pm.put(*at, data);
            let (_, recovery) = look(&pm)?;
            if recovery.transactions != 0 && recovery.orphans != 0 {
                return Ok(pm.image());
            }
        }
    }
    Err("no store commits a transaction".into())
}
