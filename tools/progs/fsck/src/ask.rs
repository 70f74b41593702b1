// SPDX-License-Identifier: GPL-2.0

//! Who decides what is put in order.

use rdaxfs_check::{
    Kind,
    Problem, //
};
use std::io::{
    stdin,
    stdout,
    BufRead,
    IsTerminal,
    Write, //
};

/// Decides, or asks.
pub(crate) struct Asker {
    yes: bool,
    preen: bool,
    /// Nothing but JSON may be printed.
    silent: bool,
    cancelled: bool,
}

impl Asker {
    pub(crate) fn new(yes: bool, preen: bool, silent: bool) -> Self {
        Self {
            yes,
            preen,
            silent,
            cancelled: false,
        }
    }

    /// Whether a question can be answered, or none is asked.
    pub(crate) fn can_ask(&self) -> bool {
        self.yes || self.preen || (!self.silent && stdin().is_terminal())
    }

    /// Whether somebody wanted no more questions.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Whether to put it in order.
    pub(crate) fn allow(&mut self, problem: &Problem) -> bool {
        if self.yes {
            return true;
        }
        if self.preen {
            return takes_nothing(problem.kind);
        }
        self.can_ask() && !self.cancelled && self.ask(problem)
    }

    fn ask(&mut self, problem: &Problem) -> bool {
        loop {
            print!("{problem}\n  put in order? [y]es, [n]o, [a]ll, [q]uit: ");
            let _ = stdout().flush();
            let mut line = String::new();
            if stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
                line = "q".into();
            }
            match line.trim() {
                "y" | "yes" => return true,
                "n" | "no" => return false,
                "a" | "all" => {
                    self.yes = true;
                    return true;
                }
                "q" | "quit" => {
                    self.cancelled = true;
                    return false;
                }
                _ => {}
            }
        }
    }
}

/// Whether putting it in order takes no file, name or data away.
fn takes_nothing(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::BadSuper
            | Kind::StaleSuper
            | Kind::NotUnmounted
            | Kind::MarkedBad
            | Kind::PendingTransaction
            | Kind::WrongFileType
            | Kind::WrongParent
            | Kind::WrongLinkCount
            | Kind::Orphan
            | Kind::StrayField
    )
}
