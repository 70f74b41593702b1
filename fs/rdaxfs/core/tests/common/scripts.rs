// SPDX-License-Identifier: GPL-2.0

//! Scripts that do every kind of operation.

use super::{
    script::{
        dir,
        file,
        symlink,
        write_piece,
        Recording,
        Script, //
    },
    tree::{
        past_end,
        JUNK, //
    }, //
};
use rdaxfs_core::{
    format_types::InodeFlags,
    AttrChange,
    Medium,
    NewInode,
    Node,
    Rename,
    RenameKind,
    Span,
    XattrMode, //
};

/// Bytes that are not those of any other write.
pub fn bytes(seed: u8, len: usize) -> Vec<u8> {
    let byte = |i: usize| (i as u8).wrapping_mul(31).wrapping_add(seed) & 0x7f | 1;
    (0..len).map(byte).collect()
}

fn rename<'a>(
    from: &'a mut Node,
    from_name: &'a [u8],
    to: Option<&'a mut Node>,
    to_name: &'a [u8],
    node: &'a mut Node,
    target: Option<&'a mut Node>,
    kind: RenameKind<'a>,
) -> Rename<'a> {
    Rename {
        from,
        from_name,
        to,
        to_name,
        node,
        target,
        kind,
    }
}

/// Names come and go.
pub fn names() -> Script {
    let mut r = Recording::new();
    let mut root = r.iget(r.volume().root());
    let long = bytes(1, 3000);
    let very_long = bytes(2, 4095);
    let mut a = r.step("create", |v, now| v.create(&mut root, b"a", &file(), now));
    let mut d = r.step("mkdir", |v, now| v.create(&mut root, b"d", &dir(), now));
    r.step("symlink", |v, now| {
        v.create(&mut root, b"short", &symlink(b"target"), now)
    });
    r.step("symlink", |v, now| {
        v.create(&mut root, b"long", &symlink(&long), now)
    });
    let mut gone = r.step("symlink", |v, now| {
        v.create(&mut d, b"very long", &symlink(&very_long), now)
    });
    let attributes: [(&[u8], &[u8]); 2] = [(b"user.x", &long), (b"security.y", b"label")];
    let fifo = NewInode {
        mode: 0o010600,
        uid: 7,
        gid: 8,
        xattrs: &attributes,
        ..NewInode::default()
    };
    let mut pipe = r.step("mknod", |v, now| v.create(&mut d, &[b'n'; 255], &fifo, now));
    r.step("link", |v, now| v.link(&mut d, b"b", &mut a, now));
    r.step("unlink", |v, now| v.unlink(&mut root, b"a", &mut a, now));
    r.step("unlink", |v, now| v.unlink(&mut d, b"b", &mut a, now));
    r.step("evict", |v, _| v.evict(&mut a));
    let mut t = r.step("tmpfile", |v, now| v.tmpfile(&root, &file(), now));
    r.write("/t", &mut t, 0, &bytes(3, 5000));
    r.step("link", |v, now| v.link(&mut root, b"t", &mut t, now));
    let mut t2 = r.step("tmpfile", |v, now| v.tmpfile(&root, &file(), now));
    r.step("evict", |v, _| v.evict(&mut t2));
    r.step("unlink", |v, now| {
        v.unlink(&mut d, b"very long", &mut gone, now)
    });
    r.remount();
    let mut d = r.iget(d.ino());
    let mut root = r.iget(root.ino());
    r.step("unlink", |v, now| {
        v.unlink(&mut d, &[b'n'; 255], &mut pipe, now)
    });
    r.step("evict", |v, _| v.evict(&mut pipe));
    r.step("rmdir", |v, now| v.rmdir(&mut root, b"d", &mut d, now));
    r.step("evict", |v, _| v.evict(&mut d));
    r.finish()
}

