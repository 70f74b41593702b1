// SPDX-License-Identifier: GPL-2.0
/*
 * Faults in a VMA whose page tables may hold userfaultfd write-protect markers.
 *
 * vmf_insert_page_mkwrite() expects an empty PTE, or one that maps the very
 * page. It refuses a marker with -EBUSY, which becomes VM_FAULT_NOPAGE and so a
 * fault without end, or warns of it. Here a marker is replaced by its page in
 * finish_fault(), which takes a locked page, or by the zero page; and a PTE
 * becomes writable only if it is what the fault began with.
 *
 * UFFDIO_WRITEPROTECT and PAGEMAP_SCAN hold mmap_lock shared, as faults do: a
 * marker or the write-protect bit may come at any moment but under the PTE
 * lock.
 *
 * Lock order: invalidate_lock, the folio lock; the PTE lock, the lock of
 * i_pages.
 */

#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/userfaultfd_k.h>
#include <linux/xarray.h>

#include "dax_entry.h"
#include "helpers.h"

static struct address_space *fault_mapping(struct vm_fault *vmf)
{
	return vmf->vma->vm_file->f_mapping;
}

/* Copies of private pages go through finish_fault() in any case. */
bool rdax_helper_fault_is_armed(const struct vm_fault *vmf)
{
	return userfaultfd_armed(vmf->vma) && !vmf->cow_page;
}

/* Whether the fault began at a marker. */
bool rdax_helper_fault_is_marked(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_ORIG_PTE_VALID &&
	       !pte_none(vmf->orig_pte) && !pte_present(vmf->orig_pte);
}

/* Make the fault one that maps its page read-only, or a write again. */
bool rdax_helper_fault_set_write(struct vm_fault *vmf, bool write)
{
	bool was = vmf->flags & FAULT_FLAG_WRITE;

	if (write)
		vmf->flags |= FAULT_FLAG_WRITE;
	else
		vmf->flags &= ~FAULT_FLAG_WRITE;
	return was;
}

/*
 * Reference and lock the page that is entered for the fault: false if there is
 * none. The invalidate lock is held shared, so a real entry stays, and keeps its
 * folio what it is.
 */
bool rdax_helper_fault_lock_page(struct vm_fault *vmf)
{
	XA_STATE(xas, &fault_mapping(vmf)->i_pages, vmf->pgoff);
	struct page *page = NULL;
	void *entry;

	xas_lock_irq(&xas);
	entry = xas_load(&xas);
	if (entry_is_real(entry)) {
		page = pfn_to_page(entry_pfn(entry, vmf->pgoff));
		folio_ref_inc(page_folio(page));
	}
	xas_unlock_irq(&xas);
	if (!page)
		return false;
	folio_lock(page_folio(page));
	/* __do_fault() would evict it as from a page cache. */
	if (PageHWPoison(page)) {
		folio_unlock(page_folio(page));
		folio_put(page_folio(page));
		return false;
	}
	vmf->page = page;
	return true;
}

/*
 * Lock vmf->page, which is referenced, once more: false if it no longer is what
 * is entered for the fault. The invalidate lock is held shared.
 */
bool rdax_helper_fault_relock_page(struct vm_fault *vmf)
{
	void *entry = xa_load(&fault_mapping(vmf)->i_pages, vmf->pgoff);

	if (!entry_is_real(entry) ||
	    entry_pfn(entry, vmf->pgoff) != page_to_pfn(vmf->page) ||
	    PageHWPoison(vmf->page))
		return false;
	folio_lock(page_folio(vmf->page));
	return true;
}

/* A change of the fault's PTE, which the PTE lock makes one step. */
struct pte_change {
	struct vm_fault *vmf;
	enum rdax_pte_change result;
};

static enum rdax_pte_change map_zero(struct vm_fault *vmf, pte_t *pte)
{
	XA_STATE(xas, &fault_mapping(vmf)->i_pages, vmf->pgoff);
	enum rdax_pte_change result = RDAX_PTE_LOCKED;
	unsigned long value;
	pte_t entry;

	entry = pfn_pte(zero_pfn(vmf->address), vmf->vma->vm_page_prot);
	entry = pte_mkspecial(pte_wrprotect(entry));
	if (userfaultfd_wp(vmf->vma))
		entry = pte_mkuffd(entry);
	xas_lock_irq(&xas);
	/* An entry that is being replaced is locked; its PTEs go after that. */
	value = xa_to_value(xas_load(&xas));
	if (value & ENTRY_ZERO && !(value & ENTRY_LOCKED)) {
		set_pte_at(vmf->vma->vm_mm, vmf->address, pte, entry);
		result = RDAX_PTE_CHANGED;
	}
	xas_unlock_irq(&xas);
	return result;
}

