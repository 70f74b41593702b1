// SPDX-License-Identifier: GPL-2.0

//! The disk: bios served by copying.

use crate::pmem::Pmem;
use kernel::prelude::*;
use rdax::{
    block::{
        Bio,
        Op,
        Operations,
        Segment, //
    },
    memremap::MapOwner,
    nd::Flushed, //
};

#[vtable]
impl Operations for Pmem {
    fn submit_bio(&self, bio: Bio) {
        if self.is_gone() {
            return bio.complete(Err(EIO));
        }
        if let Err(err) = self.serve(&bio) {
            return bio.complete(Err(err));
        }
        if !bio.fua() {
            return bio.complete(Ok(()));
        }
        self.stats.flushes.add(1);
        match self.region.flush_for(bio) {
            Flushed::Now(bio, result) => bio.complete(result),
            Flushed::Later => {}
        }
    }
}

impl Pmem {
    /// Does all that `bio` asks for, except to make it durable.
    fn serve(&self, bio: &Bio) -> Result {
        // A flush of an asynchronous region asks the host and waits for it.
        if bio.nowait() && (bio.preflush() || bio.fua()) && !self.region.is_sync() {
            return Err(EAGAIN);
        }
        if bio.preflush() {
            self.stats.flushes.add(1);
            self.region.flush()?;
        }
        match bio.op() {
            Op::Read | Op::Write | Op::WriteZeroes => {
                let _accounting = bio.account();
                self.transfer(bio)
            }
            Op::Flush => Ok(()),
            Op::Other => Err(EOPNOTSUPP),
        }
    }

    fn transfer(&self, bio: &Bio) -> Result {
        match bio.op() {
            Op::Read => {
                for segment in bio.segments() {
                    self.read(&segment)?;
                }
                self.stats.bio_read_bytes.add(bio.len().into());
            }
            Op::Write => {
                for segment in bio.segments() {
                    self.write(&segment, bio.nowait())?;
                }
                self.stats.bio_write_bytes.add(bio.len().into());
            }
            _ => {
                if bio.nowait() {
                    return Err(EAGAIN);
                }
                let offset = bio.sector().checked_mul(512).ok_or(EINVAL)?;
                self.zero(offset, bio.len().into())?;
                self.stats.bio_write_bytes.add(bio.len().into());
            }
        }
        Ok(())
    }

    fn read(&self, segment: &Segment<'_>) -> Result {
        let offset = segment.disk_offset();
        self.check_readable(offset, segment.len().into())?;
        self.page_map().read_segment(offset, segment)
    }

    fn write(&self, segment: &Segment<'_>, nowait: bool) -> Result {
        let (offset, len) = (segment.disk_offset(), segment.len());
        let bad = self.is_bad(offset, len.into());
        if bad {
            // Clearing asks the platform, which takes its time.
            if nowait {
                return Err(EAGAIN);
            }
            self.clear_poison(offset, len)?;
        }
        self.page_map()
            .write_segment(offset, segment)?
            .leave_to_flush();
        if bad {
            self.forget_bad(offset, len.into());
        }
        Ok(())
    }
}
