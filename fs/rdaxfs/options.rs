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

impl OnError {
    const NAMES: [(&'static str, Self); 3] = [
        ("remount-ro", Self::RemountReadOnly),
        ("continue", Self::Continue),
        ("shutdown", Self::Shutdown),
    ];

    pub(crate) fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::Continue,
            2 => Self::Shutdown,
            _ => Self::RemountReadOnly,
        }
    }

    fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, value)| *value == self);
        found.map_or("", |(name, _)| name)
    }

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

/// Mount options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) on_error: OnError,
    /// Milliseconds that are waited for those who hold pages.
    pub(crate) drain_ms: u32,
    /// Wait as long as it takes instead.
    pub(crate) drain_strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_error: OnError::RemountReadOnly,
            drain_ms: DRAIN_MS,
            drain_strict: false,
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
            b"drain" => {
                self.drain_strict = parameter.one_of(&[("strict", true), ("bounded", false)])?;
            }
            _ => return Err(ENOPARAM),
        }
        Ok(())
    }

    /// How long an operation waits for those who hold pages.
    pub(crate) fn drain_limit(&self) -> Limit {
        if self.drain_strict {
            Limit::None
        } else {
            Limit::Millis(self.drain_ms)
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
        if self.drain_strict {
            seq_print!(seq, ",drain=strict");
        }
    }
}
