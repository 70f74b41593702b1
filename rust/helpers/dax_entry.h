/* SPDX-License-Identifier: GPL-2.0 */
/* Entries in the mappings of DAX files. */
#ifndef _RDAX_DAX_ENTRY_H
#define _RDAX_DAX_ENTRY_H

#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/xarray.h>

/* Of fs/dax.c; rdax_helper_dax_check_entries() tries whether they are. */
#define ENTRY_SHIFT	4
#define ENTRY_LOCKED	BIT(0)
#define ENTRY_PMD	BIT(1)
#define ENTRY_ZERO	BIT(2)
#define ENTRY_EMPTY	BIT(3)
#define ENTRY_FLAGS	(BIT(ENTRY_SHIFT) - 1)

/* Entries looked at with interrupts off, or between two rescheduling points. */
#define BATCH		1024

static inline bool entry_is_real(void *entry)
{
	return xa_is_value(entry) &&
	       !(xa_to_value(entry) & (ENTRY_ZERO | ENTRY_EMPTY));
}

static inline struct folio *entry_folio(void *entry)
{
	return pfn_folio(xa_to_value(entry) >> ENTRY_SHIFT);
}

/* The page frame number for one of the indexes that a real entry is for. */
static inline unsigned long entry_pfn(void *entry, pgoff_t index)
{
	unsigned long pfn = xa_to_value(entry) >> ENTRY_SHIFT;

	if (xa_to_value(entry) & ENTRY_PMD)
		pfn += index & (HPAGE_PMD_NR - 1);
	return pfn;
}

#endif /* _RDAX_DAX_ENTRY_H */
