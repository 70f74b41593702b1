// SPDX-License-Identifier: GPL-2.0

//! Power cuts while the tools store to a volume, by way of the page cache: every state that one can
//! leave is mounted, or repaired again, and has lost nothing.

#[path = "common/cache.rs"]
mod cache;
mod common;
#[path = "common/model.rs"]
mod model;

use cache::{
    repair_all,
    small_image,
    tree_of,
    Case, //
};
use model::{
    pm::{
        Kind,
        Pm, //
    },
    script::look,
    tree::Tree, //
};
use rdaxfs_core::{
    format,
    format_types::{
        SuperBlock,
        SLOT_SIZE, //
    },
    load_super,
    update_super,
    AttrChange,
    FormatOptions,
    Medium,
    MountOptions,
    Result,
    Volume, //
};
use rdaxfs_progs::{
    probe,
    wipe, //
};

/// A volume that lost power with a transaction in each of several journal slots, committed but not
/// applied, and what is to be seen.
fn interrupted() -> (Vec<u8>, Tree) {
    let pm = Pm::new(small_image());
    let volume = Volume::mount(pm.clone(), &MountOptions::default()).unwrap();
    let image = pm.image();
    let mut root = volume.iget(volume.root()).unwrap();
    pm.record();
    for name in [&b"fifo"[..], b"holey", b"symlink5", b"0", b"dir"] {
        let ino = volume.lookup(&mut root, name).unwrap().unwrap().ino;
        let mut node = volume.iget(ino).unwrap();
        let change = AttrChange {
            uid: Some(77),
            ..AttrChange::default()
        };
        volume.set_attr(&mut node, &change).unwrap();
    }
    let interrupted = Pm::new(image);
    let layout = *volume.layout();
    let slots = layout.slot_at(0)..layout.slot_at(layout.slots);
    for event in pm.recorded() {
        let Kind::Store { at, data } = event.kind else {
            continue;
        };
        let frees = (at - slots.start) % SLOT_SIZE as u64 == 0 && data == [0; 8];
        if slots.contains(&at) && !frees {
            interrupted.put(at, &data);
        }
    }
    let expected = look(&pm).unwrap();
    let image = interrupted.image();
    let pending = rdaxfs_core::pending_transactions(&interrupted, &layout).unwrap();
    assert_eq!(pending, 5);
    (image, expected)
}

/// The volume mounts, shows `expected`, and is in order then.
fn shows(pm: &Pm, expected: &Tree) -> std::result::Result<(), String> {
    let tree = look(pm)?;
    if tree != *expected {
        return Err("something else is on the volume".into());
    }
    model::tree::check(pm)
}

#[test]
fn replay() {
    let (image, expected) = interrupted();
    let case = Case::record(image, |pm| repair_all(pm).unwrap());
    case.verify("replay", |pm| shows(pm, &expected));
}

/// Volumes whose superblocks a power cut left in all ways: as large as their devices and smaller;
/// the first or the second superblock older than the other, or torn, or neither.
fn with_superblocks(mut f: impl FnMut(&str, Vec<u8>)) {
    let small = small_image();
    let mut smaller_than_its_device = small.clone();
    smaller_than_its_device.resize(small.len() + (1 << 20), 0x77);
    let last = small.len() - 4096;
    for (name, image) in [("full", small), ("smaller", smaller_than_its_device)] {
        f(&format!("{name}, both"), image.clone());
        let pm = Pm::new(image.clone());
        update_super(&pm, |sb| sb.label[..3].copy_from_slice(b"old")).unwrap();
        let newer = pm.image();
        for (copy, which) in [(0, "first"), (last, "second")] {
            let other = last - copy;
            let mut image = image.clone();
            image[other..][..512].copy_from_slice(&newer[other..][..512]);
            f(&format!("{name}, {which} older"), image.clone());
            // A part of the label.
            image[copy + 100..][..28].fill(0x11);
            f(&format!("{name}, {which} torn"), image);
        }
    }
}

#[test]
fn label() {
    with_superblocks(|name, image| {
        let tree = tree_of(&image);
        let before = load_super(&Pm::new(image.clone())).unwrap();
        let case = Case::record(image, |pm| {
            update_super(pm, |sb| sb.label[..5].copy_from_slice(b"label")).unwrap();
        });
        let after = load_super(&case.done).unwrap();
        assert_eq!(after.label()[..5], *b"label");
        assert_eq!(after.serial.get(), before.serial.get() + 1);
        case.verify(&format!("label, {name}"), |pm| {
            let sb = load_super(pm).map_err(|error| format!("{error:?}"))?;
            let same = |other: &&SuperBlock| {
                (other.serial.get(), other.label()) == (sb.serial.get(), sb.label())
            };
            if [before, after].iter().find(same).is_none() {
                return Err(format!("label {:?}", sb.label()));
            }
            shows(pm, &tree)
        });
    });
}

