// SPDX-License-Identifier: GPL-2.0

//! Dropping a device that others may still reference.
//!
//! Unbinding a driver cannot be refused, yet the pages behind a DAX device may be pinned for as
//! long as a pipe is not read. [`Slot::drop_within`] moves the driver's data to a worker, which
//! drops it and so waits as long as it takes, while the caller waits for a bounded time only.
//! Meanwhile the data keeps what it has claimed, so that a new probe gets `EBUSY`, and the driver's
//! module is pinned.
//!
//! # Examples
//!
//! ```
//! # use kernel::{module::this_module, prelude::*};
//! # use rdax::teardown::Slot;
//! struct Data {
//!     slot: Option<Slot>,
//! }
//!
//! fn probe() -> Result<KBox<Data>> {
//!     // Memory for later, while there is a way to fail.
//!     Ok(KBox::new(Data { slot: Some(Slot::new()?) }, GFP_KERNEL)?)
//! }
//!
//! fn remove(mut data: KBox<Data>) {
//!     if let Some(slot) = data.slot.take() {
//!         if slot.drop_within(data, 5000, this_module::<crate::LocalModule>()).is_err() {
//!             // The device is still in use: cut off what can be cut off.
//!         }
//!     }
//! }
//! ```
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use crate::{
    bindings,
    delay::{
        self,
        Point, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    impl_has_work,
    new_mutex,
    new_work,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        SetOnce, //
    },
    time::msecs_to_jiffies,
    types::Opaque,
    workqueue::{
        Queue,
        Work,
        WorkItem, //
    }, //
};

/// Our own queue: destroying it at exit waits until the last job's code has returned.
static QUEUE: SetOnce<QueuePtr> = SetOnce::new();

#[derive(Clone, Copy)]
struct QueuePtr(NonNull<bindings::workqueue_struct>);

// SAFETY: a workqueue may be used from any thread.
unsafe impl Send for QueuePtr {}
// SAFETY: as above.
unsafe impl Sync for QueuePtr {}

/// Owner of the queue, held by the module.
pub(crate) struct Workqueue(QueuePtr);

impl Workqueue {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: a plain allocation.
        let queue =
            unsafe { bindings::rdax_helper_alloc_workqueue(c"rdax_teardown".as_char_ptr()) };
        let queue = QueuePtr(NonNull::new(queue).ok_or(ENOMEM)?);
        QUEUE.populate(queue);
        Ok(Self(queue))
    }
}

impl Drop for Workqueue {
    fn drop(&mut self) {
        // SAFETY: the module goes, so nobody queues any more: users of this crate are gone.
        unsafe { bindings::destroy_workqueue(self.0 .0.as_ptr()) };
    }
}

/// A reference on a module: its code stays.
struct ModulePin(*mut bindings::module);

// SAFETY: a module reference belongs to no thread.
unsafe impl Send for ModulePin {}

impl ModulePin {
    /// `None` if the module is going already.
    fn get(module: &'static ThisModule) -> Option<Self> {
        // SAFETY: `module` is the caller's own, so it is there.
        unsafe { bindings::try_module_get(module.as_ptr()) }.then(|| Self(module.as_ptr()))
    }
}

impl Drop for ModulePin {
    fn drop(&mut self) {
        // SAFETY: this is the reference that `get` took.
        unsafe { bindings::module_put(self.0) };
    }
}

/// What a job drops, in this order.
struct Load {
    value: KBox<dyn Send>,
    module: ModulePin,
}

#[pin_data]
struct Job {
    #[pin]
    work: Work<Job>,
    #[pin]
    load: Mutex<Option<Load>>,
    #[pin]
    done: Opaque<bindings::completion>,
}

// SAFETY: `done` is made to be shared, the rest is `Send`.
unsafe impl Send for Job {}
// SAFETY: as above; `load` is behind a mutex.
unsafe impl Sync for Job {}

impl_has_work! {
    impl HasWork<Self> for Job { self.work }
}

impl WorkItem for Job {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let load = this.load.lock().take();
        if let Some(Load { value, module }) = load {
            drop(value);
            delay::point(Point::TornDown);
            // Before the completion: the caller's unbind returns then, and an rmmod may follow.
            drop(module);
            // SAFETY: initialised in `Slot::new`.
            unsafe { bindings::complete_all(this.done.get()) };
        }
    }
}

/// The value is still in use; a worker goes on waiting for it.
#[derive(Debug)]
pub struct StillInUse;

/// All that [`Slot::drop_within`] needs, allocated when there still was time to fail.
pub struct Slot(Arc<Job>);

impl Slot {
    /// Allocates a slot.
    pub fn new() -> Result<Self> {
        Ok(Self(Arc::pin_init(
            pin_init!(Job {
                work <- new_work!("rdax::teardown::Job::work"),
                load <- new_mutex!(None, "rdax::teardown::Job::load"),
                done <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                    // SAFETY: `slot` is valid for writes and pinned.
                    unsafe { bindings::init_completion(slot) };
                }),
            }),
            GFP_KERNEL,
        )?))
    }

    /// Drops `value` on a worker and waits for that, `bound` milliseconds at most.
    ///
    /// While the worker is at it, `module` cannot be unloaded; it can be once this returns `Ok`.
    /// If `module` is being unloaded already, the drop happens here and takes as long as it takes.
    ///
    /// Context: process context, sleeps. No lock that dropping `value` takes may be held.
    pub fn drop_within<T: Send + 'static>(
        self,
        value: KBox<T>,
        bound: u32,
        module: &'static ThisModule,
    ) -> Result<(), StillInUse> {
        let (Some(queue), Some(module)) = (QUEUE.copy(), ModulePin::get(module)) else {
            drop(value);
            return Ok(());
        };
        *self.0.load.lock() = Some(Load { value, module });
        // SAFETY: the queue lives as long as this module, which our caller's module uses.
        let queue = unsafe { Queue::from_raw(queue.0.as_ptr()) };
        // A slot is used once, so its work is not queued yet.
        let _ = queue.enqueue(self.0.clone());
        // SAFETY: initialised in `new`.
        let rest = unsafe {
            bindings::wait_for_completion_timeout(self.0.done.get(), msecs_to_jiffies(bound))
        };
        (rest > 0).then_some(()).ok_or(StillInUse)
    }
}
