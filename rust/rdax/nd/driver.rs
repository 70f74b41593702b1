// SPDX-License-Identifier: GPL-2.0

//! Drivers of namespaces.
//!
//! # Examples
//!
//! ```
//! # use kernel::prelude::*;
//! # use rdax::nd::{self, Namespace};
//! struct MyDriver;
//! struct MyDevice;
//!
//! impl nd::Driver for MyDriver {
//!     type Data = MyDevice;
//!
//!     fn new() -> Result<Self> {
//!         Ok(Self)
//!     }
//!     fn probe(&self, namespace: &Namespace) -> Result<KBox<MyDevice>> {
//!         namespace.validate()?;
//!         dev_info!(namespace.device(), "{:#x?}\n", namespace.range());
//!         Ok(KBox::new(MyDevice, GFP_KERNEL)?)
//!     }
//!     fn remove(&self, _namespace: &Namespace, _device: KBox<MyDevice>) {}
//! }
//! ```
//!
//! C source: [`drivers/nvdimm/bus.c`](srctree/drivers/nvdimm/bus.c)

use super::{
    binding::Binding,
    namespace::Namespace, //
};
use crate::bindings;
use core::mem::offset_of;
use kernel::{
    driver,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::Arc,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// What the bus tells a bound driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The list of bad blocks may have grown.
    RevalidatePoison,
    /// The region's attributes, such as read-only, may have changed.
    RevalidateRegion,
}

/// A driver of namespaces, of both kinds. An instance is what all its namespaces share.
///
/// Context of all functions but `new`: process context, the namespace's `device_lock` held.
pub trait Driver: Send + Sync + Sized + 'static {
    /// What the driver keeps for each namespace.
    type Data: Send + Sync + 'static;

    /// Called once, before the driver is registered.
    fn new() -> Result<Self>;

    /// Takes the namespace, or says why not. `EOPNOTSUPP` tells the bus that the namespace is
    /// fine but not usable.
    fn probe(&self, namespace: &Namespace) -> Result<KBox<Self::Data>>;

    /// Gives the namespace back. It is bound until this returns.
    fn remove(&self, namespace: &Namespace, data: KBox<Self::Data>);

    /// The machine goes down; the namespace stays bound.
    fn shutdown(&self, _namespace: &Namespace, _data: &Self::Data) {}

    /// Something happened to a bound namespace.
    fn notify(&self, _namespace: &Namespace, _data: &Self::Data, _event: Event) {}
}

/// What belongs to a bound namespace.
struct Bound<T: Driver> {
    binding: Arc<Binding>,
    data: KBox<T::Data>,
}

/// Registers a [`Driver`] with the bus; see [`kernel::driver::Registration`].
pub struct Adapter<T: Driver>(T);

/// A `struct nd_device_driver` and the instance behind it.
#[repr(C)]
pub struct Registered<T: Driver> {
    raw: bindings::nd_device_driver,
    // Set while registered.
    driver: Option<KBox<T>>,
}

impl<T: Driver> Default for Registered<T> {
    fn default() -> Self {
        Self {
            raw: pin_init::zeroed(),
            driver: None,
        }
    }
}

// SAFETY: `Registered` is `repr(C)`, begins with an `nd_device_driver`, and that embeds a `struct
// device_driver` at this offset. The kernel's unbind callback finds no driver data of any type, as
// `remove_callback` has taken it.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = Registered<T>;
    type DriverData<'bound> = ();
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(bindings::nd_device_driver, drv);
}

