// SPDX-License-Identifier: GPL-2.0

//! A file or block device as a medium.

use anyhow::{
    bail,
    Context, //
};
use rdaxfs_core::{
    Error,
    Medium,
    Result, //
};
use rustix::fs::{
    Advice,
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
};

/// A file or block device. Stores go through the page cache and are durable after a
/// [`sync`](Self::sync), and after each fence if [`sync_fences`](Self::sync_fences) was set.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    path: PathBuf,
    size: u64,
    block_device: bool,
    writable: bool,
    sync_fences: bool,
}

impl FileMedium {
    /// Opens it to read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Self::new(path, false, false)
    }

    /// Opens it to write. A block device must not be in use.
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
        let size = file
            .seek(SeekFrom::End(0))
            .with_context(|| format!("{shown}"))?;
        // What a filesystem with DAX stored did not go through the page cache of the device.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        Ok(Self {
            file,
            path: path.to_owned(),
            size,
            block_device,
            writable,
            sync_fences: false,
        })
    }

    /// Makes each fence durable, not only the end.
    pub fn sync_fences(mut self) -> Self {
        self.sync_fences = true;
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a block device.
    pub fn is_block_device(&self) -> bool {
        self.block_device
    }

    /// Makes everything durable that was stored.
    pub fn sync(&self) -> anyhow::Result<()> {
        self.file
            .sync_all()
            .with_context(|| format!("{}", self.path.display()))?;
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        Ok(())
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
        if !self.sync_fences {
            return Ok(());
        }
        self.file.sync_data().map_err(|_| Error::Io)
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
}
