// SPDX-License-Identifier: GPL-2.0

//! All that a user can see of a volume.

use super::pm::Pm;
use rdaxfs_core::{
    format_types::{
        DiskTime,
        MODE_TYPE, //
    },
    Medium,
    Node,
    Span,
    Volume, //
};
use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    ops::Range, //
};

/// What free space is filled with: no file ever shows it.
pub const PATTERN: u8 = 0xa5;
/// What mappings store past the end of a file: nothing that is read ever shows it.
pub const JUNK: u8 = 0xb6;

/// An inode and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub ino: u64,
    pub generation: u32,
    pub mode: u16,
    pub nlink: u32,
    pub owner: (u32, u32),
    pub flags: u32,
    pub rdev: u32,
    pub size: u64,
    pub times: [DiskTime; 4],
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Data, or target.
    pub data: Vec<u8>,
}

/// Paths and what they name.
pub type Tree = BTreeMap<String, File>;

type Result<T> = std::result::Result<T, String>;

fn text(what: &str, path: &str) -> impl Fn(rdaxfs_core::Error) -> String {
    let at = format!("{what} of '{path}'");
    move |error| format!("{at}: {error:?}")
}

/// Reads all of `volume`, and checks what a mount does not: names against inodes and link counts,
/// and that nothing shows [`PATTERN`].
pub fn walk<M: Medium>(volume: &Volume<M>) -> Result<Tree> {
    let mut tree = Tree::new();
    let root = volume.root();
    walk_dir(volume, String::new(), root, root, &mut tree)?;
    let mut names = BTreeMap::new();
    for file in tree
        .values()
        .filter(|file| file.mode & MODE_TYPE != 0o040000)
    {
        *names.entry(file.ino).or_insert(0) += 1;
    }
    for (path, file) in &tree {
        let expected = names.get(&file.ino).copied();
        if expected.is_some_and(|count| count != file.nlink) {
            return Err(format!("'{path}' has {} links: {expected:?}", file.nlink));
        }
    }
    let inodes: BTreeSet<u64> = tree.values().map(|file| file.ino).collect();
    if inodes.len() as u64 != volume.usage().inodes {
        return Err(format!(
            "{} inodes have names, {} are in use",
            inodes.len(),
            volume.usage().inodes
        ));
    }
    Ok(tree)
}

fn walk_dir<M: Medium>(
    volume: &Volume<M>,
    path: String,
    ino: u64,
    parent: u64,
    tree: &mut Tree,
) -> Result<()> {
    let mut dir = volume.iget(ino).map_err(text("inode", &path))?;
    if dir.inode().parent.get() != parent {
        return Err(format!("'{path}' has another parent"));
    }
    let mut entries = Vec::new();
    volume
        .readdir(&mut dir, 0, &mut |entry| {
            entries.push((entry.name.to_vec(), entry.ino, entry.file_type));
            true
        })
        .map_err(text("entries", &path))?;
    let mut subdirs = 0;
    for (name, child, file_type) in entries {
        let path = format!("{path}/{}", String::from_utf8_lossy(&name));
        if volume
            .lookup(&mut dir, &name)
            .map_err(text("lookup", &path))?
            .is_none_or(|found| found.ino != child)
        {
            return Err(format!("'{path}' is not found"));
        }
        let node = volume.iget(child).map_err(text("inode", &path))?;
        if u16::from(file_type) != node.inode().mode.get() >> 12 {
            return Err(format!("'{path}' has another type than its entry"));
        }
        if node.inode().is_dir() {
            subdirs += 1;
            walk_dir(volume, path, child, ino, tree)?;
        } else if tree
            .insert(path.clone(), file(volume, &node, &path)?)
            .is_some()
        {
            return Err(format!("'{path}' is there twice"));
        }
    }
    if dir.inode().nlink.get() != 2 + subdirs {
        return Err(format!("'{path}' has {} links", dir.inode().nlink.get()));
    }
    let file = file(volume, &dir, &path)?;
    match tree.insert(path.clone() + "/", file) {
        None => Ok(()),
        Some(_) => Err(format!("'{path}/' is there twice")),
    }
}

