// SPDX-License-Identifier: GPL-2.0

//! Every rule of the format broken on its own: the check names it, and repair puts it in order.

mod common;

use common::{
    inode,
    mount,
    now,
    populated,
    Ram, //
};
use rdaxfs_check::{
    check,
    repair,
    Kind,
    Options, //
};
use rdaxfs_core::{
    format_types::{
        Blob,
        Dirent,
        DiskInode,
        EntryHead,
        Extent,
        ExtentGroup,
        ImapGroup,
        Layout,
        RawExtent,
        SlotHead,
        State,
        DIR_SLOTS,
        IMAP_GROUP_SIZE,
        INODE_SIZE, //
    },
    load_super,
    update_super,
    Medium,
    Node, //
};

/// A populated volume to break something of.
struct Broken {
    ram: Ram,
    layout: Layout,
    root: u64,
}

impl Broken {
    fn new() -> Self {
        let ram = populated();
        let sb = load_super(&&ram).unwrap();
        let (layout, root) = (sb.layout(), sb.root.get());
        Self { ram, layout, root }
    }

    /// The inode with a name in the root directory.
    fn find(&self, name: &str) -> u64 {
        let volume = mount(&self.ram);
        let mut root = volume.iget(self.root).unwrap();
        let found = volume.lookup(&mut root, name.as_bytes()).unwrap().unwrap();
        volume.deactivate().unwrap();
        found.ino
    }

    fn node(&self, ino: u64) -> Node {
        let volume = mount(&self.ram);
        let node = volume.iget(ino).unwrap();
        volume.deactivate().unwrap();
        node
    }

    fn store(&self, at: u64, data: &[u8]) {
        (&self.ram).store(at, data).unwrap();
    }

    fn load<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        (&self.ram).load(at, &mut bytes).unwrap();
        bytes
    }

    fn edit(&self, ino: u64, change: impl FnOnce(&mut DiskInode)) {
        let bytes: [u8; INODE_SIZE] = self.load(self.layout.inode_at(ino));
        let mut inode = DiskInode::decode(&bytes, ino).unwrap();
        change(&mut inode);
        self.store(self.layout.inode_at(ino), inode.encode());
    }

    fn edit_named(&self, name: &str, change: impl FnOnce(&mut DiskInode)) {
        self.edit(self.find(name), change);
    }

    /// Changes the entry `name` of directory `dir`.
    fn edit_entry(&self, dir: u64, name: &str, change: impl FnOnce(&mut Dirent<'_>)) {
        for extent in self.node(dir).iter_extents() {
            for block in extent.pblk..extent.pend() {
                let bytes: [u8; 4096] = self.load(block * 4096);
                let mut slot = 0;
                while slot < DIR_SLOTS {
                    let mut dirent = Dirent::decode(&bytes, slot, dir).unwrap();
                    let slots = dirent.slots;
                    if dirent.name == name.as_bytes() {
                        change(&mut dirent);
                        let mut out = [0; 4096];
                        let len = dirent.encode(dir, &mut out).unwrap();
                        return self.store(block * 4096 + slot as u64 * 64, &out[..len]);
                    }
                    slot += slots;
                }
            }
        }
        panic!("no entry {name}");
    }

    fn edit_group(&self, ino: u64, change: impl FnOnce(ExtentGroup) -> ExtentGroup) {
        let node = self.node(ino);
        let inode = node.inode();
        let at = inode.extents.get() * 4096;
        let bytes: [u8; ExtentGroup::SIZE] = self.load(at);
        let old = ExtentGroup::decode(&bytes, ino, inode.generation.get(), 0).unwrap();
        self.store(at, change(old).encode());
    }

    fn transaction(&self, at: u64, flip: bool) {
        let mut payload = EntryHead::new(at, 8).bytes().to_vec();
        payload.extend_from_slice(&self.load::<8>(at));
        let mut slot = SlotHead::new(7, &payload).bytes().to_vec();
        slot[..8].copy_from_slice(&7u64.to_le_bytes());
        slot.extend_from_slice(&payload);
        let last = slot.len() - 1;
        slot[last] ^= u8::from(flip);
        self.store(self.layout.slot_at(3), &slot);
    }

    fn set_state(&self, state: State) {
        update_super(&&self.ram, |sb| sb.set_state(state)).unwrap();
    }
}

