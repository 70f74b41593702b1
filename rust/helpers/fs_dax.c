// SPDX-License-Identifier: GPL-2.0
/* The filesystem's side of DAX: holder, faults, I/O. */

#include <linux/blkdev.h>
#include <linux/dax.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/major.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "dax_entry.h"
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

/* What direct I/O on a disk has to be aligned to, in bytes. */
void rdax_helper_bdev_dio_align(struct block_device *bdev, u32 *memory,
				u32 *offset)
{
	*memory = bdev_dma_alignment(bdev) + 1;
	*offset = bdev_logical_block_size(bdev);
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

/*
 * Give back the lock under which a fault came, if the fault may be retried then:
 * the file, with a reference, for the mapping may go. The caller must return
 * VM_FAULT_RETRY.
 */
struct file *rdax_helper_fault_unlock(struct vm_fault *vmf)
{
	struct file *file;

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY) ||
	    (vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return NULL;
	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	return file;
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
 * One failed page of a file. mf_dax_kill_procs() marks the first page of a huge
 * entry, whichever of them failed; the mark would stay when that is repaired.
 * The invalidate lock is held shared, so an entry keeps its folio.
 */
int rdax_helper_dax_kill_users(struct inode *inode, pgoff_t index, u64 pfn,
			       int flags)
{
#ifdef CONFIG_MEMORY_FAILURE
	struct address_space *mapping = inode->i_mapping;
	unsigned int order = xa_get_order(&mapping->i_pages, index);
	struct page *page = pfn_to_page(pfn);
	struct page *first = pfn_to_page(round_down(pfn, 1UL << order));
	void *entry = xa_load(&mapping->i_pages, index);
	bool marked = PageHWPoison(first);
	struct folio *folio = NULL;
	int ret;

	/* Not between a fault that returns the locked page and its mapping. */
	if (entry_is_real(entry)) {
		folio = entry_folio(entry);
		folio_lock(folio);
	}
	ret = mf_dax_kill_procs(mapping, index, 1, flags);
	if (page != first && !marked && TestClearPageHWPoison(first))
		SetPageHWPoison(page);
	if (folio)
		folio_unlock(folio);
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
