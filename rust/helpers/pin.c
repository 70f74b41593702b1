// SPDX-License-Identifier: GPL-2.0
/* Pins of pages of DAX files: whose they are, and giving them back. */

#include <linux/dax.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include "helpers.h"

/* Both for a DAX file that may be used so, whatever the other flags. */
int rdax_helper_pin_check_file(struct file *file, bool write)
{
	struct inode *inode = file_inode(file);

	if (!(file->f_mode & (write ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	return S_ISREG(inode->i_mode) && IS_DAX(inode) ? 0 : -EOPNOTSUPP;
}

/*
 * The DAX file that the current task has mapped at an address, with a reference,
 * or NULL: which page of the file it is, and how many follow in the mapping.
 */
struct file *rdax_helper_pin_vma_file(unsigned long addr, pgoff_t *index,
				      unsigned long *pages)
{
	struct mm_struct *mm = current->mm;
	struct file *file = NULL;
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma && vma_is_dax(vma) && S_ISREG(file_inode(vma->vm_file)->i_mode)) {
		file = get_file(vma->vm_file);
		*index = linear_page_index(vma, addr);
		*pages = (vma->vm_end - addr) >> PAGE_SHIFT;
	}
	mmap_read_unlock(mm);
	return file;
}

/*
 * Whether a referenced page is one of a DAX file, and of this file at this
 * index if it is that of one file only: -EOPNOTSUPP and -EFAULT if not.
 */
int rdax_helper_pin_check_page(struct page *page, struct file *file,
			       pgoff_t index)
{
	struct folio *folio = page_folio(page);
	struct address_space *mapping;
	pgoff_t first;

	if (!folio_is_zone_device(folio) || !folio_is_fsdax(folio))
		return -EOPNOTSUPP;
	if (!file)
		return -EFAULT;
	first = READ_ONCE(folio->index);
	mapping = READ_ONCE(folio->mapping);
	/* It may have left the file since, or be in several places. */
	if (!mapping)
		return 0;
	return mapping == file->f_mapping &&
	       first + folio_page_idx(folio, page) == index ? 0 : -EFAULT;
}

struct page *rdax_helper_pfn_page(u64 pfn)
{
	return pfn_to_page(pfn);
}

u64 rdax_helper_page_pfn(struct page *page)
{
	return page_to_pfn(page);
}

void rdax_helper_pin_put(struct page *page)
{
	folio_put(page_folio(page));
}
