// SPDX-License-Identifier: GPL-2.0

//! What is on a device already, as its first (or last) bytes tell.

use rdaxfs_core::{
    format_types::{
        BLOCK_SIZE,
        MAGIC, //
    },
    load_super,
    Medium,
    Result, //
};

/// Something on a device that would be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What, as `blkid` names it.
    pub name: &'static str,
    /// The byte where its signature is.
    pub at: u64,
}

/// Name, byte (from the end if negative), signature.
const SIGNATURES: &[Signature] = &[
    ("rdaxfs", 0, &MAGIC),
    ("xfs", 0, b"XFSB"),
    ("ext2/3/4", 0x438, &[0x53, 0xef]),
    ("btrfs", 0x10040, b"_BHRfS_M"),
    ("f2fs", 0x400, &[0x10, 0x20, 0xf5, 0xf2]),
    ("bcachefs", 0x1018, &[0xc6, 0x85, 0x73, 0xf6]),
    ("squashfs", 0, b"hsqs"),
    ("erofs", 0x400, &[0xe2, 0xe1, 0xf5, 0xe0]),
    ("iso9660", 0x8001, b"CD001"),
    ("udf", 0x8001, b"BEA01"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("vfat", 0x52, b"FAT32   "),
    ("vfat", 0x36, b"FAT16   "),
    ("vfat", 0x36, b"FAT12   "),
    ("swap", 4096 - 10, b"SWAPSPACE2"),
    ("swap", 4096 - 10, b"SWAP-SPACE"),
    ("LUKS", 0, b"LUKS\xba\xbe"),
    ("LVM2", 0x200, b"LABELONE"),
    ("LVM2", 0, b"LABELONE"),
    ("Linux RAID", 0x1000, &[0xfc, 0x4e, 0x2b, 0xa9]),
    ("Linux RAID", 0, &[0xfc, 0x4e, 0x2b, 0xa9]),
    (
        "bcache",
        0x1018,
        &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca],
    ),
    ("nova", 4, &[0x56, 0x4f, 0x4e]),
    ("famfs", 0, &[0x31, 0x17, 0xb6, 0x87]),
    ("cramfs", 0, &[0x45, 0x3d, 0xcd, 0x28]),
    ("jfs", 0x8000, b"JFS1"),
    ("nilfs2", 0x406, &[0x34, 0x34]),
    ("ocfs2", 0x2000, b"OCFSV2"),
    ("gfs2", 0x10000, &[0x01, 0x16, 0x19, 0x70]),
    ("reiserfs", 0x10034, b"ReIsErFs"),
    ("reiserfs", 0x10034, b"ReIsEr2Fs"),
    ("zfs", 0x20008, &[0x0c, 0xb1, 0xba, 0]),
    ("GPT", 0x200, b"EFI PART"),
    ("GPT", 0x1000, b"EFI PART"),
    ("GPT", -512, b"EFI PART"),
    ("BTT", 0x1000, b"BTT_ARENA_INFO\0\0"),
    ("pmem namespace info block", 0x1000, b"NVDIMM_PFN_INFO\0"),
    ("pmem namespace info block", 0x1000, b"NVDIMM_DAX_INFO\0"),
    // Last: a boot sector of another filesystem has it too.
    ("MBR partition table", 510, &[0x55, 0xaa]),
];

type Signature = (&'static str, i64, &'static [u8]);

/// Whether `medium` has a signature, and at which byte. What cannot be read has none.
fn place_of(medium: &impl Medium, &(_, at, signature): &Signature) -> Option<u64> {
    let at = match u64::try_from(at) {
        Ok(at) => at,
        Err(_) => medium.size().checked_sub(at.unsigned_abs())?,
    };
    let mut bytes = vec![0; signature.len()];
    medium.load(at, &mut bytes).ok()?;
    (bytes == signature).then_some(at)
}

/// What is on `medium`.
pub fn probe(medium: &impl Medium) -> Option<Found> {
    let has = |signature: &Signature| {
        let at = place_of(medium, signature)?;
        Some(Found {
            name: signature.0,
            at,
        })
    };
    SIGNATURES.iter().find_map(has)
}

/// Takes the signatures of all that is on `medium` away, durably. Nothing else is changed: what a
/// power cut leaves is what was there, or nothing that is taken for anything.
pub fn wipe(medium: &impl Medium) -> Result {
    let mut found: Vec<(u64, usize)> = SIGNATURES
        .iter()
        .filter_map(|signature| Some((place_of(medium, signature)?, signature.2.len())))
        .collect();
    // A volume of rdaxfs may be smaller than the device that it is on.
    let volume = load_super(medium).ok().map(|sb| sb.layout().end_block());
    let ends = [volume, (medium.size() / BLOCK_SIZE).checked_sub(1)];
    for at in ends
        .iter()
        .flatten()
        .map(|end| end.saturating_mul(BLOCK_SIZE))
    {
        if place_of(medium, &("rdaxfs", at as i64, &MAGIC)).is_some() {
            found.push((at, MAGIC.len()));
        }
    }
    for (at, len) in found {
        medium.store(at, &vec![0; len])?;
        medium.flush(at, len as u64)?;
    }
    medium.fence()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileMedium;
    use std::os::unix::fs::FileExt;

    #[test]
    fn every_signature_is_found() {
        for &(name, at, signature) in SIGNATURES {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(1 << 20).unwrap();
            assert_eq!(probe(&FileMedium::open(file.path()).unwrap()), None);
            let at = u64::try_from(at).unwrap_or((1 << 20) - at.unsigned_abs());
            file.as_file().write_all_at(signature, at).unwrap();
            let found = probe(&FileMedium::open(file.path()).unwrap()).unwrap();
            // Some share their beginning.
            assert!(found.name == name || found.name == "bcachefs", "{name}");
            wipe(&FileMedium::open_to_write(file.path()).unwrap()).unwrap();
            assert_eq!(probe(&FileMedium::open(file.path()).unwrap()), None);
        }
    }
}