/// Names move.
pub fn renames() -> Script {
    let mut r = Recording::new();
    let mut root = r.iget(r.volume().root());
    let mut d = r.step("mkdir", |v, now| v.create(&mut root, b"d", &dir(), now));
    let mut e = r.step("mkdir", |v, now| v.create(&mut root, b"e", &dir(), now));
    let mut f = r.step("create", |v, now| v.create(&mut root, b"f", &file(), now));
    r.write("/f", &mut f, 0, &bytes(1, 100));
    let mut g = r.step("create", |v, now| v.create(&mut d, b"g", &file(), now));
    r.step("rename", |v, now| {
        let kind = RenameKind::Move;
        v.rename(
            rename(
                &mut root,
                b"f",
                None,
                b"f with a much longer name that takes more than one slot",
                &mut f,
                None,
                kind,
            ),
            now,
        )
    });
    r.step("rename to another directory", |v, now| {
        let kind = RenameKind::Move;
        v.rename(
            rename(
                &mut root,
                b"f with a much longer name that takes more than one slot",
                Some(&mut d),
                b"f",
                &mut f,
                None,
                kind,
            ),
            now,
        )
    });
    r.step("rename over a file", |v, now| {
        let kind = RenameKind::Move;
        v.rename(
            rename(&mut d, b"f", None, b"g", &mut f, Some(&mut g), kind),
            now,
        )
    });
    r.step("evict", |v, _| v.evict(&mut g));
    let mut h = r.step("create", |v, now| v.create(&mut e, b"h", &file(), now));
    r.step("rename over a file of another directory", |v, now| {
        let kind = RenameKind::Move;
        v.rename(
            rename(&mut d, b"g", Some(&mut e), b"h", &mut f, Some(&mut h), kind),
            now,
        )
    });
    r.step("evict", |v, _| v.evict(&mut h));
    let mut sub = r.step("mkdir", |v, now| v.create(&mut d, b"sub", &dir(), now));
    r.step("create", |v, now| {
        v.create(&mut sub, b"in sub", &file(), now)
    });
    r.step("rename a directory", |v, now| {
        let kind = RenameKind::Move;
        v.rename(
            rename(&mut d, b"sub", Some(&mut e), b"sub", &mut sub, None, kind),
            now,
        )
    });
    let mut empty = r.step("mkdir", |v, now| v.create(&mut d, b"empty", &dir(), now));
    r.step("rename over a directory", |v, now| {
        let kind = RenameKind::Move;
        v.rename(
            rename(
                &mut e,
                b"sub",
                Some(&mut d),
                b"empty",
                &mut sub,
                Some(&mut empty),
                kind,
            ),
            now,
        )
    });
    r.step("evict", |v, _| v.evict(&mut empty));
    r.step("exchange", |v, now| {
        let kind = RenameKind::Exchange;
        v.rename(
            rename(
                &mut d,
                b"empty",
                Some(&mut e),
                b"h",
                &mut sub,
                Some(&mut f),
                kind,
            ),
            now,
        )
    });
    let mut k = r.step("create", |v, now| v.create(&mut d, b"k", &file(), now));
    r.step("exchange", |v, now| {
        let kind = RenameKind::Exchange;
        v.rename(
            rename(&mut d, b"empty", None, b"k", &mut f, Some(&mut k), kind),
            now,
        )
    });
    let whiteout = NewInode {
        mode: 0o020000,
        ..NewInode::default()
    };
    r.step("whiteout", |v, now| {
        let reserved = v.reserve(&d, whiteout.mode)?;
        let ino = reserved.ino();
        let kind = RenameKind::Whiteout(whiteout, reserved.hashed(&ino)?);
        v.rename(
            rename(&mut d, b"k", Some(&mut root), b"k", &mut f, None, kind),
            now,
        )
    });
    r.step("whiteout over a file", |v, now| {
        let reserved = v.reserve(&root, whiteout.mode)?;
        let ino = reserved.ino();
        let kind = RenameKind::Whiteout(whiteout, reserved.hashed(&ino)?);
        v.rename(
            rename(
                &mut root,
                b"k",
                Some(&mut d),
                b"empty",
                &mut f,
                Some(&mut k),
                kind,
            ),
            now,
        )
    });
    r.step("evict", |v, _| v.evict(&mut k));
    r.finish()
}

