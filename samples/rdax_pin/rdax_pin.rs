// SPDX-License-Identifier: GPL-2.0

//! A device that pins pages of DAX files and reads and writes them: what a DMA engine does.
//!
//! `/dev/rdax_pin` gives a descriptor for each pin; `rdax_pin.h` says what it understands. Whoever
//! polls it hears of a drain that wants the pages, and can let go before it loses patience.

use kernel::{
    fs::{
        file::{
            flags::O_CLOEXEC,
            FileDescriptorReservation, //
        },
        File,
        LocalFile, //
    },
    ioctl::{
        _IO,
        _IOR,
        _IOW,
        _IOWR, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    new_mutex,
    new_poll_condvar,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::{
            PollCondVar,
            PollTable, //
        },
        Arc,
        Mutex, //
    },
    time::{
        Instant,
        Monotonic, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};
use rdax::{
    fs::anon,
    pin::{
        Intent,
        Notifier,
        Notify,
        Pinned,
        Wait, //
    },
    sync::timer::{
        Expire,
        Timer, //
    }, //
};

const MAGIC: u32 = 0xDA;
/// `struct rdax_pin_request`
type Request = [u64; 6];
/// `struct rdax_pin_transfer`
type Range = [u64; 3];
/// `struct rdax_pin_status`
type Status = [u64; 4];
const PIN: u32 = _IOWR::<Request>(MAGIC, 0x80);
const FILL: u32 = _IOW::<Range>(MAGIC, 0x81);
const SUM: u32 = _IOWR::<Range>(MAGIC, 0x82);
const RELEASE: u32 = _IO(MAGIC, 0x83);
const STATUS: u32 = _IOR::<Status>(MAGIC, 0x84);

const FLAG_WRITE: u64 = 1 << 0;
const FLAG_NOWAIT: u64 = 1 << 1;
const FLAG_FILE: u64 = 1 << 2;
const FLAG_NOTIFY: u64 = 1 << 3;
const FLAGS: u64 = FLAG_WRITE | FLAG_NOWAIT | FLAG_FILE | FLAG_NOTIFY;

const RELEASED: u64 = 1 << 0;
const WANTED: u64 = 1 << 1;
const EXPIRED: u64 = 1 << 2;

/// Bytes that are copied at a time.
const CHUNK: usize = 256;
const WORD: usize = size_of::<u64>();

module! {
    type: Engine,
    name: "rdax_pin",
    authors: ["The rdax authors"],
    description: "Sample: pinning pages of DAX files",
    license: "GPL",
}

#[pin_data]
struct Engine {
    #[pin]
    _device: MiscDeviceRegistration<Device>,
}

impl kernel::InPlaceModule for Engine {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _device <- MiscDeviceRegistration::register(MiscDeviceOptions { name: c"rdax_pin" }),
        })
    }
}

struct Device;

#[vtable]
impl MiscDevice for Device {
    type Ptr = ();

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result {
        Ok(())
    }

    fn ioctl(_device: (), _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            PIN => pin(arg),
            _ => Err(ENOTTY),
        }
    }
}

/// Pins what user space asks for; a new descriptor.
fn pin(arg: usize) -> Result<isize> {
    let (mut reader, mut writer) =
        UserSlice::new(UserPtr::from_addr(arg), size_of::<Request>()).reader_writer();
    let [flags, fd, start, len, hold_ms, _] = reader.read::<Request>()?;
    if flags & !FLAGS != 0 || (flags & FLAG_FILE == 0 && fd != 0) {
        return Err(EINVAL);
    }
    let hold_ms = u32::try_from(hold_ms)?;
    let reservation = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
    let transfer = Arc::pin_init(Transfer::new(), GFP_KERNEL)?;
    // From here on what is pinned is let go if this fails.
    let descriptor = KBox::new(Descriptor::new(transfer.clone())?, GFP_KERNEL)?;
    let pinned = take(&transfer, [flags, fd, start, len])?;
    let bytes = pinned.bytes();
    transfer.begin(pinned);
    writer.write(&[flags, fd, start, len, hold_ms.into(), bytes])?;
    if hold_ms != 0 {
        descriptor.timer.start(hold_ms);
    }
    let file = anon::new_file(descriptor)?;
    let fd = reservation.reserved_fd();
    reservation.fd_install(file);
    Ok(isize::try_from(fd)?)
}

fn take(transfer: &Arc<Transfer>, [flags, fd, start, len]: [u64; 4]) -> Result<Pinned> {
    let intent = if flags & FLAG_WRITE != 0 {
        Intent::Write
    } else {
        Intent::Read
    };
    let wait = if flags & FLAG_NOWAIT != 0 {
        Wait::Not
    } else {
        Wait::Open
    };
    let notifier: Notifier = transfer.clone();
    if flags & FLAG_FILE != 0 {
        let file = LocalFile::fget(u32::try_from(fd).map_err(|_| EBADF)?)?;
        return Pinned::from_file(&file, start, len, intent, wait, Some(&notifier));
    }
    let notifier = (flags & FLAG_NOTIFY != 0).then_some(&notifier);
    let (start, len) = (usize::try_from(start)?, usize::try_from(len)?);
    Pinned::from_user(start, len, intent, wait, notifier)
}

/// One pin.
#[pin_data]
struct Transfer {
    #[pin]
    pinned: Mutex<Option<Pinned>>,
    /// One of the times has.
    #[pin]
    changed: PollCondVar,
    begun: Instant<Monotonic>,
    bytes: Atomic<u64>,
    expired: Atomic<bool>,
    /// Nanoseconds from `begun`, never 0 once it has happened.
    wanted: Atomic<u64>,
    released: Atomic<u64>,
}