/// Breaks something, and expects that it is found, with others that follow from it, and put in
/// order.
fn breaks(kind: Kind, break_it: impl FnOnce(&Broken)) {
    let broken = Broken::new();
    break_it(&broken);
    let report = check(&&broken.ram, &Options::default());
    assert_ne!(report.count(kind), 0, "no {kind:?} in:\n{report}");
    let done = repair(&&broken.ram, now(), |_| true).unwrap();
    assert!(done.left.is_clean(), "after {kind:?}:\n{}", done.left);
    let report = check(&&broken.ram, &Options::default());
    assert!(report.is_clean(), "after {kind:?}:\n{report}");
    mount(&broken.ram);
}

fn extent(lblk: u64, pblk: u64, len: u64) -> Extent {
    Extent {
        lblk,
        pblk,
        len,
        unwritten: false,
    }
}

#[test]
fn superblocks() {
    breaks(Kind::BadSuper, |volume| volume.store(0, &[0; 8]));
    breaks(Kind::StaleSuper, |volume| volume.store(100, &[1; 8]));
    breaks(Kind::StaleSuper, |volume| {
        let mut sb = load_super(&&volume.ram).unwrap();
        sb.serial.set(sb.serial.get() + 1);
        volume.store(0, sb.encode());
    });
    breaks(Kind::NotUnmounted, |volume| volume.set_state(State::Active));
    breaks(Kind::MarkedBad, |volume| volume.set_state(State::Errors));
}

#[test]
fn journal() {
    let inode = |volume: &Broken| volume.layout.inode_at(volume.root);
    breaks(Kind::PendingTransaction, |volume| {
        volume.transaction(inode(volume), false);
    });
    breaks(Kind::BadSlot, |volume| {
        volume.transaction(inode(volume), true)
    });
    // No transaction may store there.
    breaks(Kind::BadSlot, |volume| volume.transaction(0, false));
    breaks(Kind::BadSlot, |volume| {
        volume.transaction(volume.layout.slot_at(5), false);
    });
    breaks(Kind::BadSlot, |volume| {
        volume.transaction(volume.layout.end_block() * 4096, false);
    });
}

/// Freeing a slot loses a transaction: that is asked for, and nothing is replayed without it.
#[test]
fn a_bad_slot_is_freed_only_if_that_is_allowed() {
    let broken = Broken::new();
    broken.transaction(broken.layout.slot_at(5), false);
    let at = broken.layout.slot_at(3);
    let good = broken.load::<8192>(at);
    let done = repair(&&broken.ram, now(), |_| false).unwrap();
    assert_eq!(done.left.count(Kind::BadSlot), 1);
    assert!(broken.load::<8192>(at) == good);
    let mut asked = 0;
    let done = repair(&&broken.ram, now(), |problem| {
        asked += u32::from(problem.kind == Kind::BadSlot);
        true
    });
    assert!(done.unwrap().left.is_clean());
    assert_eq!(asked, 1);
    assert_eq!(broken.load::<8192>(at), [0; 8192]);
}

#[test]
fn inode_map() {
    breaks(Kind::BadMap, |volume| {
        volume.store(volume.layout.imap_at(1) + 50, &[9])
    });
    let set = |volume: &Broken, block: u64| {
        let at = volume.layout.imap_at(0);
        let bytes: [u8; IMAP_GROUP_SIZE] = volume.load(at);
        let mut group = ImapGroup::decode(&bytes, 0).unwrap();
        group.set(block, !group.get(block));
        volume.store(at, group.encode());
    };
    // Block 0 is the superblock; and one of data; and the root directory's own inode is gone.
    breaks(Kind::BadMapBit, |volume| set(volume, 0));
    breaks(Kind::BadMapBit, |volume| set(volume, 1900));
    breaks(Kind::NoRoot, |volume| {
        set(volume, volume.layout.inode_block(volume.root))
    });
}

#[test]
fn inodes() {
    breaks(Kind::BadInode, |volume| {
        let at = volume.layout.inode_at(volume.find("fifo"));
        volume.store(at + 100, &[0x55; 4]);
    });
    breaks(Kind::BadInode, |volume| {
        volume.edit_named("holey", |inode| inode.flags.set(1 << 20))
    });
    breaks(Kind::NoRoot, |volume| {
        volume.edit(volume.root, |inode| inode.mode.set(0o100644))
    });
    breaks(Kind::StrayField, |volume| {
        volume.edit_named("fifo", |inode| inode.size.set(5))
    });
    breaks(Kind::StrayField, |volume| {
        volume.edit_named("symlink5", |inode| inode.extents.set(700));
    });
    breaks(Kind::WrongLinkCount, |volume| {
        volume.edit_named("holey", |inode| inode.nlink.set(2))
    });
    breaks(Kind::WrongLinkCount, |volume| {
        volume.edit_named("holey", |inode| inode.nlink.set(0))
    });
    breaks(Kind::WrongLinkCount, |volume| {
        volume.edit_named("down", |inode| inode.nlink.set(2))
    });
    breaks(Kind::WrongParent, |volume| {
        let other = volume.find("left");
        volume.edit_named("down", |inode| inode.parent.set(other));
    });
    breaks(Kind::WrongParent, |volume| {
        volume.edit(volume.root, |inode| inode.parent.set(0))
    });
}

