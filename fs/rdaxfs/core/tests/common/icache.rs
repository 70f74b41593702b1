// SPDX-License-Identifier: GPL-2.0

//! Inodes in memory, as the VFS keeps them: hashed by number, new until they have been read or made,
//! and waited for while they are evicted.

use super::overlap::{
    doing,
    Overlap, //
};
use rdaxfs_core::{
    Error,
    Hashed,
    Node,
    Result,
    Volume, //
};
use std::{
    collections::{
        BTreeMap,
        HashMap, //
    },
    ops::Deref,
    sync::{
        atomic::{
            AtomicU32,
            Ordering, //
        },
        Arc,
        Condvar,
        Mutex,
        RwLock, //
    }, //
};

/// What is to be read from a file. Its lock is the `i_rwsem`.
#[derive(Default)]
pub struct Content {
    pub data: Vec<u8>,
    pub xattrs: BTreeMap<u8, Vec<u8>>,
    pub target: Vec<u8>,
}

/// An inode in use.
pub struct Inode {
    pub ino: u64,
    pub content: Arc<RwLock<Content>>,
    pub node: RwLock<Node>,
    nlink: AtomicU32,
}

impl Inode {
    /// Tells the cache how many names `node`, which is locked, has.
    pub fn sync_nlink(&self, node: &Node) {
        self.nlink
            .store(node.inode().nlink.get(), Ordering::Relaxed);
    }
}

enum State {
    /// Read or made: `I_NEW`.
    New,
    Live(Arc<Inode>, u64),
    /// Evicted: `I_FREEING`.
    Freeing,
}

#[derive(Default)]
struct Hash {
    inodes: HashMap<u64, State>,
    /// Of all inodes on the medium, also those that are not in memory.
    contents: HashMap<u64, Arc<RwLock<Content>>>,
}

pub struct Cache {
    pub volume: Volume<Overlap>,
    hash: Mutex<Hash>,
    changed: Condvar,
}

/// A number that is hashed and new.
pub struct Claim<'c> {
    cache: &'c Cache,
    ino: u64,
}

impl Hashed for Claim<'_> {
    fn ino(&self) -> u64 {
        self.ino
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut hash = self.cache.hash.lock().unwrap();
        if matches!(hash.inodes.get(&self.ino), Some(State::New)) {
            hash.inodes.remove(&self.ino);
        }
        self.cache.changed.notify_all();
    }
}

/// A reference to an inode.
pub struct Ref<'c> {
    cache: &'c Cache,
    inode: Arc<Inode>,
}

impl Deref for Ref<'_> {
    type Target = Inode;

    fn deref(&self) -> &Inode {
        &self.inode
    }
}

impl Clone for Ref<'_> {
    fn clone(&self) -> Self {
        let mut hash = self.cache.hash.lock().unwrap();
        match hash.inodes.get_mut(&self.ino) {
            Some(State::Live(_, count)) => *count += 1,
            _ => panic!("reference to an inode that is not in use"),
        }
        Self {
            cache: self.cache,
            inode: self.inode.clone(),
        }
    }
}

impl Drop for Ref<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut hash = self.cache.hash.lock().unwrap();
        let Some(State::Live(_, count)) = hash.inodes.get_mut(&self.ino) else {
            panic!("reference to an inode that is not in use");
        };
        *count -= 1;
        let last = *count == 0;
        // An inode that has a name stays in memory, or is reclaimed at once.
        let unnamed = self.nlink.load(Ordering::Relaxed) == 0;
        if last && (unnamed || self.ino & 1 == 0) {
            hash.inodes.insert(self.ino, State::Freeing);
            drop(hash);
            self.cache.evict(&self.inode, unnamed);
        }
    }
}

