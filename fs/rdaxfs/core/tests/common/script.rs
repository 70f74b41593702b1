// SPDX-License-Identifier: GPL-2.0

//! A sequence of operations, what each did to the medium, and what is to be seen after it.

use super::{
    pm::{
        Event,
        Kind,
        Pm, //
    },
    tree::{
        walk,
        Loose,
        Tree,
        PATTERN, //
    }, //
};
use rdaxfs_core::{
    format,
    format_types::DiskTime,
    AttrChange,
    FormatOptions,
    Medium,
    MountOptions,
    NewInode,
    Node,
    Span,
    Volume, //
};

/// Bytes of the volumes: as small as they can be.
pub const SIZE: usize = 8 << 20;

/// An operation that was done.
#[derive(Clone)]
pub struct Step {
    pub name: &'static str,
    pub events: Vec<Event>,
    /// What is to be seen when it has happened.
    pub post: Tree,
    pub loose: Loose,
    /// Like others before: no power cuts.
    pub quiet: bool,
}

/// Operations that were done to a new volume.
pub struct Script {
    /// The volume before the first one.
    pub image: Vec<u8>,
    pub tree: Tree,
    pub steps: Vec<Step>,
}

/// Does operations and records them.
pub struct Recording {
    live: Pm,
    /// The same bytes, to be mounted without `live` noticing.
    copy: Pm,
    volume: Option<Volume<Pm>>,
    script: Script,
    clock: i64,
}

pub fn options() -> MountOptions {
    MountOptions {
        shards: 1,
        now: DiskTime::new(1, 0),
        ..MountOptions::default()
    }
}

/// Mounts `pm` as recovery does and reads all of it; leaves `pm` as it was.
pub fn look(pm: &Pm) -> Result<Tree, String> {
    let mark = pm.mark();
    let tree = Volume::mount(pm.clone(), &options())
        .map_err(|error| format!("mount: {error:?}"))
        .and_then(|volume| walk(&volume));
    pm.rollback(mark);
    tree
}

impl Recording {
    pub fn new() -> Self {
        let live = Pm::new(vec![PATTERN; SIZE]);
        format(&live, &FormatOptions::default(), |_, _| {}).unwrap();
        let copy = Pm::new(live.image());
        let tree = look(&copy).unwrap();
        copy.forget();
        let mut recording = Self {
            script: Script {
                image: live.image(),
                tree,
                steps: Vec::new(),
            },
            live,
            copy,
            volume: None,
            clock: 10,
        };
        recording.mount();
        recording
    }

    /// The operations that were done.
    pub fn finish(self) -> Script {
        self.script
    }

    /// Another time than all before.
    pub fn now(&mut self) -> DiskTime {
        self.clock += 1;
        DiskTime::new(self.clock, 0)
    }

    pub fn iget(&self, ino: u64) -> Node {
        self.volume().iget(ino).unwrap()
    }

    pub fn volume(&self) -> &Volume<Pm> {
        self.volume.as_ref().unwrap()
    }

    fn record<R>(&mut self, name: &'static str, loose: Loose, f: impl FnOnce(&Self) -> R) -> R {
        self.live.set_cpu(self.script.steps.len() % 2);
        self.live.record();
        let result = f(self);
        let events = self.live.recorded();
        for event in &events {
            if let Kind::Store { at, data } = &event.kind {
                self.copy.put(*at, data);
            }
        }
        let post = look(&self.copy).unwrap_or_else(|why| panic!("after {name}: {why}"));
        self.copy.forget();
        self.script.steps.push(Step {
            name,
            events,
            post,
            loose,
            quiet: false,
        });
        result
    }