#[test]
fn unwanted_values_do_not_cost_the_file() {
    let broken = Broken::new();
    broken.edit_named("holey", |inode| inode.flags.set(1 << 20));
    repair(&&broken.ram, now(), |_| true).unwrap();
    let node = broken.node(broken.find("holey"));
    assert!(node.inode().flags.get() == 0 && node.extents() >= 60);
}

#[test]
fn extents() {
    let set = |volume: &Broken, name: &str, slot: usize, extent: Extent| {
        volume.edit_named(name, |inode| {
            inode.set_extent(slot, RawExtent::new(&extent))
        });
    };
    breaks(Kind::BadExtent, |volume| {
        set(volume, "holey", 0, extent(0, 1, 1))
    });
    breaks(Kind::BadExtent, |volume| {
        set(volume, "holey", 0, extent(0, 4000, 1000))
    });
    breaks(Kind::BadExtent, |volume| {
        set(volume, "holey", 0, extent(1 << 51, 4000, 1))
    });
    breaks(Kind::BadExtent, |volume| {
        set(volume, "holey", 0, extent(0, 4000, 0))
    });
    breaks(Kind::OverlappingExtents, |volume| {
        set(volume, "holey", 0, extent(0, 4000, 3))
    });
    breaks(Kind::WrittenPastEnd, |volume| {
        set(volume, "0", 5, extent(9, 4000, 2))
    });
    breaks(Kind::WrittenPastEnd, |volume| {
        volume.edit_named("holey", |inode| inode.size.set(9))
    });
    breaks(Kind::BlockUsedTwice, |volume| {
        let other = volume.node(volume.find("0")).iter_extents().next().unwrap();
        set(volume, "holey", 0, extent(0, other.pblk, 1));
    });
    breaks(Kind::BlockUsedTwice, |volume| {
        set(
            volume,
            "holey",
            0,
            extent(0, volume.layout.inode_block(volume.root), 1),
        );
    });
}

#[test]
fn chains() {
    breaks(Kind::BadChain, |volume| {
        volume.edit_named("holey", |inode| inode.extents.set(1))
    });
    breaks(Kind::BadChain, |volume| {
        volume.edit_named("holey", |inode| inode.extents.set(4000))
    });
    breaks(Kind::BadChain, |volume| {
        volume.edit_named("holey", |inode| inode.generation.set(99));
    });
    breaks(Kind::BadExtentGroup, |volume| {
        let node = volume.node(volume.find("holey"));
        volume.store(node.inode().extents.get() * 4096 + 256 + 40, &[0x77; 2]);
    });
    // A chain that leads into itself.
    breaks(Kind::BlockUsedTwice, |volume| {
        let ino = volume.find("holey");
        let node = volume.node(ino);
        volume.edit_group(ino, |old| {
            let (generation, next) = (node.inode().generation.get(), node.inode().extents.get());
            let mut group = ExtentGroup::new(ino, generation, 0, next);
            group.extents = old.extents;
            group
        });
    });
}

#[test]
fn blobs() {
    let rewrite = |volume: &Broken, name: &str, payload: &[u8]| {
        let ino = volume.find(name);
        let node = volume.node(ino);
        let head = match node.inode().is_symlink() {
            true => node.inode().extents.get(),
            false => node.inode().xattrs.get(),
        };
        let mut out = [0; 4096];
        let blob = Blob { next: 0, payload };
        let len = blob.encode(ino, node.inode().generation.get(), &mut out);
        volume.store(head * 4096, &out[..len.unwrap()]);
    };
    let xattrs = "0";
    breaks(Kind::BadXattrs, |volume| {
        rewrite(volume, xattrs, b"\x05\x01\x00")
    });
    breaks(Kind::BadXattrs, |volume| {
        rewrite(volume, xattrs, b"\x00\x00\x00\x00\x00")
    });
    breaks(Kind::BadXattrs, |volume| {
        rewrite(
            volume,
            xattrs,
            b"\x01\x00\x00\x00\x00a\x01\x00\x00\x00\x00a",
        );
    });
    breaks(Kind::BadChain, |volume| {
        volume.edit_named(xattrs, |inode| inode.xattrs.set(4000))
    });
    breaks(Kind::BlockUsedTwice, |volume| {
        let ino = volume.find(xattrs);
        let node = volume.node(ino);
        let head = node.inode().xattrs.get();
        let blob = Blob {
            next: head,
            payload: b"",
        };
        let mut out = [0; 4096];
        let len = blob.encode(ino, node.inode().generation.get(), &mut out);
        volume.store(head * 4096, &out[..len.unwrap()]);
    });
    breaks(Kind::BadTarget, |volume| {
        rewrite(volume, "symlink129", b"short")
    });
    breaks(Kind::BadTarget, |volume| {
        rewrite(volume, "symlink129", &[0; 129])
    });
    breaks(Kind::BadTarget, |volume| {
        volume.edit_named("symlink5", |inode| inode.size.set(0))
    });
    breaks(Kind::BadTarget, |volume| {
        volume.edit_named("symlink5", |inode| inode.size.set(6))
    });
    breaks(Kind::BadTarget, |volume| {
        volume.edit_named("symlink5", |inode| inode.size.set(5000))
    });
}