/// What a lookup by number finds.
pub enum Lookup<'c> {
    Found(Ref<'c>),
    New(Claim<'c>),
}

impl Cache {
    pub fn new(volume: Volume<Overlap>) -> Self {
        Self {
            volume,
            hash: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The contents of what was in memory before, for the next mount.
    pub fn contents(&self) -> HashMap<u64, Arc<RwLock<Content>>> {
        self.hash.lock().unwrap().contents.clone()
    }

    pub fn set_contents(&self, contents: HashMap<u64, Arc<RwLock<Content>>>) {
        self.hash.lock().unwrap().contents = contents;
    }

    /// Evicts all inodes, of which none is in use.
    pub fn shrink(&self) {
        let mut hash = self.hash.lock().unwrap();
        for (_, state) in hash.inodes.drain() {
            match state {
                State::Live(inode, 0) => {
                    let mut node = inode.node.write().unwrap();
                    assert_ne!(node.inode().nlink.get(), 0);
                    self.volume.evict(&mut node).unwrap();
                }
                _ => panic!("inode is in use"),
            }
        }
    }

    fn evict(&self, inode: &Inode, unnamed: bool) {
        doing("evict");
        // The number is another one's as soon as it is free.
        if unnamed {
            self.hash.lock().unwrap().contents.remove(&inode.ino);
        }
        self.volume.evict(&mut inode.node.write().unwrap()).unwrap();
        self.hash.lock().unwrap().inodes.remove(&inode.ino);
        self.changed.notify_all();
    }

    /// As `iget_locked()`.
    pub fn find(&self, ino: u64) -> Lookup<'_> {
        let mut hash = self.hash.lock().unwrap();
        loop {
            match hash.inodes.get_mut(&ino) {
                None => {
                    hash.inodes.insert(ino, State::New);
                    return Lookup::New(Claim { cache: self, ino });
                }
                Some(State::Live(inode, count)) => {
                    *count += 1;
                    return Lookup::Found(Ref {
                        cache: self,
                        inode: inode.clone(),
                    });
                }
                Some(State::New | State::Freeing) => hash = self.changed.wait(hash).unwrap(),
            }
        }
    }

    /// Hashes the number of an inode that is about to be made.
    pub fn insert(&self, ino: u64) -> Claim<'_> {
        match self.find(ino) {
            Lookup::New(claim) => claim,
            Lookup::Found(_) => panic!("free inode {ino} is in use"),
        }
    }

    /// An inode was made at `claim` and is not kept in memory.
    pub fn forget(&self, claim: Claim<'_>) {
        let mut hash = self.hash.lock().unwrap();
        let old = hash.contents.insert(claim.ino, Arc::default());
        assert!(old.is_none(), "inode {} is there twice", claim.ino);
        drop(hash);
        drop(claim);
    }

    /// The inode becomes visible.
    pub fn publish(&self, claim: Claim<'_>, node: Node, content: Option<Content>) -> Ref<'_> {
        let ino = claim.ino;
        assert_eq!(node.ino(), ino);
        let mut hash = self.hash.lock().unwrap();
        if let Some(content) = content {
            let old = hash.contents.insert(ino, Arc::new(RwLock::new(content)));
            assert!(old.is_none(), "inode {ino} is there twice");
        }
        let content = hash.contents.get(&ino).cloned();
        let inode = Arc::new(Inode {
            nlink: AtomicU32::new(node.inode().nlink.get()),
            ino,
            content: content.unwrap_or_else(|| panic!("inode {ino} was read, but is not there")),
            node: RwLock::new(node),
        });
        hash.inodes.insert(ino, State::Live(inode.clone(), 1));
        drop(hash);
        drop(claim);
        Ref { cache: self, inode }
    }

    /// The inode with this number; `None` if there is none.
    pub fn iget(&self, ino: u64) -> Option<Ref<'_>> {
        match self.find(ino) {
            Lookup::Found(inode) => Some(inode),
            Lookup::New(claim) => {
                let read: Result<Node> = self.volume.iget(&claim);
                match read {
                    Ok(node) => Some(self.publish(claim, node, None)),
                    Err(Error::Stale) => None,
                    Err(error) => panic!("inode {ino}: {error:?}"),
                }
            }
        }
    }
}
