// SPDX-License-Identifier: GPL-2.0

//! Arithmetic of sectors, pages and bad blocks.
//!
//! Pure: no kernel type, so that the host tests run this very file.

/// Sectors in a page.
pub(crate) const SECTORS_PER_PAGE: u64 = 8;

/// Answer to `direct_access`, see [`accessible`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// This many pages, at least one.
    Pages(u64),
    /// The first page is poisoned.
    Poisoned,
    /// Beyond the end of the device.
    Outside,
}

/// The sectors of pages `pgoff .. pgoff + nr_pages`, as first sector and count; `None` if they are
/// not all on a device of `total` pages.
pub(crate) fn sectors_of(total: u64, pgoff: u64, nr_pages: u64) -> Option<(u64, u64)> {
    let end = pgoff.checked_add(nr_pages)?;
    if end > total {
        return None;
    }
    Some((
        pgoff.checked_mul(SECTORS_PER_PAGE)?,
        nr_pages.checked_mul(SECTORS_PER_PAGE)?,
    ))
}

/// The whole pages around `len` bytes at byte `offset`, as byte offset and length; `None` if they
/// end beyond 2^64.
pub(crate) fn whole_pages(offset: u64, len: u64) -> Option<(u64, u64)> {
    const PAGE: u64 = SECTORS_PER_PAGE * 512;
    let first = offset / PAGE * PAGE;
    let end = offset.checked_add(len)?.checked_next_multiple_of(PAGE)?;
    Some((first, end - first))
}

/// How much of a device of `total` pages can be accessed from page `pgoff` on.
///
/// `first_bad` finds the first bad sector in a run of sectors. Without any, the answer is all up
/// to the end, whatever `wanted` is. With `recover`, a poisoned page is one page to be overwritten.
pub(crate) fn accessible(
    total: u64,
    pgoff: u64,
    wanted: u64,
    recover: bool,
    first_bad: impl FnOnce(u64, u64) -> Option<u64>,
) -> Access {
    let rest = match total.checked_sub(pgoff) {
        None | Some(0) => return Access::Outside,
        Some(rest) => rest,
    };
    let wanted = wanted.clamp(1, rest);
    let Some((sector, sectors)) = sectors_of(total, pgoff, wanted) else {
        return Access::Outside;
    };
    match first_bad(sector, sectors) {
        None => Access::Pages(rest),
        Some(bad) => match (bad.saturating_sub(sector) / SECTORS_PER_PAGE).min(wanted) {
            0 if recover => Access::Pages(1),
            0 => Access::Poisoned,
            good => Access::Pages(good),
        },
    }
}

/// Parses `"SECTOR COUNT"`, decimal, for error injection.
pub(crate) fn parse_range(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace();
    let sector = words.next()?.parse().ok()?;
    let count: u64 = words.next()?.parse().ok()?;
    if words.next().is_some() || count == 0 {
        return None;
    }
    Some((sector, count))
}
