// SPDX-License-Identifier: GPL-2.0

//! Each operation is one transaction, whatever it changes.

use crate::common::{
    make,
    mount,
    script::{
        file,
        write_piece, //
    },
    scripts::bytes,
    Ram, //
};
use rdaxfs_core::{
    format_types::DiskTime,
    AttrChange,
    Node,
    Result,
    Volume,
    XattrMode, //
};

type Vol<'a> = Volume<&'a Ram>;

fn attr(mode: u16) -> AttrChange {
    AttrChange {
        mode: Some(mode),
        ..AttrChange::from(DiskTime::new(9, 9))
    }
}

fn write(volume: &Vol<'_>, node: &mut Node, pos: u64, len: usize) -> Result {
    let now = DiskTime::new(8, pos as u32);
    let written = write_piece(volume, node, pos, &bytes(1, len), now)?;
    assert_eq!(written, len);
    Ok(())
}

type Op = fn(&Vol<'_>, &mut Node) -> Result;

const OPS: &[(&str, Op)] = &[
    ("chmod", |v, f| v.set_attr(f, &attr(0o6777))),
    ("chmod with an access list", |v, f| {
        let name = b"system.posix_acl_access";
        v.xattr_set(f, name, Some(b"list"), XattrMode::Any, &attr(0o6750))
    }),
    ("write to an empty file", |v, f| write(v, f, 0, 100)),
    ("append within a block", |v, f| write(v, f, 100, 50)),
    ("append across the end of a block", |v, f| {
        write(v, f, 150, 5000)
    }),
    ("append behind a gap", |v, f| write(v, f, 6000, 9000)),
    ("write within", |v, f| write(v, f, 6001, 8000)),
    ("truncate and drop privileges", |v, f| {
        v.set_size(f, 13_000, attr(0o750))
    }),
    ("extend", |v, f| v.set_size(f, 70_000, attr(0o751))),
    ("write to a hole", |v, f| write(v, f, 40_960, 4096)),
    ("append in the middle of a hole", |v, f| {
        v.set_size(f, 70_001, attr(0o750))
    }),
    ("allocate", |v, f| {
        v.allocate(f, 100, 90_000, false, 0, attr(0o752))
    }),
    ("write to all", |v, f| {
        v.write_zeroes(f, 0, 90_100, attr(0o753))
    }),
    ("punch within a block", |v, f| {
        v.punch(f, 10, 20, attr(0o754))
    }),
    ("punch two edges", |v, f| {
        v.punch(f, 4000, 9000, attr(0o755))
    }),
    ("zero two edges", |v, f| {
        v.zero_range(f, 20_000, 30_000, false, 0, attr(0o756))
    }),
    ("write zeroes at two edges", |v, f| {
        v.write_zeroes(f, 4000, 9000, attr(0o757))
    }),
    ("collapse", |v, f| v.collapse(f, 4096, 8192, attr(0o750))),
    ("insert", |v, f| v.insert(f, 4096, 8192, attr(0o751))),
];

#[test]
fn one_each() {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let now = DiskTime::new(1, 0);
    let mut root = volume.iget(volume.root()).unwrap();
    let mut f = volume.create(&mut root, b"f", &file(), now).unwrap();
    for (name, op) in OPS {
        let before = volume.transactions();
        op(&volume, &mut f).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(volume.transactions() - before, 1, "{name}");
        let wanted = volume.iget(f.ino()).unwrap();
        assert_eq!(wanted.inode().ctime, f.inode().ctime, "{name}");
    }
}

/// Edges that are too many bytes for one transaction: the first goes before.
#[test]
fn two_full_edges() {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let now = DiskTime::new(1, 0);
    let mut root = volume.iget(volume.root()).unwrap();
    let mut f = volume.create(&mut root, b"f", &file(), now).unwrap();
    write(&volume, &mut f, 0, 16_384).unwrap();
    let before = volume.transactions();
    volume.punch(&mut f, 1, 16_382, now).unwrap();
    assert_eq!(volume.transactions() - before, 2);
}