static int map_zero_pte(pte_t *pte, unsigned long addr, void *data)
{
	struct pte_change *change = data;

	if (pte_same(ptep_get(pte), change->vmf->orig_pte))
		change->result = map_zero(change->vmf, pte);
	return 0;
}

static enum rdax_pte_change make_writable(struct vm_fault *vmf, pte_t *pte)
{
	XA_STATE(xas, &fault_mapping(vmf)->i_pages, vmf->pgoff);
	enum rdax_pte_change result = RDAX_PTE_STALE;
	pte_t entry = ptep_get(pte);
	void *page;

	xas_lock_irq(&xas);
	page = xas_load(&xas);
	if (entry_is_real(page) &&
	    entry_pfn(page, vmf->pgoff) == pte_pfn(entry)) {
		result = RDAX_PTE_LOCKED;
		/*
		 * Writeback locks the entry, then write-protects the PTE, then
		 * clears the tag: it has to come before or after all of this.
		 */
		if (!(xa_to_value(page) & ENTRY_LOCKED)) {
			xas_set_mark(&xas, PAGECACHE_TAG_DIRTY);
			if (vmf->vma->vm_flags & VM_WRITE)
				entry = pte_mkwrite_novma(entry);
			entry = pte_mkyoung(pte_mkdirty(entry));
			set_pte_at(vmf->vma->vm_mm, vmf->address, pte, entry);
			result = RDAX_PTE_CHANGED;
		}
	}
	xas_unlock_irq(&xas);
	return result;
}

static int make_pte_writable(pte_t *pte, unsigned long addr, void *data)
{
	struct pte_change *change = data;

	/* With the write-protect bit it is another one. */
	if (pte_same(ptep_get(pte), change->vmf->orig_pte))
		change->result = make_writable(change->vmf, pte);
	return 0;
}

static enum rdax_pte_change change_pte(struct vm_fault *vmf, pte_fn_t fn)
{
	struct pte_change change = { .vmf = vmf, .result = RDAX_PTE_OTHER };
	pmd_t pmd = pmdp_get(vmf->pmd);

	/* The table has gone: so has what the fault began with. */
	if (pmd_none(pmd) || pmd_leaf(pmd))
		return RDAX_PTE_OTHER;
	if (apply_to_page_range(vmf->vma->vm_mm, vmf->address, PAGE_SIZE, fn,
				&change))
		return RDAX_PTE_OTHER;
	return change.result;
}

/*
 * Map the zero page, write-protected, in place of the marker that the fault
 * began at, if an entry for a hole is there.
 */
enum rdax_pte_change rdax_helper_fault_map_zero(struct vm_fault *vmf)
{
	return change_pte(vmf, map_zero_pte);
}

/*
 * Make the PTE that the fault began with writable, and its entry dirty, if it
 * maps the page that is entered. The invalidate lock is held shared.
 */
enum rdax_pte_change rdax_helper_fault_make_writable(struct vm_fault *vmf)
{
	__mark_inode_dirty(fault_mapping(vmf)->host, I_DIRTY_PAGES);
	return change_pte(vmf, make_pte_writable);
}

/* Unmap the page of the fault wherever it is mapped, and wait for its entry. */
void rdax_helper_fault_unmap(struct vm_fault *vmf)
{
	loff_t pos = (loff_t)vmf->pgoff << PAGE_SHIFT;

	dax_layout_busy_page_range(fault_mapping(vmf), pos, pos);
}

/*
 * Wait until no folio in [first, last] is locked. A fault that has returned a
 * locked one maps it without the invalidate lock. That is held exclusively now,
 * so there will be no more of them, and entries stay.
 */
void rdax_helper_dax_wait_locked(struct inode *inode, unsigned long first,
				 unsigned long last)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, first);
	unsigned int scanned = 0;
	struct folio *folio;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, last) {
		if (xas_retry(&xas, entry) || !entry_is_real(entry))
			continue;
		folio = entry_folio(entry);
		if (!folio_test_locked(folio) && ++scanned % BATCH)
			continue;
		xas_pause(&xas);
		rcu_read_unlock();
		folio_wait_locked(folio);
		cond_resched();
		rcu_read_lock();
	}
	rcu_read_unlock();
}
