// SPDX-License-Identifier: GPL-2.0

//! Mount options.

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};
use rdax::{
    dax::drain::Limit,
    fs::context::Parameter, //
};

/// An option that is one of some words.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// The words, in the order of the values' numbers; the first is the default.
    const NAMES: [(&'static str, Self); 3];

    /// The value with a number.
    fn from_raw(raw: u32) -> Self {
        let [(_, default), ..] = Self::NAMES;
        let found = Self::NAMES.get(raw as usize).copied();
        found.map_or(default, |(_, value)| value)
    }

    /// Its word.
    fn name(self) -> &'static str {
        let found = Self::NAMES.into_iter().find(|(_, value)| *value == self);
        found.map_or("", |(name, _)| name)
    }
}

/// What to do when the volume turns out to be corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum OnError {
    /// Allow no changes any more.
    RemountReadOnly = 0,
    /// Go on; what is corrupt cannot be used.
    Continue = 1,
    /// Allow nothing any more.
    Shutdown = 2,
}

impl Choice for OnError {
    const NAMES: [(&'static str, Self); 3] = [
        ("remount-ro", Self::RemountReadOnly),
        ("continue", Self::Continue),
        ("shutdown", Self::Shutdown),
    ];
}

impl OnError {
    /// What happens, for messages.
    pub(crate) fn consequence(self) -> &'static str {
        match self {
            Self::RemountReadOnly => "read-only from now on",
            Self::Continue => "going on",
            Self::Shutdown => "shutting down",
        }
    }
}

/// Milliseconds that are waited for those who hold pages, unless the options say otherwise.
const DRAIN_MS: u32 = 1000;
/// With `drain=strict`, how many times `drain_ms` others wait for the lock of the file before the
/// drain no longer waits.
const CONTENDED: u32 = 10;

/// What to do about those who hold pages that are to be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Drain {
    /// Wait for them, for a while.
    Bounded = 0,
    /// Wait as long as it takes.
    Strict = 1,
    /// Fail at once.
    NoWait = 2,
}

impl Choice for Drain {
    const NAMES: [(&'static str, Self); 3] = [
        ("bounded", Self::Bounded),
        ("strict", Self::Strict),
        ("nowait", Self::NoWait),
    ];
}

/// Mount options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) on_error: OnError,
    pub(crate) drain: Drain,
    /// Milliseconds that [`Drain::Bounded`] waits.
    pub(crate) drain_ms: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_error: OnError::RemountReadOnly,
            drain: Drain::Bounded,
            drain_ms: DRAIN_MS,
        }
    }
}

impl Options {
    /// Takes one option in. All files are without page cache; who asks for that gets it.
    pub(crate) fn parse(&mut self, parameter: &Parameter<'_>) -> Result {
        match parameter.key() {
            b"errors" => self.on_error = parameter.one_of(&OnError::NAMES)?,
            b"dax" => {
                if parameter.flag().is_err() {
                    parameter.one_of(&[("always", ()), ("inode", ())])?;
                }
            }
            b"drain_ms" => self.drain_ms = parameter.u32()?,
            b"drain" => self.drain = parameter.one_of(&Drain::NAMES)?,
            _ => return Err(ENOPARAM),
        }
        Ok(())
    }

    /// How long an operation waits for those who hold pages.
    pub(crate) fn drain_limit(&self) -> Limit {
        match self.drain {
            Drain::Bounded => Limit::Millis(self.drain_ms),
            Drain::Strict => Limit::Strict(self.drain_ms.saturating_mul(CONTENDED)),
            Drain::NoWait => Limit::NoWait,
        }
    }

    /// Prints what is not default.
    pub(crate) fn show(&self, seq: &SeqFile) {
        if self.on_error != Self::default().on_error {
            seq_print!(seq, ",errors={}", self.on_error.name());
        }
        if self.drain_ms != DRAIN_MS {
            seq_print!(seq, ",drain_ms={}", self.drain_ms);
        }
        if self.drain != Self::default().drain {
            seq_print!(seq, ",drain={}", self.drain.name());
        }
    }
}
