// SPDX-License-Identifier: GPL-2.0

//! The error of decoding: what is wrong with a structure, and the value that is.

use core::fmt;

/// A value found on the medium, and the one that should be there where there is only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// The value on the medium.
    pub found: u64,
    /// The only right value, if there is one.
    pub expected: Option<u64>,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.found)?;
        match self.expected {
            Some(expected) => write!(f, ", expected {expected:#06x}"),
            None => Ok(()),
        }
    }
}

/// A structure that does not check out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad {
    /// What is wrong with it.
    pub what: &'static str,
    /// The wrong value, if it is one.
    pub value: Option<Value>,
}

impl Bad {
    /// Returns an error without a value.
    pub const fn new(what: &'static str) -> Self {
        Self { what, value: None }
    }

    /// Returns an error about the value `found`.
    pub const fn with(what: &'static str, found: u64) -> Self {
        let value = Value {
            found,
            expected: None,
        };
        Self {
            what,
            value: Some(value),
        }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.value {
            Some(value) => write!(f, " {value}"),
            None => Ok(()),
        }
    }
}

/// The result of checking a structure.
pub type Result<T = ()> = core::result::Result<T, Bad>;

/// Fails with `what` unless `holds`.
pub(crate) fn ensure(holds: bool, what: &'static str) -> Result {
    match holds {
        true => Ok(()),
        false => Err(Bad::new(what)),
    }
}

/// Fails with `what` and the value `found` unless `holds`.
pub(crate) fn ensure_value(holds: bool, found: impl Into<u64>, what: &'static str) -> Result {
    match holds {
        true => Ok(()),
        false => Err(Bad::with(what, found.into())),
    }
}

/// Fails with `what` and both values unless `found` is `expected`.
pub(crate) fn ensure_eq<T: Into<u64> + PartialEq>(
    found: T,
    expected: T,
    what: &'static str,
) -> Result {
    if found == expected {
        return Ok(());
    }
    let value = Value {
        found: found.into(),
        expected: Some(expected.into()),
    };
    Err(Bad {
        what,
        value: Some(value),
    })
}
