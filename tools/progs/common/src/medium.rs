// SPDX-License-Identifier: GPL-2.0

//! A file or block device as a medium.

use anyhow::{
    anyhow,
    bail,
    Context, //
};
use rdaxfs_core::{
    format_types::BLOCK_SIZE,
    Error,
    Medium,
    Result, //
};
use rustix::fs::{
    Advice,
    FlockOperation,
    OFlags, //
};
use std::{
    fs::{
        File,
        OpenOptions, //
    },
    io::{
        Seek,
        SeekFrom, //
    },
    os::unix::fs::{
        FileExt,
        FileTypeExt,
        OpenOptionsExt, //
    },
    path::{
        Path,
        PathBuf, //
    },
    sync::atomic::{
        AtomicBool,
        Ordering, //
    },
};

/// A file or block device.
///
/// Stores go through the page cache, which writes them back in any order, if it does: what was
/// stored since the last [`fence`](Medium::fence) may be on the medium in part after a power cut.
/// A fence returns when all of it is durable. One that fails leaves the page cache with stores that
/// are taken for written, so all later ones fail too.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    path: PathBuf,
    size: u64,
    block_device: bool,
    writable: bool,
    fence_failed: AtomicBool,
}

impl FileMedium {
    /// Opens it to read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Self::new(path, false, false)
    }

    /// Opens it to write. Neither a filesystem or driver may use a block device, nor another
    /// program that came here a file.
    pub fn open_to_write(path: &Path) -> anyhow::Result<Self> {
        Self::new(path, true, true)
    }

    fn new(path: &Path, writable: bool, exclusive: bool) -> anyhow::Result<Self> {
        let shown = path.display();
        let file_type = std::fs::metadata(path)
            .with_context(|| format!("{shown}"))?
            .file_type();
        let block_device = file_type.is_block_device();
        if !block_device && !file_type.is_file() {
            bail!("{shown}: neither a block device nor a file");
        }
        let mut options = OpenOptions::new();
        options.read(true).write(writable);
        // Of a block device O_EXCL asks whether a filesystem or another driver has it.
        if exclusive && block_device {
            options.custom_flags(OFlags::EXCL.bits() as i32);
        }
        let mut file = options.open(path).with_context(|| format!("{shown}"))?;
        if exclusive && !block_device {
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
                .with_context(|| format!("{shown} is in use"))?;
        }
        let size = file
            .seek(SeekFrom::End(0))
            .with_context(|| format!("{shown}"))?;
        let medium = Self {
            file,
            path: path.to_owned(),
            size,
            block_device,
            writable,
            fence_failed: AtomicBool::new(false),
        };
        medium.refresh();
        Ok(medium)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a block device.
    pub fn is_block_device(&self) -> bool {
        self.block_device
    }

    /// Makes everything durable that was stored, and reads from the medium from now on.
    pub fn sync(&self) -> anyhow::Result<()> {
        self.fence()
            .map_err(|error| anyhow!("{}: cannot be written: {error:?}", self.path.display()))?;
        self.refresh();
        Ok(())
    }

    /// Forgets what was read: a mounted filesystem with DAX stores past the page cache.
    pub fn refresh(&self) {
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
    }

    fn check(&self, at: u64, len: u64) -> Result {
        match at.checked_add(len) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(Error::Io),
        }
    }
}

impl Medium for FileMedium {
    fn size(&self) -> u64 {
        self.size
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.check(at, out.len() as u64)?;
        if self.file.read_exact_at(out, at).is_ok() {
            return Ok(());
        }
        // Good blocks share the fate of bad ones that the page cache reads together with them: from
        // now on each is read alone.
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::Random);
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        self.file.read_exact_at(out, at).map_err(|_| Error::Io)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        self.check(at, data.len() as u64)?;
        if !self.writable {
            return Err(Error::ReadOnly);
        }
        self.file.write_all_at(data, at).map_err(|_| Error::Io)
    }

    fn flush(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }

    fn fence(&self) -> Result {
        if self.fence_failed.load(Ordering::Relaxed) {
            return Err(Error::Io);
        }
        if !self.writable {
            return Ok(());
        }
        self.file.sync_data().map_err(|_| {
            self.fence_failed.store(true, Ordering::Relaxed);
            Error::Io
        })
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        self.check(at, len)?;
        let mut done = 0;
        while done < len {
            let part = (len - done).min(ZEROS.len() as u64);
            self.store(at + done, &ZEROS[..part as usize])?;
            done += part;
        }
        Ok(())
    }

    fn heal(&self, at: u64, len: u64) -> Result {
        self.check(at, len)?;
        let mut block = vec![0; BLOCK_SIZE as usize];
        let end = at.saturating_add(len);
        let mut at = at;
        while at < end {
            let part = (end - at).min(BLOCK_SIZE);
            let bytes = block.get_mut(..part as usize).unwrap_or_default();
            if self.load(at, bytes).is_err() {
                self.zero(at, part).map_err(|_| Error::Poison)?;
            }
            at = at.saturating_add(BLOCK_SIZE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_programs_do_not_write_one_image() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let first = FileMedium::open_to_write(file.path()).unwrap();
        assert!(FileMedium::open_to_write(file.path()).is_err());
        FileMedium::open(file.path()).unwrap();
        drop(first);
        FileMedium::open_to_write(file.path()).unwrap();
    }

    #[test]
    fn a_fence_that_failed_fails_for_good() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let medium = FileMedium::open_to_write(file.path()).unwrap();
        medium.store(0, b"data").unwrap();
        assert_eq!(medium.fence(), Ok(()));
        medium.fence_failed.store(true, Ordering::Relaxed);
        assert_eq!(medium.fence(), Err(Error::Io));
        assert!(medium.sync().is_err());
    }
}