/// Data of a file.
pub fn data() -> Script {
    let mut r = Recording::new();
    let mut root = r.iget(r.volume().root());
    let mut f = r.step("create", |v, now| v.create(&mut root, b"f", &file(), now));
    r.write("/f", &mut f, 0, &bytes(1, 100));
    r.write("/f", &mut f, 100, &bytes(2, 5000));
    r.write("/f", &mut f, 4090, &bytes(3, 200));
    r.write("/f", &mut f, 9001, &bytes(4, 100));
    r.write("/f", &mut f, 30_000, &bytes(5, 7));
    r.write("/f", &mut f, 16_500, &bytes(6, 5000));
    r.step("truncate", |v, now| v.set_size(&mut f, 9050, now));
    r.step("truncate up", |v, now| v.set_size(&mut f, 40_000, now));
    r.write("/f", &mut f, 41_000, &bytes(7, 300));
    r.step("truncate", |v, now| v.set_size(&mut f, 12_288, now));
    r.write("/f", &mut f, 12_288, &bytes(8, 9000));
    r.step("punch", |v, now| v.punch(&mut f, 100, 19_900, now));
    r.step("fill", |v, _| v.fill(&mut f, 2, 2, false));
    r.write("/f", &mut f, 0, &bytes(9, 20_000));
    r.step("punch", |v, now| v.punch(&mut f, 5000, 100, now));
    r.step("zero_range within a block", |v, now| {
        v.zero_range(&mut f, 300, 3000, false, 0, now)
    });
    r.step("write_zeroes at two edges", |v, now| {
        v.write_zeroes(&mut f, 3900, 400, now)
    });
    r.step("collapse", |v, now| v.collapse(&mut f, 4096, 8192, now));
    r.step("insert", |v, now| v.insert(&mut f, 4096, 8192, now));
    r.loose("zero_range", Some(("/f", 3000..9000)), |v, now| {
        v.zero_range(&mut f, 3000, 6000, false, 0, now)
    });
    r.step("zero_range past the end", |v, now| {
        v.zero_range(&mut f, 25_000, 20_000, false, 1 << 20, now)
    });
    r.loose("write_zeroes", Some(("/f", 10_000..44_000)), |v, now| {
        v.write_zeroes(&mut f, 10_000, 34_000, now)
    });
    r.step("write_zeroes past the end", |v, now| {
        v.write_zeroes(&mut f, 50_000, 20_000, now)
    });
    r.step("truncate", |v, now| v.set_size(&mut f, 0, now));
    r.step("allocate", |v, now| {
        v.allocate(&mut f, 0, 20_000, false, 0, now)
    });
    r.write("/f", &mut f, 5000, &bytes(10, 3000));
    r.step("allocate zeroed", |v, now| {
        v.allocate(&mut f, 18_000, 30_000, false, 1 << 20, now)
    });
    r.step("allocate past the end", |v, now| {
        v.allocate(&mut f, 40_000, 40_000, true, 0, now)
    });
    r.write("/f", &mut f, 48_000, &bytes(11, 10_000));
    r.write("/f", &mut f, 60_000, &bytes(12, 100));
    r.step("fill unwritten", |v, _| v.fill(&mut f, 0, 1, false));
    r.step("truncate", |v, now| v.set_size(&mut f, 50_001, now));
    r.remount();
    let mut f = r.iget(f.ino());
    let mut root = r.iget(root.ino());
    r.write("/f", &mut f, 50_001, &bytes(13, 9000));
    r.step("append across the end of a block", |v, now| {
        let data = bytes(14, 9000);
        let mut done = 0;
        while done < data.len() {
            done += write_piece(v, &mut f, 59_001 + done as u64, &data[done..], now)?;
        }
        Ok(())
    });
    r.step("append that is cut off at the end of a block", |v, now| {
        let attr = AttrChange::from(now);
        let pos = f.size();
        let mapping = v.begin_write(&mut f, pos, 9000, &attr)?;
        let Span::Written(block) = mapping.span else {
            panic!("{mapping:?}")
        };
        let offset = pos - mapping.lblk * 4096;
        let data = bytes(15, 4096 - offset as usize);
        v.medium().store(block * 4096 + offset, &data)?;
        v.medium().flush(block * 4096 + offset, data.len() as u64)?;
        v.end_write(&mut f, pos, data.len() as u64, attr)?;
        assert!(v.is_staged(&f) && f.size() == pos);
        v.finish_write(&mut f, attr)?;
        assert_eq!(f.size(), pos + data.len() as u64);
        Ok(())
    });
    r.step("unlink", |v, now| v.unlink(&mut root, b"f", &mut f, now));
    r.step("evict", |v, _| v.evict(&mut f));
    r.finish()
}

