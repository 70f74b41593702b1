// SPDX-License-Identifier: GPL-2.0

//! Each call to the medium and each allocation of each operation fails once: the operation did not
//! happen then, and can be done again; or the volume is shut down, and recovery decides.

use crate::common::{
    pm::Pm,
    script::{
        dir,
        file,
        look,
        options,
        symlink,
        write_piece,
        SIZE, //
    },
    scripts::bytes,
    tree::{
        check,
        walk,
        Tree,
        PATTERN, //
    }, //
};
use rdaxfs_core::{
    fail_allocation,
    format,
    format_types::DiskTime,
    AttrChange,
    Error,
    FormatOptions,
    NewInode,
    Node,
    Rename,
    RenameKind,
    Result,
    Volume,
    XattrMode, //
};

/// What the operations work on.
struct World {
    pm: Pm,
    volume: Volume<Pm>,
    root: Node,
    d: Node,
    e: Node,
    f: Node,
    g: Node,
    orphan: Node,
}

const EARLY: fn() -> DiskTime = || DiskTime::new(5, 0);
const NOW: fn() -> DiskTime = || DiskTime::new(6, 0);

impl World {
    fn new() -> Self {
        let pm = Pm::new(vec![PATTERN; SIZE]);
        format(&pm, &FormatOptions::default(), |_, _| {}).unwrap();
        let volume = Volume::mount(pm.clone(), &options()).unwrap();
        let mut root = volume.iget(volume.root()).unwrap();
        let mut d = volume.create(&mut root, b"d", &dir(), EARLY()).unwrap();
        let mut e = volume.create(&mut root, b"e", &dir(), EARLY()).unwrap();
        let mut f = volume.create(&mut root, b"f", &file(), EARLY()).unwrap();
        for i in 0..14 {
            write_piece(&volume, &mut f, i * 8192, &bytes(i as u8, 5), EARLY()).unwrap();
        }
        let attr = AttrChange::default();
        volume
            .xattr_set(
                &mut f,
                b"user.x",
                Some(&bytes(1, 5000)),
                XattrMode::Any,
                &attr,
            )
            .unwrap();
        let mut g = volume.create(&mut d, b"g", &file(), EARLY()).unwrap();
        write_piece(&volume, &mut g, 0, &bytes(1, 5000), EARLY()).unwrap();
        // The blocks of the directory are full, and so are those of inodes.
        for i in 0..24 {
            let name = [b'a' + i; 255];
            volume.create(&mut e, &name, &file(), EARLY()).unwrap();
        }
        let mut orphan = volume
            .create(&mut e, b"o", &symlink(&bytes(2, 3000)), EARLY())
            .unwrap();
        volume.unlink(&mut e, b"o", &mut orphan, EARLY()).unwrap();
        while volume.usage().inodes % 16 != 0 {
            let name = volume.usage().inodes.to_string();
            volume
                .create(&mut root, name.as_bytes(), &file(), EARLY())
                .unwrap();
        }
        Self {
            pm,
            volume,
            root,
            d,
            e,
            f,
            g,
            orphan,
        }
    }

    /// As a new mount would see it, whatever the numbers of the inodes.
    fn look(&self) -> Tree {
        let copy = Pm::new(self.pm.image());
        check(&copy).unwrap_or_else(|why| panic!("{why}"));
        let mut tree = look(&copy).unwrap_or_else(|why| panic!("{why}"));
        for file in tree.values_mut() {
            (file.ino, file.generation) = (0, 0);
        }
        tree
    }
}

type Operation = fn(&mut World) -> Result;

fn rename<'a>(
    names: [&'a [u8]; 2],
    from: &'a mut Node,
    to: Option<&'a mut Node>,
    node: &'a mut Node,
    target: Option<&'a mut Node>,
    kind: RenameKind<'a>,
) -> Rename<'a> {
    Rename {
        from,
        from_name: names[0],
        to,
        to_name: names[1],
        node,
        target,
        kind,
    }
}

