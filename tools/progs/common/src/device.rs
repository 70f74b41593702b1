// SPDX-License-Identifier: GPL-2.0

//! What the kernel knows of a device.

use anyhow::{
    bail,
    Context, //
};
use rustix::fs::OFlags;
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{
        FileTypeExt,
        MetadataExt,
        OpenOptionsExt, //
    },
    path::{
        Path,
        PathBuf, //
    },
};

/// Where a device is mounted.
#[derive(Clone, Debug)]
pub struct MountPoint {
    /// The directory.
    pub path: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// The type of the filesystem.
    pub fs_type: String,
}

/// The device number as sysfs has it.
fn number(device: u64) -> String {
    format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    )
}

/// Whether a filesystem or driver has the device `path`, or a loop device on the image `path`. This
/// finds mounts of other mount namespaces too, and the parts of device-mapper devices.
pub fn is_held(path: &Path) -> anyhow::Result<bool> {
    let meta = fs::metadata(path).with_context(|| format!("{}", path.display()))?;
    let devices = match meta.file_type().is_block_device() {
        true => vec![path.to_owned()],
        false => loops_of(&fs::canonicalize(path)?)
            .filter_map(|dir| Some(Path::new("/dev").join(dir.file_name()?)))
            .collect(),
    };
    // Of a block device O_EXCL asks whether it is mounted or claimed otherwise.
    let held = |device: &PathBuf| {
        let mut options = fs::OpenOptions::new();
        options.read(true).custom_flags(OFlags::EXCL.bits() as i32);
        let opened = options.open(device);
        opened.is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
    };
    Ok(devices.iter().any(held))
}

/// Where `path` is mounted, if it is: a block device itself, an image by way of a loop device.
pub fn mount_of(path: &Path) -> anyhow::Result<Option<MountPoint>> {
    let meta = fs::metadata(path).with_context(|| format!("{}", path.display()))?;
    let mut devices = Vec::new();
    if meta.file_type().is_block_device() {
        devices.push(number(meta.rdev()));
    } else {
        let numbers = loops_of(&fs::canonicalize(path)?)
            .filter_map(|dir| fs::read_to_string(dir.join("dev")).ok());
        devices.extend(numbers.map(|device| device.trim().to_string()));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
    Ok(mounts
        .lines()
        .filter_map(parse_mount)
        .find(|(device, _)| devices.contains(device))
        .map(|(_, mount)| mount))
}

/// The directories in sysfs of the loop devices on an image.
fn loops_of(image: &Path) -> impl Iterator<Item = PathBuf> {
    let blocks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let image = image.to_owned();
    blocks.map(|entry| entry.path()).filter(move |dir| {
        let backing = fs::read_to_string(dir.join("loop/backing_file"));
        backing.is_ok_and(|backing| Path::new(backing.trim_end_matches('\n')) == image)
    })
}

/// A line of mountinfo: device number and mount point.
fn parse_mount(line: &str) -> Option<(String, MountPoint)> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(2);
    let device = fields.next()?.to_string();
    let path = fields.nth(1)?.replace("\\040", " ");
    let options = fields.next()?;
    let mut right = right.split(' ');
    let fs_type = right.next()?.to_string();
    let super_options = right.nth(1).unwrap_or_default();
    let ro = |options: &str| options.split(',').any(|option| option == "ro");
    Some((
        device,
        MountPoint {
            path,
            // The mount of a directory can be read-only where the filesystem is not.
            read_only: ro(super_options) || (ro(options) && super_options.is_empty()),
            fs_type,
        },
    ))
}

/// The block device that a file or directory is on; a block device is on itself.
pub fn device_of(path: &Path) -> anyhow::Result<PathBuf> {
    let meta = fs::metadata(path).with_context(|| format!("{}", path.display()))?;
    if meta.file_type().is_block_device() {
        return Ok(path.to_owned());
    }
    let uevent = format!("/sys/dev/block/{}/uevent", number(meta.dev()));
    let uevent = fs::read_to_string(&uevent)
        .with_context(|| format!("{} is on no block device", path.display()))?;
    let name = uevent
        .lines()
        .find_map(|line| line.strip_prefix("DEVNAME="));
    match name {
        Some(name) => Ok(Path::new("/dev").join(name)),
        None => bail!("{} is on a device without a name", path.display()),
    }
}

/// Where a block device begins, in bytes: in its disk, and in physical memory if that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alignment {
    /// In the disk (0 unless it is a partition).
    pub in_disk: u64,
    /// Where the memory of the disk begins.
    pub memory: Option<u64>,
}

impl Alignment {
    /// Whether it begins at a multiple of `size` bytes, as far as is known.
    pub fn is_aligned_to(&self, size: u64) -> bool {
        self.start() % size == 0
    }

    /// The byte that it begins at.
    pub fn start(&self) -> u64 {
        self.in_disk.wrapping_add(self.memory.unwrap_or(0))
    }
}

/// Where a block device begins.
pub fn alignment(path: &Path) -> anyhow::Result<Alignment> {
    let meta = fs::metadata(path).with_context(|| format!("{}", path.display()))?;
    if !meta.file_type().is_block_device() {
        return Ok(Alignment::default());
    }
    let dir = PathBuf::from(format!("/sys/dev/block/{}", number(meta.rdev())));
    let read = |path: PathBuf| fs::read_to_string(path).ok();
    let sectors = read(dir.join("start")).and_then(|start| start.trim().parse::<u64>().ok());
    let disk = if sectors.is_some() {
        // A partition is below its disk.
        fs::canonicalize(dir.join(".."))?
    } else {
        dir
    };
    let hex = |text: String| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    Ok(Alignment {
        in_disk: sectors.unwrap_or(0).saturating_mul(512),
        memory: read(disk.join("device/resource"))
            .and_then(hex)
            .filter(|&start| start != u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_lines() {
        let line = "36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 - ext4 /dev/root ro,errors";
        let (device, mount) = parse_mount(line).unwrap();
        assert_eq!((device.as_str(), mount.path.as_str()), ("98:0", "/mnt two"));
        assert!(mount.read_only && mount.fs_type == "ext4");
        assert!(parse_mount("nonsense").is_none());
    }

    #[test]
    fn alignments() {
        let partition = Alignment {
            in_disk: 1 << 20,
            memory: Some(1 << 30),
        };
        assert!(!partition.is_aligned_to(2 << 20) && partition.is_aligned_to(1 << 20));
    }
}