// SAFETY: `unregister` is only valid after `register`, as for every driver.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let instance = KBox::new(T::new()?, GFP_KERNEL)?;
        // SAFETY: not registered yet, so ours alone.
        let reg = unsafe { &mut *reg.get() };
        reg.driver = Some(instance);
        reg.raw.drv.name = name.as_char_ptr();
        reg.raw.type_ =
            bindings::RDAX_ND_DRIVER_NAMESPACE_IO | bindings::RDAX_ND_DRIVER_NAMESPACE_PMEM;
        reg.raw.probe = Some(Self::probe_callback);
        reg.raw.remove = Some(Self::remove_callback);
        reg.raw.shutdown = Some(Self::shutdown_callback);
        reg.raw.notify = Some(Self::notify_callback);
        // SAFETY: `reg` is filled in and stays pinned until `unregister`.
        to_result(unsafe {
            bindings::__nd_driver_register(&mut reg.raw, module.as_ptr(), name.as_char_ptr())
        })
        .inspect_err(|_| reg.driver = None)
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        // SAFETY: registered, by this function's own requirement. When it returns all devices are
        // unbound, so the instance has no user left.
        unsafe {
            bindings::driver_unregister(&raw mut (*reg.get()).raw.drv);
            (*reg.get()).driver = None;
        }
    }
}

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `dev` is a device that is being bound to, or bound to, this driver; its lock is held.
    unsafe fn instance<'a>(dev: *mut bindings::device) -> Result<&'a T> {
        // SAFETY: a bound device's driver is the `drv` inside our `Registered`.
        let reg = unsafe {
            (*dev)
                .driver
                .byte_sub(offset_of!(bindings::nd_device_driver, drv))
                .cast::<Registered<T>>()
        };
        // SAFETY: as above; the instance is there while the driver is registered.
        unsafe { (*reg).driver.as_deref() }.ok_or(ENODEV)
    }

    /// # Safety
    ///
    /// Called by the bus with a device that is being bound.
    unsafe extern "C" fn probe_callback(dev: *mut bindings::device) -> c_int {
        from_result(|| {
            // SAFETY: `dev` is valid and locked for the duration of this call.
            let (driver, namespace) = unsafe { (Self::instance(dev)?, Namespace::probe(dev)?) };
            let binding = namespace.binding().clone();
            let bound = driver.probe(&namespace).and_then(|data| {
                let binding = binding.clone();
                Ok(KBox::new(Bound::<T> { binding, data }, GFP_KERNEL)?)
            });
            // What the driver has kept of the namespace is of no use if it does not take it.
            let bound = bound.inspect_err(|_| binding.end())?;
            // SAFETY: `dev` is valid, and its data belongs to the driver that it is bound to.
            unsafe { bindings::dev_set_drvdata(dev, bound.into_foreign().cast()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the bus with a device that `probe_callback` has accepted.
    unsafe extern "C" fn remove_callback(dev: *mut bindings::device) {
        // SAFETY: the data is what `probe_callback` stored; it is taken once, here.
        let bound = unsafe {
            let bound = bindings::dev_get_drvdata(dev);
            bindings::dev_set_drvdata(dev, core::ptr::null_mut());
            KBox::<Bound<T>>::from_foreign(bound.cast())
        };
        let Bound { binding, data } = KBox::into_inner(bound);
        // SAFETY: `dev` is a namespace, bound for the duration of this call.
        if let Ok(driver) = unsafe { Self::instance(dev) } {
            // SAFETY: as above; `binding` was made when it was bound.
            driver.remove(&unsafe { Namespace::bound(dev, binding.clone()) }, data);
        }
        binding.end();
    }

    /// # Safety
    ///
    /// As for `remove_callback`, but the device stays bound.
    unsafe extern "C" fn shutdown_callback(dev: *mut bindings::device) {
        // SAFETY: by this function's own requirement.
        unsafe { Self::with_data(dev, |driver, ns, data| driver.shutdown(ns, data)) };
    }

    /// # Safety
    ///
    /// As for `shutdown_callback`.
    unsafe extern "C" fn notify_callback(
        dev: *mut bindings::device,
        event: bindings::nvdimm_event,
    ) {
        let event = if event == bindings::nvdimm_event::NVDIMM_REVALIDATE_POISON {
            Event::RevalidatePoison
        } else {
            Event::RevalidateRegion
        };
        // SAFETY: by this function's own requirement.
        unsafe { Self::with_data(dev, |driver, ns, data| driver.notify(ns, data, event)) };
    }

    /// # Safety
    ///
    /// `dev` is a device that `probe_callback` has accepted, and its lock is held.
    unsafe fn with_data(dev: *mut bindings::device, f: impl FnOnce(&T, &Namespace, &T::Data)) {
        // SAFETY: by this function's own requirement. The data is null while probe or remove run.
        let bound = unsafe { bindings::dev_get_drvdata(dev).cast::<Bound<T>>().as_ref() };
        // SAFETY: by this function's own requirement.
        let driver = unsafe { Self::instance(dev) };
        if let (Some(Bound { binding, data }), Ok(driver)) = (bound, driver) {
            // SAFETY: by this function's own requirement; `binding` was made when it was bound.
            f(
                driver,
                &unsafe { Namespace::bound(dev, binding.clone()) },
                data,
            );
        }
    }
}

/// Declares a module that consists of one driver of namespaces.
///
/// ```
/// # use kernel::prelude::*;
/// # use rdax::nd::{self, Namespace};
/// # struct MyDriver;
/// # impl nd::Driver for MyDriver {
/// #     type Data = ();
/// #     fn new() -> Result<Self> { Ok(Self) }
/// #     fn probe(&self, _: &Namespace) -> Result<KBox<()>> { Err(ENODEV) }
/// #     fn remove(&self, _: &Namespace, _: KBox<()>) {}
/// # }
/// rdax::module_nd_driver! {
///     type: MyDriver,
///     name: "my_pmem",
///     authors: ["Me"],
///     description: "A pmem driver",
///     license: "GPL",
///     alias: ["nd:t4*", "nd:t5*"],
/// }
/// ```
#[macro_export]
macro_rules! module_nd_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::nd::Adapter<T>, { $($f)* });
    };
}
