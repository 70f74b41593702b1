// SPDX-License-Identifier: GPL-2.0
/* The filesystem's side of DAX: holder, faults, I/O, and the drain. */

#include <linux/blkdev.h>
#include <linux/dax.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/major.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/wait_bit.h>

#include "helpers.h"

struct file *rdax_helper_get_file(struct file *file)
{
	return get_file(file);
}

/*
 * Disks with extended numbers are drivers' own; device mapper has a major, and
 * what it maps may change or go without the DAX device's knowledge.
 */
bool rdax_helper_bdev_is_stacked(struct block_device *bdev)
{
	return bdev->bd_disk->major != BLOCK_EXT_MAJOR;
}

u64 rdax_helper_bdev_bytes(struct block_device *bdev)
{
	return bdev_nr_bytes(bdev);
}

void rdax_helper_sb_start_pagefault(struct super_block *sb)
{
	sb_start_pagefault(sb);
}

void rdax_helper_sb_end_pagefault(struct super_block *sb)
{
	sb_end_pagefault(sb);
}

u32 rdax_helper_vmf_error(int err)
{
	return (__force u32)vmf_error(err);
}

void rdax_helper_file_accessed(struct file *file)
{
	file_accessed(file);
}

bool rdax_helper_vma_is_sync(const struct vm_area_desc *desc)
{
	return vma_desc_test(desc, VMA_SYNC_BIT);
}

void rdax_helper_vma_set_hugepage(struct vm_area_desc *desc)
{
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
}

bool rdax_helper_iocb_is_dsync(const struct kiocb *iocb)
{
	return iocb_is_dsync(iocb);
}

/* No I/O of a DAX file waits but for locks, and all of it is direct. */
int rdax_helper_dax_file_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_NOWAIT | FMODE_CAN_ODIRECT;
	return generic_file_open(inode, file);
}

/*
 * The entry of a huge page goes as a whole. Who maps it by small pages may map
 * some outside the range, and those do not make it busy.
 */
static void unmap_huge_entry(struct address_space *mapping, pgoff_t index)
{
	unsigned int order = xa_get_order(&mapping->i_pages, index);

	if (order)
		unmap_mapping_pages(mapping, round_down(index, 1UL << order),
				    1UL << order, false);
}

/* Unmap a range, with huge pages that reach beyond it; a page still in use. */
struct page *rdax_helper_dax_busy_page(struct inode *inode, loff_t first,
				       loff_t last)
{
	struct address_space *mapping = inode->i_mapping;

	unmap_huge_entry(mapping, first >> PAGE_SHIFT);
	unmap_huge_entry(mapping, last >> PAGE_SHIFT);
	return dax_layout_busy_page_range(mapping, first, last);
}

/*
 * Wait until a page's last reference goes, or a while: references from page
 * tables count too, and who touches the page meanwhile gets it mapped again, so
 * the caller has to look again. The invalidate lock is released meanwhile.
 */
int rdax_helper_dax_wait_page(struct inode *inode, struct page *page)
{
	long ret;

	filemap_invalidate_unlock(inode->i_mapping);
	ret = ___wait_var_event(page, ___wait_cond_timeout(dax_page_is_idle(page)),
				TASK_KILLABLE, 0, msecs_to_jiffies(20),
				__ret = schedule_timeout(__ret));
	filemap_invalidate_lock(inode->i_mapping);
	return ret < 0 ? ret : 0;
}

/*
 * One failed page of a file. mf_dax_kill_procs() marks the first page of a huge
 * entry, whichever of them failed; the mark would stay when that is repaired.
 */
int rdax_helper_dax_kill_users(struct inode *inode, pgoff_t index, u64 pfn,
			       int flags)
{
#ifdef CONFIG_MEMORY_FAILURE
	struct address_space *mapping = inode->i_mapping;
	unsigned int order = xa_get_order(&mapping->i_pages, index);
	struct page *page = pfn_to_page(pfn);
	struct page *first = pfn_to_page(round_down(pfn, 1UL << order));
	bool marked = PageHWPoison(first);
	int ret;

	ret = mf_dax_kill_procs(mapping, index, 1, flags);
	if (page != first && !marked && TestClearPageHWPoison(first))
		SetPageHWPoison(page);
	return ret;
#else
	return -EOPNOTSUPP;
#endif
}

/* Whether there are entries for small pages; one for a huge page fills all. */
bool rdax_helper_dax_has_small_entries(struct inode *inode, pgoff_t first,
				       pgoff_t last)
{
	struct xarray *entries = &inode->i_mapping->i_pages;
	unsigned long index = first;

	return xa_find(entries, &index, last, XA_PRESENT) &&
	       xa_get_order(entries, index) < PMD_ORDER;
}
