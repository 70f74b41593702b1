// SPDX-License-Identifier: GPL-2.0

//! Reads what the plugin writes (`plugin/trace.c`).

use anyhow::{
    bail,
    Context,
    Result, //
};
use std::{
    fs,
    ops::Range,
    path::Path, //
};

const MAGIC: &[u8] = b"rdaxtrc1";
const HEAD: usize = 20;
/// As `enum kind` of the plugin numbers them.
const LOCKED: u8 = 5;

/// Records one thing that the CPU did.
#[derive(Debug)]
pub enum Event {
    Store {
        at: u64,
        data: Vec<u8>,
        /// Around the caches.
        around: bool,
        /// The instruction.
        pc: u64,
    },
    /// A write-back of one cache line.
    Flush {
        at: u64,
    },
    Fence {
        /// An instruction that orders, but for another reason.
        locked: bool,
    },
    Begin(Op),
    /// The kernel's view of a file.
    Shown {
        path: String,
        text: String,
    },
    Done,
}

/// Says what a power cut may leave of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The state before or the one after, which differs.
    Atomic,
    /// The one state before and after.
    Same,
    /// Also what was between two transactions.
    Steps,
}

/// For how long a range of a file may be between old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Until the operation has returned.
    Loose,
    /// Until another one makes it durable.
    Lazy,
    /// That one.
    Synced,
}

/// A range of a file.
#[derive(Clone, Debug)]
pub struct Part {
    pub how: How,
    pub path: String,
    pub range: Range<usize>,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Op {
    pub class: Class,
    pub name: String,
    pub part: Option<Part>,
}

/// Holds all that was recorded.
pub struct Trace {
    pub size: u64,
    pub events: Vec<Event>,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .context("the trace is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into()?))
    }
}

impl Trace {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("{}", path.display()))?;
        let mut reader = Reader(&bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            bail!("{} is no trace", path.display());
        }
        let size = reader.number()?;
        let mut events = Vec::new();
        let (mut recording, mut ended) = (false, false);
        while !reader.0.is_empty() && !ended {
            let head = reader.take(HEAD)?;
            let (kind, a, b) = (head[0], head[1], head[2]);
            let at = u64::from_le_bytes(head[4..12].try_into()?);
            let pc = u64::from_le_bytes(head[12..20].try_into()?);
            match kind {
                b'S' => events.push(Event::Store {
                    at,
                    data: reader.take(a.into())?.to_vec(),
                    around: b != 0,
                    pc,
                }),
                b'F' => events.push(Event::Flush { at }),
                b'N' => events.push(Event::Fence {
                    locked: a == LOCKED,
                }),
                b'M' => match reader.take(usize::from(a) + 256 * usize::from(b))? {
                    b"recording" => recording = true,
                    b"end" => ended = true,
                    b"done" => events.push(Event::Done),
                    text => events.push(mark(std::str::from_utf8(text)?)?),
                },
                _ => bail!("a record of kind {kind}"),
            }
        }
        if !recording || !ended {
            bail!("the trace does not begin where the program does, or has no end");
        }
        Ok(Self { size, events })
    }
}

fn mark(text: &str) -> Result<Event> {
    let words: Vec<&str> = text.split('\t').collect();
    match words[..] {
        ["file", path, text] => Ok(Event::Shown {
            path: path.to_string(),
            text: text.to_string(),
        }),
        ["op", class, name, ref rest @ ..] => Ok(Event::Begin(op(class, name, rest)?)),
        _ => bail!("a mark '{text}'"),
    }
}

fn op(class: &str, name: &str, rest: &[&str]) -> Result<Op> {
    let class = match class {
        "atomic" => Class::Atomic,
        "same" => Class::Same,
        "steps" => Class::Steps,
        _ => bail!("a class '{class}'"),
    };
    let part = match rest {
        [] => None,
        [how, path, from, to] => Some(Part {
            how: match *how {
                "loose" => How::Loose,
                "lazy" => How::Lazy,
                "synced" => How::Synced,
                _ => bail!("a range that is '{how}'"),
            },
            path: path.to_string(),
            range: from.parse()?..to.parse()?,
        }),
        _ => bail!("an operation with '{rest:?}'"),
    };
    Ok(Op {
        class,
        name: name.to_string(),
        part,
    })
}