/// What a mapping stores past the end of a file before each operation that moves the end, or the
/// block that it is in.
pub fn ends() -> Script {
    let mut r = Recording::new();
    let mut root = r.iget(r.volume().root());
    let mut f = r.step("create", |v, now| v.create(&mut root, b"f", &file(), now));
    r.write("/f", &mut f, 0, &bytes(1, 12_388));
    store_past_end(&mut r, &mut f);
    r.step("collapse", |v, now| v.collapse(&mut f, 0, 4096, now));
    r.step("truncate up", |v, now| v.set_size(&mut f, 20_000, now));
    r.write("/f", &mut f, 19_000, &bytes(2, 1100));
    store_past_end(&mut r, &mut f);
    r.step("insert", |v, now| v.insert(&mut f, 4096, 8192, now));
    store_past_end(&mut r, &mut f);
    r.write("/f", &mut f, 28_292, &bytes(3, 100));
    store_past_end(&mut r, &mut f);
    r.write("/f", &mut f, 28_500, &bytes(3, 10_000));
    store_past_end(&mut r, &mut f);
    r.step("truncate up", |v, now| v.set_size(&mut f, 38_600, now));
    store_past_end(&mut r, &mut f);
    r.step("truncate", |v, now| v.set_size(&mut f, 38_550, now));
    store_past_end(&mut r, &mut f);
    r.step("allocate", |v, now| {
        v.allocate(&mut f, 38_000, 9000, false, 1 << 20, now)
    });
    r.write("/f", &mut f, 46_900, &bytes(4, 100));
    store_past_end(&mut r, &mut f);
    r.step("zero_range", |v, now| {
        v.zero_range(&mut f, 49_152, 9000, false, 0, now)
    });
    r.write("/f", &mut f, 58_000, &bytes(5, 152));
    store_past_end(&mut r, &mut f);
    r.step("write_zeroes", |v, now| {
        v.write_zeroes(&mut f, 61_440, 5000, now)
    });
    store_past_end(&mut r, &mut f);
    r.remount();
    let mut f = r.iget(f.ino());
    r.write("/f", &mut f, 66_440, &bytes(6, 100));
    r.finish()
}

fn store_past_end(r: &mut Recording, f: &mut Node) {
    let end = past_end(r.volume(), f).expect("the last block is written");
    r.quiet("store past the end", |v, _| {
        f.set_loose_end();
        let junk = vec![JUNK; (end.end - end.start) as usize];
        v.medium().store(end.start, &junk)?;
        v.medium().flush(end.start, end.end - end.start)
    });
}

/// A file with more extents than its inode holds.
pub fn extents() -> Script {
    let mut r = Recording::new();
    let mut root = r.iget(r.volume().root());
    let mut f = r.step("create", |v, now| v.create(&mut root, b"f", &file(), now));
    for i in 0..12u64 {
        r.write("/f", &mut f, i * 8192, &bytes(i as u8, 50));
    }
    r.step("punch", |v, now| v.punch(&mut f, 20_000, 20_000, now));
    r.write("/f", &mut f, 4096, &bytes(20, 8000));
    r.step("insert", |v, now| v.insert(&mut f, 8192, 4096, now));
    r.write("/f", &mut f, 90_000, &bytes(21, 20_000));
    r.step("collapse", |v, now| v.collapse(&mut f, 16_384, 4096, now));
    r.remount();
    let mut f = r.iget(f.ino());
    r.step("truncate", |v, now| v.set_size(&mut f, 20_000, now));
    // More than one block of extents, and changes that have to write them all anew.
    r.step("truncate up", |v, now| v.set_size(&mut f, 2 << 20, now));
    for i in 0..240u64 {
        r.quiet("fill", |v, _| v.fill(&mut f, 10 + 2 * i, 1, false));
    }
    r.step("fill", |v, _| v.fill(&mut f, 500, 1, false));
    r.step("punch many", |v, now| {
        v.punch(&mut f, 10 * 4096, 450 * 4096, now)
    });
    r.step("allocate many", |v, now| {
        v.allocate(&mut f, 0, 2 << 20, false, 0, now)
    });
    r.finish()
}