fn operations() -> Vec<(&'static str, Operation)> {
    vec![
        ("create", |w| {
            w.volume.create(&mut w.d, b"n", &file(), NOW()).map(drop)
        }),
        ("create in a full directory", |w| {
            let name = [b'z'; 250];
            w.volume.create(&mut w.e, &name, &file(), NOW()).map(drop)
        }),
        ("create with attributes", |w| {
            let file = NewInode {
                mode: 0o010644,
                xattrs: &[(b"user.y", &[7; 5000])],
                ..NewInode::default()
            };
            w.volume.create(&mut w.d, b"y", &file, NOW()).map(drop)
        }),
        ("mkdir", |w| {
            w.volume.create(&mut w.d, b"n", &dir(), NOW()).map(drop)
        }),
        ("symlink", |w| {
            let target = bytes(4, 4000);
            w.volume
                .create(&mut w.root, b"l", &symlink(&target), NOW())
                .map(drop)
        }),
        ("link", |w| w.volume.link(&mut w.e, b"f", &mut w.f, NOW())),
        ("unlink", |w| {
            w.volume.unlink(&mut w.d, b"g", &mut w.g, NOW())
        }),
        ("evict", |w| w.volume.evict(&mut w.orphan)),
        ("rename", |w| {
            let kind = RenameKind::Move;
            let names: [&[u8]; 2] = [b"g", &[b'x'; 200]];
            let rename = rename(names, &mut w.d, Some(&mut w.e), &mut w.g, None, kind);
            w.volume.rename(rename, NOW()).map(drop)
        }),
        ("rename over", |w| {
            let kind = RenameKind::Move;
            let names: [&[u8]; 2] = [b"g", b"f"];
            let rename = rename(
                names,
                &mut w.d,
                Some(&mut w.root),
                &mut w.g,
                Some(&mut w.f),
                kind,
            );
            w.volume.rename(rename, NOW()).map(drop)
        }),
        ("exchange", |w| {
            let kind = RenameKind::Exchange;
            let names: [&[u8]; 2] = [b"d", b"f"];
            let rename = rename(names, &mut w.root, None, &mut w.d, Some(&mut w.f), kind);
            w.volume.rename(rename, NOW()).map(drop)
        }),
        ("whiteout", |w| {
            let whiteout = NewInode {
                mode: 0o020000,
                ..NewInode::default()
            };
            let reserved = w.volume.reserve(&w.d, whiteout.mode)?;
            let ino = reserved.ino();
            let kind = RenameKind::Whiteout(whiteout, reserved.hashed(&ino)?);
            let names: [&[u8]; 2] = [b"g", b"moved"];
            let rename = rename(names, &mut w.d, Some(&mut w.root), &mut w.g, None, kind);
            w.volume.rename(rename, NOW()).map(drop)
        }),
        ("write past the end", |w| {
            write_piece(&w.volume, &mut w.f, 150_000, &bytes(9, 10_000), NOW()).map(drop)
        }),
        ("fill", |w| w.volume.fill(&mut w.f, 1, 1, false).map(drop)),
        ("truncate", |w| w.volume.set_size(&mut w.f, 30_000, NOW())),
        ("truncate up", |w| {
            w.volume.set_size(&mut w.f, 300_000, NOW())
        }),
        ("punch", |w| w.volume.punch(&mut w.f, 8192, 40_960, NOW())),
        ("collapse", |w| {
            w.volume.collapse(&mut w.f, 8192, 4096, NOW())
        }),
        ("insert", |w| w.volume.insert(&mut w.f, 8192, 4096, NOW())),
        ("allocate", |w| {
            w.volume.allocate(&mut w.f, 0, 200_000, false, 0, NOW())
        }),
        ("allocate zeroed", |w| {
            w.volume
                .allocate(&mut w.g, 0, 200_000, false, 1 << 20, NOW())
        }),
        ("setxattr", |w| {
            let value = bytes(3, 9000);
            let attr = AttrChange::default();
            let mode = XattrMode::Any;
            w.volume
                .xattr_set(&mut w.f, b"user.x", Some(&value), mode, &attr)
        }),
        ("setattr", |w| {
            let attr = AttrChange {
                uid: Some(9),
                ..AttrChange::default()
            };
            w.volume.set_attr(&mut w.f, &attr)
        }),
    ]
}