fn file<M: Medium>(volume: &Volume<M>, node: &Node, path: &str) -> Result<File> {
    let inode = node.inode();
    let mut names = Vec::new();
    volume
        .xattr_list(node, &mut |name| names.push(name.to_vec()))
        .map_err(text("attributes", path))?;
    let mut xattrs = BTreeMap::new();
    for name in names {
        let failed = text("attribute", path);
        let len = volume.xattr_get(node, &name, None).map_err(&failed)?;
        let mut value = vec![0; len];
        volume
            .xattr_get(node, &name, Some(&mut value))
            .map_err(&failed)?;
        xattrs.insert(name, value);
    }
    let data = if inode.is_reg() {
        data(volume, node, path)?
    } else if inode.is_symlink() {
        volume
            .read_link(node)
            .map_err(text("target", path))?
            .to_vec()
    } else {
        Vec::new()
    };
    Ok(File {
        ino: node.ino(),
        generation: inode.generation.get(),
        mode: inode.mode.get(),
        nlink: inode.nlink.get(),
        owner: (inode.uid.get(), inode.gid.get()),
        flags: inode.flags.get(),
        rdev: inode.rdev.get(),
        size: node.size(),
        times: [inode.atime, inode.mtime, inode.ctime, inode.btime],
        xattrs,
        data,
    })
}

fn data<M: Medium>(volume: &Volume<M>, node: &Node, path: &str) -> Result<Vec<u8>> {
    let size = node.size() as usize;
    let mut data = vec![0; size];
    let mut block = [0; 4096];
    for extent in node.iter_extents().filter(|extent| !extent.unwritten) {
        for index in 0..extent.len {
            let at = (extent.pblk + index) * 4096;
            volume
                .medium()
                .load(at, &mut block)
                .map_err(text("data", path))?;
            // A mapping shows what is past the end, too.
            if block.contains(&PATTERN) {
                return Err(format!("'{path}' shows stale data"));
            }
            let pos = ((extent.lblk + index) * 4096) as usize;
            if pos < size {
                let len = (size - pos).min(4096);
                data[pos..pos + len].copy_from_slice(&block[..len]);
            }
        }
    }
    if data.contains(&JUNK) {
        return Err(format!("'{path}' shows what was past its end"));
    }
    Ok(data)
}

/// Runs the checker of `fsck.rdaxfs`. A superblock that a power cut has torn is no error here: there
/// are two.
pub fn check(pm: &Pm) -> Result<()> {
    let report = rdaxfs_check::check(pm, &rdaxfs_check::Options::default());
    let mut errors = report
        .errors()
        .filter(|problem| problem.kind != rdaxfs_check::Kind::BadSuper);
    match errors.next() {
        None => Ok(()),
        Some(problem) => Err(format!("check: {problem:?}")),
    }
}

/// Data of a file that a power cut may leave old in part and new in part.
pub type Loose = Option<(&'static str, Range<usize>)>;

/// Whether `tree` is `pre` or `post`, but for what is `loose`.
pub fn is_one_of(tree: &Tree, pre: &Tree, post: &Tree, loose: &Loose) -> bool {
    if tree == pre || tree == post {
        return true;
    }
    let Some((path, range)) = loose else {
        return false;
    };
    let mut tree = tree.clone();
    let (Some(file), Some(pre_file), Some(post_file)) =
        (tree.get_mut(*path), pre.get(*path), post.get(*path))
    else {
        return false;
    };
    for (i, byte) in file.data.iter_mut().enumerate() {
        let allowed = [&pre_file.data, &post_file.data].map(|data| data.get(i).copied());
        if range.contains(&i) && !allowed.contains(&Some(*byte)) {
            return false;
        }
    }
    [(pre, pre_file), (post, post_file)]
        .iter()
        .any(|(whole, other)| {
            let Some(file) = tree.get(*path).filter(|file| file.size == other.size) else {
                return false;
            };
            let mut file = file.clone();
            let range = range.start.min(file.data.len())..range.end.min(file.data.len());
            file.data[range.clone()].copy_from_slice(&other.data[range]);
            file == **other && {
                let mut tree = tree.clone();
                tree.insert(path.to_string(), file);
                tree == **whole
            }
        })
}

/// Where the bytes are on the medium that follow the end of a file in its last block, if that block
/// is written.
pub fn past_end<M: Medium>(volume: &Volume<M>, node: &Node) -> Option<Range<u64>> {
    let (lblk, skip) = (node.size() / 4096, node.size() % 4096);
    match volume.map(node, lblk, 1).unwrap().span {
        Span::Written(block) if skip > 0 => Some(block * 4096 + skip..(block + 1) * 4096),
        _ => None,
    }
}

/// Whether only zeroes follow the end of a file in its last block.
pub fn ends_with_zeroes<M: Medium>(medium: &M, volume: &Volume<M>, node: &Node) -> bool {
    past_end(volume, node).is_none_or(|end| {
        let mut bytes = vec![1; (end.end - end.start) as usize];
        medium.load(end.start, &mut bytes).unwrap();
        bytes.iter().all(|&byte| byte == 0)
    })
}