/// Attributes of both kinds.
pub fn attributes() -> Script {
    let mut r = Recording::new();
    let mut root = r.iget(r.volume().root());
    let mut f = r.step("create", |v, now| v.create(&mut root, b"f", &file(), now));
    let set = |size| bytes(size as u8, size);
    for (name, size, mode) in [
        (&b"user.a"[..], 10, XattrMode::Any),
        (b"user.b", 9000, XattrMode::Create),
        (b"user.a", 5000, XattrMode::Replace),
        (b"user.c", 0, XattrMode::Any),
    ] {
        r.step("setxattr", |v, now| {
            let attr = AttrChange {
                ctime: Some(now),
                ..AttrChange::default()
            };
            v.xattr_set(&mut f, name, Some(&set(size)), mode, &attr)
        });
    }
    for name in [&b"user.b"[..], b"user.a", b"user.c"] {
        r.step("removexattr", |v, _| {
            let attr = AttrChange::default();
            v.xattr_set(&mut f, name, None, XattrMode::Any, &attr)
        });
    }
    r.step("setattr", |v, now| {
        let attr = AttrChange {
            mode: Some(0o600),
            uid: Some(1),
            gid: Some(2),
            flags: Some(InodeFlags(InodeFlags::APPEND)),
            atime: Some(now),
            mtime: Some(now),
            ctime: Some(now),
        };
        v.set_attr(&mut f, &attr)
    });
    let acl = b"system.posix_acl_access";
    r.step("set an access list", |v, now| {
        let attr = AttrChange {
            mode: Some(0o6770),
            ctime: Some(now),
            ..AttrChange::default()
        };
        v.xattr_set(&mut f, acl, Some(b"rwx"), XattrMode::Any, &attr)
    });
    r.step("chmod with an access list", |v, now| {
        let attr = AttrChange {
            mode: Some(0o6750),
            ctime: Some(now),
            ..AttrChange::default()
        };
        v.xattr_set(&mut f, acl, Some(b"r-x"), XattrMode::Any, &attr)
    });
    r.write("/f", &mut f, 0, &bytes(1, 9000));
    r.step("truncate and drop privileges", |v, now| {
        let attr = AttrChange {
            mode: Some(0o750),
            ..AttrChange::from(now)
        };
        v.set_size(&mut f, 5000, attr)
    });
    r.step("set privileges", |v, now| {
        let attr = AttrChange {
            mode: Some(0o6750),
            ..AttrChange::from(now)
        };
        v.set_attr(&mut f, &attr)
    });
    r.step("append and drop privileges", |v, now| {
        let attr = AttrChange {
            mode: Some(0o750),
            ..AttrChange::from(now)
        };
        let pos = 8192;
        let mapping = v.begin_write(&mut f, pos, 4096, &attr)?;
        let Span::Written(block) = mapping.span else {
            panic!("{mapping:?}")
        };
        v.medium().store(block * 4096, &bytes(2, 4096))?;
        v.medium().flush(block * 4096, 4096)?;
        v.end_write(&mut f, pos, 4096, attr)
    });
    r.step("punch and drop privileges", |v, now| {
        let attr = AttrChange {
            mode: Some(0o700),
            ..AttrChange::from(now)
        };
        v.punch(&mut f, 100, 8000, attr)
    });
    r.finish()
}

/// A directory that grows, and blocks of inodes that come and go with it.
pub fn growth() -> Script {
    let mut r = Recording::new();
    let mut root = r.iget(r.volume().root());
    let mut d = r.step("mkdir", |v, now| v.create(&mut root, b"d", &dir(), now));
    let mut nodes = Vec::new();
    let name = |i: u8| match i % 3 {
        0 => format!("{i:0250}").into_bytes(),
        _ => format!("{i:020}").into_bytes(),
    };
    for i in 0..26u8 {
        nodes.push(r.step("create", |v, now| v.create(&mut d, &name(i), &file(), now)));
    }
    for i in (26..70u8).map(|i| i + 26) {
        nodes.push(r.quiet("create", |v, now| v.create(&mut d, &name(i), &file(), now)));
    }
    let i = 70 + 26;
    nodes.push(r.step("create", |v, now| v.create(&mut d, &name(i), &file(), now)));
    let names: Vec<u8> = (0..26).chain(52..97).collect();
    for (index, (mut node, i)) in nodes.into_iter().zip(names).enumerate() {
        if index % 4 == 0 {
            r.step("unlink", |v, now| {
                v.unlink(&mut d, &name(i), &mut node, now)
            });
            r.step("evict", |v, _| v.evict(&mut node));
        } else {
            r.quiet("unlink", |v, now| {
                v.unlink(&mut d, &name(i), &mut node, now)
            });
            r.quiet("evict", |v, _| v.evict(&mut node));
        }
    }
    r.step("create", |v, now| {
        v.create(&mut d, &[b'x'; 255], &file(), now)
    });
    r.finish()
}

/// All of them, with their names.
pub fn all() -> Vec<(&'static str, Script)> {
    vec![
        ("names", names()),
        ("renames", renames()),
        ("data", data()),
        ("extents", extents()),
        ("attributes", attributes()),
        ("growth", growth()),
        ("ends", ends()),
    ]
}
