// SPDX-License-Identifier: GPL-2.0

//! A list whose elements are allocated before the lock is taken.

use super::env::{
    Env,
    NoMemory, //
};

/// An element, in a chain or on its way there.
pub(super) struct Link<E: Env, T> {
    value: T,
    next: Next<E, T>,
}

/// An element that nobody else has.
pub(super) type Node<E, T> = <E as Env>::Box<Link<E, T>>;
type Next<E, T> = Option<Node<E, T>>;

/// Allocates an element for [`Chain::push`]. May sleep.
pub(super) fn alloc<E: Env, T>(value: T) -> Result<Node<E, T>, NoMemory> {
    E::alloc(Link { value, next: None })
}

impl<E: Env, T> Link<E, T> {
    /// The value.
    pub(super) fn value_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// A singly linked list: usually empty, seldom long.
pub(super) struct Chain<E: Env, T> {
    head: Next<E, T>,
}

impl<E: Env, T> Chain<E, T> {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self { head: None }
    }

    /// Adds an element, in front.
    pub(super) fn push(&mut self, mut node: Node<E, T>) {
        node.next = self.head.take();
        self.head = Some(node);
    }

    /// Takes the first element out for which `f` holds.
    pub(super) fn remove(&mut self, mut f: impl FnMut(&T) -> bool) -> Option<Node<E, T>> {
        let mut at = &mut self.head;
        while at.as_ref().is_some_and(|node| !f(&node.value)) {
            // There is one, so that the chain's end is never reached here.
            at = &mut at.as_mut()?.next;
        }
        let mut node = at.take()?;
        *at = node.next.take();
        Some(node)
    }

    /// The elements.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        core::iter::successors(self.head.as_deref(), |link| link.next.as_deref())
            .map(|link| &link.value)
    }

    /// Calls `f` for each element.
    pub(super) fn for_each_mut(&mut self, mut f: impl FnMut(&mut T)) {
        let mut at = &mut self.head;
        while let Some(node) = at {
            f(&mut node.value);
            at = &mut node.next;
        }
    }

    /// The first element for which `f` holds.
    pub(super) fn find_mut(&mut self, mut f: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let mut at = &mut self.head;
        while let Some(node) = at {
            if f(&node.value) {
                return Some(&mut node.value);
            }
            at = &mut node.next;
        }
        None
    }
}

impl<E: Env, T> Drop for Chain<E, T> {
    /// One by one: dropping the head alone would recurse.
    fn drop(&mut self) {
        while self.remove(|_| true).is_some() {}
    }
}