    /// Does an operation.
    pub fn step<R>(
        &mut self,
        name: &'static str,
        f: impl FnOnce(&Volume<Pm>, DiskTime) -> rdaxfs_core::Result<R>,
    ) -> R {
        let now = self.now();
        self.record(name, None, |this| f(this.volume(), now))
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// Does an operation that may leave `loose` data.
    pub fn loose<R>(
        &mut self,
        name: &'static str,
        loose: Loose,
        f: impl FnOnce(&Volume<Pm>, DiskTime) -> rdaxfs_core::Result<R>,
    ) -> R {
        let now = self.now();
        self.record(name, loose, |this| f(this.volume(), now))
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// Does an operation like others before.
    pub fn quiet<R>(
        &mut self,
        name: &'static str,
        f: impl FnOnce(&Volume<Pm>, DiskTime) -> rdaxfs_core::Result<R>,
    ) -> R {
        let result = self.step(name, f);
        if let Some(step) = self.script.steps.last_mut() {
            step.quiet = true;
        }
        result
    }

    fn mount(&mut self) {
        let live = self.live.clone();
        let volume = self.record("mount", None, |_| Volume::mount(live, &options()).unwrap());
        self.volume = Some(volume);
    }

    /// Unmounts and mounts again.
    pub fn remount(&mut self) {
        self.record("unmount", None, |this| this.volume().deactivate().unwrap());
        self.volume = None;
        self.mount();
    }

    /// Writes `data` to byte `pos` of `node`, whose path is `path`, a piece at a time.
    pub fn write(&mut self, path: &'static str, node: &mut Node, pos: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let at = pos + done as u64;
            let (size, rest) = (node.size(), &data[done..]);
            let end = size.min(pos + data.len() as u64);
            let loose = (at < end).then_some((path, at as usize..end as usize));
            let name = if at < end { "write" } else { "append" };
            done += self.loose(name, loose, |volume, now| {
                let len = write_piece(volume, node, at, rest, now)?;
                if at + len as u64 <= size {
                    volume.medium().fence()?;
                }
                Ok(len)
            });
        }
    }
}

/// Writes as much of `data` as is in one mapping; returns how much.
pub fn write_piece<M: Medium>(
    volume: &Volume<M>,
    node: &mut Node,
    pos: u64,
    data: &[u8],
    now: DiskTime,
) -> rdaxfs_core::Result<usize> {
    write_piece_by(volume, node, pos, data, now, |at, piece| {
        volume.medium().store(at, piece)?;
        volume.medium().flush(at, piece.len() as u64)
    })
}

/// As [`write_piece`], with what stores at a byte of the volume.
pub fn write_piece_by<M: Medium>(
    volume: &Volume<M>,
    node: &mut Node,
    pos: u64,
    data: &[u8],
    now: DiskTime,
    mut store: impl FnMut(u64, &[u8]) -> rdaxfs_core::Result,
) -> rdaxfs_core::Result<usize> {
    let mut done = 0;
    loop {
        let at = pos + done as u64;
        let attr = AttrChange::from(now);
        let mapping = volume.begin_write(node, at, (data.len() - done) as u64, &attr)?;
        let Span::Written(block) = mapping.span else {
            panic!("{mapping:?}")
        };
        let offset = at - mapping.lblk * 4096;
        let len = (mapping.len * 4096 - offset).min((data.len() - done) as u64) as usize;
        let stored = store(block * 4096 + offset, &data[done..done + len]);
        let written = if stored.is_ok() { len as u64 } else { 0 };
        volume.end_write(node, at, written, now)?;
        stored?;
        done += len;
        // What was stored is the file's only at once with what follows.
        if !volume.is_staged(node) {
            return Ok(done);
        }
    }
}

pub fn file() -> NewInode<'static> {
    NewInode {
        mode: 0o100644,
        ..NewInode::default()
    }
}

pub fn dir() -> NewInode<'static> {
    NewInode {
        mode: 0o040755,
        ..NewInode::default()
    }
}

pub fn symlink(target: &[u8]) -> NewInode<'_> {
    NewInode {
        mode: 0o120777,
        target,
        ..NewInode::default()
    }
}
