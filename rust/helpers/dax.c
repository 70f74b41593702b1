// SPDX-License-Identifier: GPL-2.0
/*
 * What a device needs to know of the folios behind it before their memmap may
 * go: who references them, and which file still maps them.
 */

#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/wait_bit.h>

#include "helpers.h"

/*
 * Free: no reference, and no mapping entry that would look at the folio when
 * its inode is evicted. Tail pages of a large folio have neither; the head
 * speaks for them.
 */
bool rdax_helper_folio_is_free(u64 pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *folio;

	if (PageTail(page))
		return true;
	folio = (struct folio *)page;
	return !folio_ref_count(folio) && !READ_ONCE(folio->mapping) &&
	       !READ_ONCE(folio->share);
}

/* Whether the folio of a page that is not free is in a file, or in several. */
bool rdax_helper_folio_is_in_file(u64 pfn)
{
	struct folio *folio = pfn_folio(pfn);

	return READ_ONCE(folio->mapping) || READ_ONCE(folio->share);
}

bool rdax_helper_folio_is_mapped(u64 pfn)
{
	return folio_mapped(pfn_folio(pfn));
}

/* The first pfn in [pfn, end) that is not free, or end. */
u64 rdax_helper_next_used_pfn(u64 pfn, u64 end)
{
	while (pfn < end && rdax_helper_folio_is_free(pfn))
		pfn++;
	return pfn;
}

/*
 * The inode that a folio's file belongs to, with a reference, or NULL: the
 * folio is in no file, or shared by several, or its inode is being evicted.
 * Inodes of DAX file systems are freed after an RCU grace period.
 */
struct inode *rdax_helper_dax_folio_inode(u64 pfn)
{
	struct folio *folio = pfn_folio(pfn);
	struct address_space *mapping;
	struct inode *inode = NULL;

	rcu_read_lock();
	mapping = READ_ONCE(folio->mapping);
	if (mapping && mapping->host)
		inode = igrab(mapping->host);
	rcu_read_unlock();
	return inode;
}

/*
 * Unmap every page of a DAX file and, if none is referenced any more, take its
 * pages out of its mapping. Returns 0, or -EBUSY and a page that is still
 * referenced. The device is dead, so no fault brings a page back.
 */
int rdax_helper_dax_detach_inode(struct inode *inode, u64 *busy_pfn)
{
	struct address_space *mapping = inode->i_mapping;
	struct page *busy;

	if (!dax_mapping(mapping))
		return 0;
	filemap_invalidate_lock(mapping);
	rdax_helper_dax_wait_locked(inode, 0, ULONG_MAX);
	busy = dax_layout_busy_page(mapping);
	if (!busy)
		dax_delete_mapping_range(mapping, 0, LLONG_MAX);
	filemap_invalidate_unlock(mapping);
	if (!busy)
		return 0;
	*busy_pfn = page_to_pfn(busy);
	return -EBUSY;
}

size_t rdax_helper_folio_bytes(u64 pfn)
{
	return folio_size(pfn_folio(pfn));
}

/* free_zone_device_folio() wakes this variable when the last reference goes. */
bool rdax_helper_wait_folio_unreferenced(u64 pfn, long timeout)
{
	struct page *page = pfn_to_page(pfn);

	return wait_var_event_timeout(page, dax_page_is_idle(page), timeout);
}