#[test]
fn directories() {
    breaks(Kind::BadDirShape, |volume| {
        volume.edit_named("down", |inode| inode.size.set(1 << 20))
    });
    breaks(Kind::BadDirShape, |volume| {
        volume.edit_named("down", |inode| inode.size.set(0))
    });
    breaks(Kind::BadDirShape, |volume| {
        let ino = volume.find("down");
        let first = volume.node(ino).iter_extents().next().unwrap();
        let unwritten = Extent {
            unwritten: true,
            ..first
        };
        volume.edit(ino, |inode| inode.set_extent(0, RawExtent::new(&unwritten)));
    });
    breaks(Kind::BadDirShape, |volume| {
        let ino = volume.find("down");
        let first = volume.node(ino).iter_extents().next().unwrap();
        let moved = Extent { lblk: 100, ..first };
        volume.edit(ino, |inode| inode.set_extent(0, RawExtent::new(&moved)));
    });
    breaks(Kind::BadEntry, |volume| {
        let first = volume.node(volume.root).iter_extents().next().unwrap();
        volume.store(first.pblk * 4096 + 64 + 4, &[0; 1]);
    });
    let root = |volume: &Broken, name, change: &dyn Fn(&mut Dirent<'_>)| {
        volume.edit_entry(volume.root, name, |dirent| change(dirent));
    };
    breaks(Kind::DanglingEntry, |volume| {
        root(volume, "fifo", &|dirent| dirent.ino = 99)
    });
    breaks(Kind::DanglingEntry, |volume| {
        let free = volume.find("fifo");
        volume.edit(free, |inode| inode.mode.set(0));
    });
    breaks(Kind::WrongFileType, |volume| {
        root(volume, "fifo", &|dirent| dirent.file_type = 8)
    });
    breaks(Kind::DuplicateName, |volume| {
        root(volume, "link15", &|dirent| dirent.name = b"link10")
    });
    breaks(Kind::DirLinkedTwice, |volume| {
        let other = volume.find("left");
        root(volume, "down", &|dirent| dirent.ino = other);
    });
    breaks(Kind::DirLinkedTwice, |volume| {
        let ino = volume.root;
        root(volume, "down", &|dirent| dirent.ino = ino);
    });
    breaks(Kind::Lost, |volume| {
        root(volume, "down", &|dirent| {
            *dirent = Dirent::free(dirent.slots)
        })
    });
}

#[test]
fn cycles() {
    breaks(Kind::Cycle, |volume| {
        // `down` goes into its own subdirectory, in place of what was there.
        let (down, left) = (volume.find("down"), volume.find("left"));
        let sub = volume.node(down).ino();
        volume.edit_entry(sub, "down", |dirent| dirent.ino = left);
        volume.edit_entry(left, "down", |dirent| dirent.ino = down);
        volume.edit_entry(volume.root, "down", |dirent| {
            *dirent = Dirent::free(dirent.slots)
        });
        volume.edit_entry(volume.root, "left", |dirent| {
            *dirent = Dirent::free(dirent.slots)
        });
    });
    breaks(Kind::Cycle, |volume| {
        let down = volume.find("down");
        volume.edit_entry(down, "down", |dirent| dirent.ino = down);
    });
}

#[test]
fn orphans() {
    breaks(Kind::Orphan, |volume| {
        let ram = mount(&volume.ram);
        let root = ram.iget(volume.root).unwrap();
        ram.tmpfile(&root, &inode(0o100600), now()).unwrap();
    });
}