#[test]
fn mount_and_unmount() {
    with_superblocks(|name, image| {
        let tree = tree_of(&image);
        let case = Case::record(image, |pm| {
            let volume = Volume::mount(pm.clone(), &MountOptions::default()).unwrap();
            volume.deactivate().unwrap();
        });
        case.verify(&format!("mount, {name}"), |pm| shows(pm, &tree));
    });
}

#[test]
fn serial_numbers_wrap() {
    let pm = Pm::new(small_image());
    let mut last = update_super(&pm, |sb| sb.serial.set(u64::MAX - 3)).unwrap();
    for _ in 0..6 {
        let next = update_super(&pm, |sb| sb.mounts.set(sb.mounts.get() + 1)).unwrap();
        assert!(SuperBlock::is_newer(next.serial.get(), last.serial.get()));
        // Of two that differ the newer one counts, wherever it is.
        for at in [0, (8 << 20) - 4096] {
            let mark = pm.mark();
            pm.put(at, last.encode());
            assert_eq!(load_super(&pm).unwrap().mounts.get(), next.mounts.get());
            pm.rollback(mark);
        }
        last = next;
    }
}

/// The front of a device.
struct Front<'a>(&'a Pm, u64);

impl Medium for Front<'_> {
    fn size(&self) -> u64 {
        self.1
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.0.load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        self.0.store(at, data)
    }

    fn flush(&self, at: u64, len: u64) -> Result {
        self.0.flush(at, len)
    }

    fn fence(&self) -> Result {
        self.0.fence()
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        self.0.zero(at, len)
    }
}

/// Makes a volume as `mkfs.rdaxfs` does.
fn mkfs(pm: &Pm, size: u64) {
    let options = FormatOptions {
        uuid: [9; 16],
        label: b"new",
        ..FormatOptions::default()
    };
    wipe(pm).unwrap();
    format(&Front(pm, size), &options, |_, _| ()).unwrap();
}

#[test]
fn mkfs_over_a_volume() {
    const MIB: u64 = 1 << 20;
    let old = small_image();
    let tree = tree_of(&old);
    // Size of the device and of the new volume; the old one has 8 MiB.
    for (device, new) in [(8, 8), (10, 8), (10, 10), (12, 10)] {
        let mut image = old.clone();
        image.resize((device * MIB) as usize, 0x77);
        let case = Case::record(image, |pm| mkfs(pm, new * MIB));
        verify_mkfs(&format!("mkfs of {new} MiB on {device}"), &case, &tree);
    }
    // A volume that fills its device, and a smaller new one.
    let image = model::pm::Pm::new(vec![0; (10 * MIB) as usize]);
    mkfs(&image, 10 * MIB);
    update_super(&image, |sb| sb.label[..3].copy_from_slice(b"old")).unwrap();
    let image = image.image();
    let tree = tree_of(&image);
    let case = Case::record(image, |pm| mkfs(pm, 8 * MIB));
    verify_mkfs("mkfs of 8 MiB over 10", &case, &tree);
}

/// There is the old volume, the new one, or none.
fn verify_mkfs(name: &str, case: &Case, old: &Tree) {
    let new = look(&case.done).unwrap();
    assert_eq!(new.len(), 1);
    case.verify(name, |pm| {
        let Ok(sb) = load_super(pm) else {
            return Ok(());
        };
        let expected = match sb.label() {
            b"new" => &new,
            _ => old,
        };
        shows(pm, expected)
    });
    // Nothing is left to come back when the first superblock is lost.
    let mark = case.done.mark();
    case.done.put(0, &[0; 4096]);
    let left = load_super(&case.done).ok();
    assert!(left.is_none_or(|sb| sb.label() == b"new"), "{name}");
    case.done.rollback(mark);
}

#[test]
fn mkfs_over_something_else() {
    let signatures: [(usize, &[u8]); 5] = [
        (0, b"XFSB"),
        (0x438, &[0x53, 0xef]),
        (0x10040, b"_BHRfS_M"),
        (0x20008, &[0x0c, 0xb1, 0xba, 0]),
        ((8 << 20) - 512, b"EFI PART"),
    ];
    for (at, signature) in signatures {
        let mut image: Vec<u8> = (0..8 << 20).map(|i: u32| (i / 7) as u8 | 1).collect();
        image[at..][..signature.len()].copy_from_slice(signature);
        let old = image.clone();
        let case = Case::record(image, |pm| mkfs(pm, 8 << 20));
        case.verify(&format!("mkfs over a signature at {at}"), |pm| {
            let found = probe(pm);
            if found.is_none() {
                return Ok(());
            }
            if load_super(pm).is_ok() {
                return (look(pm)?.len() == 1)
                    .then_some(())
                    .ok_or("not empty".into());
            }
            if found.is_some_and(|found| found.name == "rdaxfs") {
                return Ok(());
            }
            // Whole, but for the signature itself.
            let (now, end) = (pm.image(), at + signature.len());
            match now[..at] == old[..at] && now[end..] == old[end..] {
                true => Ok(()),
                false => Err(format!("{found:?} is half overwritten")),
            }
        });
    }
}