/// Does `operation` with its first, second, ... fault, that `arm` arranges; `left` says whether
/// that many did not happen.
fn each_fault(name: &str, operation: Operation, arm: fn(&World, u64) -> u64) -> u64 {
    let (pre, post) = {
        let mut world = World::new();
        let pre = world.look();
        operation(&mut world).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        (pre, world.look())
    };
    for nth in 1.. {
        let mut world = World::new();
        let free = world.volume.usage().free;
        arm(&world, nth);
        let result = operation(&mut world);
        if arm(&world, 0) > 0 {
            assert_eq!(result, Ok(()));
            return nth - 1;
        }
        let at = format!("{name}, fault {nth}, {result:?}");
        match result {
            Ok(()) => assert!(world.look() == post, "{at}"),
            Err(_) if world.volume.check_alive() == Err(Error::Shutdown) => {
                let tree = world.look();
                assert!(tree == pre || tree == post, "{at}");
                continue;
            }
            Err(_) => {
                assert!(world.look() == pre, "{at}: something changed");
                let now = world.volume.usage().free;
                // A block of inodes may be left.
                assert!(
                    now == free || now + 1 == free,
                    "{at}: {free} free, then {now}"
                );
                operation(&mut world).unwrap_or_else(|error| panic!("{at}, again: {error:?}"));
                assert!(world.look() == post, "{at}, again");
            }
        }
        for node in [&mut world.orphan, &mut world.f, &mut world.g] {
            // Whoever reads finds what is there now.
            assert!(world.volume.map(node, 0, 1).is_ok(), "{at}");
            world.volume.evict(node).unwrap();
        }
        world.volume.deactivate().unwrap();
        let usage = world.volume.usage();
        let again = Volume::mount(Pm::new(world.pm.image()), &options()).unwrap();
        walk(&again).unwrap_or_else(|why| panic!("{at}: {why}"));
        assert_eq!(again.usage(), usage, "{at}");
    }
    unreachable!()
}

#[test]
fn medium_errors() {
    for (name, operation) in operations() {
        let faults = each_fault(name, operation, |world, nth| world.pm.fail_call(nth));
        println!("{name}: {faults} calls failed");
    }
}

#[test]
fn no_memory() {
    for (name, operation) in operations() {
        let faults = each_fault(name, operation, |_, nth| fail_allocation(nth));
        println!("{name}: {faults} allocations failed");
    }
}

#[test]
fn no_memory_for_a_mount() {
    let world = World::new();
    let tree = world.look();
    let whole = Volume::mount(Pm::new(world.pm.image()), &options()).unwrap();
    let free = whole.usage().free;
    for nth in 1.. {
        let pm = Pm::new(world.pm.image());
        fail_allocation(nth);
        let mounted = Volume::mount(pm.clone(), &options());
        if fail_allocation(0) > 0 {
            mounted.unwrap();
            break;
        }
        match mounted {
            // There was none to note that the inode of an orphan is free.
            Ok(volume) => assert_eq!(volume.usage().free, free),
            Err(error) => assert_eq!(error, Error::NoMemory),
        }
        let again = Volume::mount(pm, &options()).unwrap();
        assert_eq!(walk(&again).unwrap().len(), tree.len());
    }
}

/// Where no inode is free when the volume is mounted, nothing is allocated to note free ones with. What an
/// inode that is created or freed leaves is what the next mount finds.
#[test]
fn no_memory_to_note_inodes() {
    let image = {
        let mut world = World::new();
        let (volume, e) = (&world.volume, &mut world.e);
        volume.evict(&mut world.orphan).unwrap();
        volume.create(e, b"o", &file(), EARLY()).unwrap();
        assert_eq!(volume.usage().inodes % 16, 0);
        volume.deactivate().unwrap();
        world.pm.image()
    };
    type Change = fn(&Volume<Pm>, &mut Node, &mut Node) -> Result;
    let changes: [(&str, Change); 2] = [
        ("create", |volume, root, _| {
            volume.create(root, b"n", &file(), NOW()).map(drop)
        }),
        ("evict", |volume, _, unnamed| volume.evict(unnamed)),
    ];
    for (name, change) in changes {
        for nth in 1.. {
            let at = format!("{name}, allocation {nth}");
            let pm = Pm::new(image.clone());
            let volume = Volume::mount(pm.clone(), &options()).unwrap();
            let mut root = volume.iget(volume.root()).unwrap();
            let found = volume.lookup(&mut root, b"f").unwrap().unwrap();
            let mut unnamed = volume.iget(found.ino).unwrap();
            volume
                .unlink(&mut root, b"f", &mut unnamed, EARLY())
                .unwrap();
            fail_allocation(nth);
            let result = change(&volume, &mut root, &mut unnamed);
            let left = fail_allocation(0);
            if result.is_err() {
                assert_eq!(result, Err(Error::NoMemory), "{at}");
                change(&volume, &mut root, &mut unnamed).unwrap();
            }
            volume.evict(&mut unnamed).unwrap();
            volume.deactivate().unwrap();
            let again = Volume::mount(Pm::new(pm.image()), &options()).unwrap();
            assert_eq!(again.usage(), volume.usage(), "{at}");
            if left > 0 {
                break;
            }
        }
    }
}