impl Transfer {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            pinned <- new_mutex!(None, "rdax_pin::Transfer::pinned"),
            changed <- new_poll_condvar!("rdax_pin::Transfer::changed"),
            begun: Instant::now(),
            bytes: Atomic::new(0),
            expired: Atomic::new(false),
            wanted: Atomic::new(0),
            released: Atomic::new(0),
        })
    }

    fn begin(&self, pinned: Pinned) {
        self.bytes.store(pinned.bytes(), Relaxed);
        *self.pinned.lock() = Some(pinned);
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).map_or(1, |ns| ns.max(1))
    }

    /// Lets go; whether there was anything.
    fn release(&self, expired: bool) -> bool {
        let Some(pinned) = self.pinned.lock().take() else {
            return false;
        };
        drop(pinned);
        self.expired.store(expired, Relaxed);
        self.released.store(self.elapsed(), Relaxed);
        self.changed.notify_all();
        true
    }

    /// Runs `f` with the pages and each chunk of a range: its place, and a buffer of its length.
    fn chunks(
        &self,
        [offset, len, _]: Range,
        mut f: impl FnMut(&Pinned, u64, &mut [u8]) -> Result,
    ) -> Result {
        let pinned = self.pinned.lock();
        let pinned = pinned.as_ref().ok_or(ESHUTDOWN)?;
        let end = offset.checked_add(len).ok_or(ERANGE)?;
        if (offset | len) % WORD as u64 != 0 {
            return Err(EINVAL);
        }
        if end > pinned.bytes() {
            return Err(ERANGE);
        }
        let mut buffer = [0; CHUNK];
        let mut at = offset;
        while at < end {
            let len = end.saturating_sub(at).min(CHUNK as u64);
            let chunk = buffer.get_mut(..len as usize).ok_or(ERANGE)?;
            f(pinned, at, chunk)?;
            at = at.saturating_add(len);
        }
        Ok(())
    }

    fn fill(&self, range: Range) -> Result {
        let [_, _, seed] = range;
        self.chunks(range, |pinned, at, chunk| {
            let words = (at..).step_by(WORD).map(|pos| seed.wrapping_add(pos));
            for (to, word) in chunk.chunks_exact_mut(WORD).zip(words) {
                to.copy_from_slice(&word.to_ne_bytes());
            }
            pinned.write(at, chunk)
        })
    }

    fn sum(&self, range: Range) -> Result<u64> {
        let mut sum = 0u64;
        self.chunks(range, |pinned, at, chunk| {
            pinned.read(at, chunk)?;
            for bytes in chunk.chunks_exact(WORD) {
                let word = bytes.try_into().map(u64::from_ne_bytes).unwrap_or(0);
                sum = sum.wrapping_mul(31).wrapping_add(word);
            }
            Ok(())
        })?;
        Ok(sum)
    }

    fn status(&self) -> Status {
        let wanted = self.wanted.load(Relaxed);
        let released = self.released.load(Relaxed);
        let flag = |flag, is: bool| if is { flag } else { 0 };
        let state = flag(WANTED, wanted != 0)
            | flag(RELEASED, released != 0)
            | flag(EXPIRED, self.expired.load(Relaxed));
        [state, self.bytes.load(Relaxed), wanted, released]
    }
}

impl Notify for Transfer {
    fn wanted(&self) {
        if self.wanted.load(Relaxed) == 0 {
            self.wanted.store(self.elapsed(), Relaxed);
            self.changed.notify_all();
        }
    }
}

struct Hold(Arc<Transfer>);

impl Expire for Hold {
    fn expire(&self) {
        self.0.release(true);
    }
}

/// What user space has of a pin. Dropping it lets go.
struct Descriptor {
    timer: Timer<Hold>,
    transfer: Arc<Transfer>,
}

impl Descriptor {
    fn new(transfer: Arc<Transfer>) -> Result<Self> {
        Ok(Self {
            timer: Timer::new(Hold(transfer.clone()))?,
            transfer,
        })
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // What is pinned refers to the transfer, as its notifier.
        self.transfer.release(false);
    }
}

#[vtable]
impl anon::Operations for Descriptor {
    const NAME: &'static CStr = c"[rdax_pin]";

    fn poll(&self, file: &File, table: PollTable<'_>) -> u32 {
        table.register_wait(file, &self.transfer.changed);
        let [state, ..] = self.transfer.status();
        let mut events = 0;
        if state & WANTED != 0 {
            events |= anon::POLL_IN | anon::POLL_PRI;
        }
        if state & RELEASED != 0 {
            events |= anon::POLL_HUP;
        }
        events
    }

    fn ioctl(&self, cmd: u32, arg: usize) -> Result<isize> {
        let user = |len| UserSlice::new(UserPtr::from_addr(arg), len);
        match cmd {
            FILL => {
                let range = user(size_of::<Range>()).reader().read::<Range>()?;
                self.transfer.fill(range)?;
            }
            SUM => {
                let (mut reader, mut writer) = user(size_of::<Range>()).reader_writer();
                let range = reader.read::<Range>()?;
                let [offset, len, _] = range;
                writer.write(&[offset, len, self.transfer.sum(range)?])?;
            }
            RELEASE if self.transfer.release(false) => {}
            RELEASE => return Err(ESHUTDOWN),
            STATUS => user(size_of::<Status>())
                .writer()
                .write(&self.transfer.status())?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}
