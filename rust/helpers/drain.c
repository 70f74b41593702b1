// SPDX-License-Identifier: GPL-2.0
/*
 * Taking DAX entries out of a mapping although their folios are referenced.
 *
 * fs/dax.c deletes entries of unreferenced folios only: it splits a huge folio
 * on the way. So an entry whose folio is still referenced is replaced by an
 * empty one first, which fs/dax.c deletes without looking at a folio. The folio
 * becomes an orphan: it names no file, and keeps its size until the last
 * reference is gone, as those who reference it expect.
 *
 * Pages of a huge orphan may still, or again, be blocks of a file. fs/dax.c
 * cannot enter those. They are entered here, one small entry each, counted in
 * folio->share like the entries of a folio that several files share.
 *
 * Lock order: the lock of i_pages, orphan_lock.
 */

#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>
#include <linux/xarray.h>

#include "dax_entry.h"
#include "helpers.h"

/*
 * Orphans: their share counts, splitting them, and how many huge ones each
 * volume has, which is read without the lock: who gets a block gets it by way of
 * locks that were held when its page became part of an orphan. What a folio says
 * of its file is read without it, too: Documentation/locking.rst.
 */
static DEFINE_SPINLOCK(orphan_lock);

/* The last index that the entry at this one is for. */
static pgoff_t entry_last(void *entry, pgoff_t index)
{
	if (xa_to_value(entry) & ENTRY_PMD)
		return index | (HPAGE_PMD_NR - 1);
	return index;
}

/*
 * Whether there are references beside those of page tables. With page faults
 * kept out the latter only get fewer, so this never misses one.
 */
static bool folio_is_held(struct folio *folio)
{
	int refs = folio_ref_count(folio);

	if (refs)
		rdax_delay_counted();
	/* A mapping that goes meanwhile must not hide a reference. */
	smp_rmb();
	return refs != folio_mapcount(folio);
}

/* Whether tasks wait for the lock of an inode that the caller has locked. */
bool rdax_helper_inode_is_contended(struct inode *inode)
{
	return rwsem_is_contended(&inode->i_rwsem);
}

/* How large the entry at an index is, as a power of two; 0 if there is none. */
unsigned int rdax_helper_dax_entry_order(struct inode *inode,
					 unsigned long index)
{
	return xa_get_order(&inode->i_mapping->i_pages, index);
}

/*
 * The next entry in [*index, last] whose folio is held: true, and where it is.
 * The invalidate lock is held, so entries do not go; locked ones count too.
 */
bool rdax_helper_dax_find_held(struct inode *inode, unsigned long *index,
			       unsigned long last, u64 *pfn)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, *index);
	unsigned int scanned = 0;
	struct folio *folio;
	bool held = false;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, last) {
		if (xas_retry(&xas, entry))
			continue;
		if (entry_is_real(entry)) {
			folio = entry_folio(entry);
			held = folio_is_held(folio);
			if (held) {
				*index = xas.xa_index;
				*pfn = folio_pfn(folio);
				break;
			}
		}
		if (++scanned % BATCH == 0) {
			xas_pause(&xas);
			rcu_read_unlock();
			cond_resched();
			rcu_read_lock();
		}
	}
	rcu_read_unlock();
	return held;
}

/*
 * Wait until a folio is no longer held: what is left of the timeout, at least 1;
 * 0 if it ran out; -ERESTARTSYS for a fatal signal. The wake-up comes with the
 * very last reference: who is let in to map the folio takes it away.
 */
long rdax_helper_dax_wait_held(u64 pfn, long timeout)
{
	struct folio *folio = pfn_folio(pfn);

	return ___wait_var_event(&folio->page,
				 ___wait_cond_timeout(!folio_is_held(folio)),
				 TASK_KILLABLE, 0, timeout,
				 __ret = schedule_timeout(__ret));
}

/* For those who look at a drain. Of a small folio many references are a pin. */
void rdax_helper_dax_folio_counts(u64 pfn, struct rdax_folio_counts *counts)
{
	struct folio *folio = pfn_folio(pfn);
	int refs = folio_ref_count(folio);

	counts->pfn = pfn;
	counts->refs = refs;
	counts->maps = folio_mapcount(folio);
	counts->pins = folio_has_pincount(folio) ?
		       atomic_read(&folio->_pincount) :
		       refs / (int)GUP_PIN_COUNTING_BIAS;
}

/* Take the folio of a real entry out of its file. i_pages is locked. */
static void orphan(struct folio *folio, unsigned long *huge)
{
	spin_lock(&orphan_lock);
	if (!folio->mapping && folio->share) {
		WRITE_ONCE(folio->share, folio->share - 1);
	} else {
		if (folio_test_large(folio))
			WRITE_ONCE(*huge, *huge + 1);
		WRITE_ONCE(folio->mapping, NULL);
		/* It shares its place with the index. */
		WRITE_ONCE(folio->share, 0);
	}
	spin_unlock(&orphan_lock);
}

/* Whether fs/dax.c must not be given an entry of this folio to delete. */
static bool must_orphan(struct folio *folio)
{
	return folio_ref_count(folio) ||
	       (folio_test_large(folio) && !folio->mapping);
}

/* A range of entries on their way out. */
struct removal {
	/* The device is there: folios may be looked at. */
	bool alive;
	/* Entries of referenced folios stay. */
	bool keep;
	pgoff_t last;
	/* What is done begins here. */
	pgoff_t first;
	/* Entries below this are to be deleted now; */
	pgoff_t end;
	/* then it goes on here, */
	pgoff_t next;
	/* once the entry there is unlocked. */
	bool locked;
	/* Pages so far that were referenced. */
	u64 referenced;
	/* Huge orphans of the volume. */
	unsigned long *huge;
};

/*
 * Look at entries until there are enough for a batch, or one does not go. Make
 * those empty whose folios are referenced.
 */
static void prepare_batch(struct address_space *mapping, struct removal *rm)
{
	XA_STATE(xas, &mapping->i_pages, rm->first);
	unsigned int work = 0;
	void *entry;

	rm->end = rm->last + 1;
	rm->next = rm->end;
	rm->locked = false;
	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, rm->last) {
		unsigned long value = xa_to_value(entry);
		bool pmd = value & ENTRY_PMD;

		if (entry_is_real(entry) &&
		    (!rm->alive || must_orphan(entry_folio(entry)))) {
			rm->locked = value & ENTRY_LOCKED;
			if (rm->alive && !rm->locked &&
			    folio_ref_count(entry_folio(entry)))
				rm->referenced += pmd ? HPAGE_PMD_NR : 1;
			if (rm->keep || rm->locked) {
				rm->end = xas.xa_index;
				rm->next = rm->end;
				if (!rm->locked)
					rm->next = entry_last(entry, rm->end) + 1;
				break;
			}
			if (rm->alive)
				orphan(entry_folio(entry), rm->huge);
			xas_store(&xas, xa_mk_value(ENTRY_EMPTY |
						    (value & ENTRY_PMD)));
			xas_clear_mark(&xas, PAGECACHE_TAG_DIRTY);
			xas_clear_mark(&xas, PAGECACHE_TAG_TOWRITE);
		}
		/* Deleting the entry of a huge page splits the page. */
		work += pmd ? BATCH / 8 : 1;
		if (work >= BATCH) {
			rm->end = entry_last(entry, xas.xa_index) + 1;
			rm->next = rm->end;
			break;
		}
	}
	xas_unlock_irq(&xas);
}

/*
 * Take the entries of unmapped pages out of a file. Folios that are referenced
 * become orphans; with keep their entries stay instead. The invalidate lock is
 * held exclusively, or the inode is being evicted. last is below ULONG_MAX.
 * Returns how many pages were referenced.
 */
u64 rdax_helper_dax_remove(struct inode *inode, unsigned long first,
			   unsigned long last, bool alive, bool keep,
			   unsigned long *huge)
{
	struct address_space *mapping = inode->i_mapping;
	struct removal rm = {
		.alive = alive,
		.keep = keep,
		.first = first,
		.last = last,
		.huge = huge,
	};
	loff_t next;

	while (rm.first <= last && !mapping_empty(mapping)) {
		prepare_batch(mapping, &rm);
		rdax_delay_emptied();
		next = (loff_t)rm.next << PAGE_SHIFT;
		if (rm.end > rm.first)
			dax_delete_mapping_range(mapping,
						 (loff_t)rm.first << PAGE_SHIFT,
						 ((loff_t)rm.end << PAGE_SHIFT) - 1);
		/* Writeback or memory failure has it; this waits for them. */
		if (rm.locked)
			dax_layout_busy_page_range(mapping, next, next);
		cond_resched();
		rm.first = rm.next;
	}
	return rm.referenced;
}

/* Whether a folio is neither referenced nor in a file; if so it is small now. */
static bool settle(struct page *page, unsigned long *huge)
{
	struct folio *folio;
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&orphan_lock, flags);
	folio = page_folio(page);
	idle = !folio_ref_count(folio);
	if (idle && folio_test_large(folio)) {
		idle = !folio->mapping && !folio->share;
		if (idle) {
			dax_folio_reset_order(folio);
			WRITE_ONCE(*huge, *huge - 1);
		}
	}
	spin_unlock_irqrestore(&orphan_lock, flags);
	return idle;
}

/* How many of nr pages there are before the first that is referenced. */
static u64 unreferenced(u64 pfn, u64 nr)
{
	const struct page *page = pfn_to_page(pfn);
	u64 done;
	int i, refs;

	for (done = 0; done + 8 <= nr; done += 8, page += 8) {
		refs = 0;
#pragma GCC unroll 8
		for (i = 0; i < 8; i++)
			refs |= page_ref_count(page + i);
		if (refs)
			break;
		if (done % BATCH == 0)
			cond_resched();
	}
	for (; done < nr && !page_ref_count(page); done++)
		page++;
	return done;
}

/*
 * How many huge orphans there are, before there is a file on the volume: what
 * an earlier mount has left.
 */
u64 rdax_helper_dax_count_orphans(u64 pfn, u64 nr)
{
	u64 end = pfn + nr, found = 0;

	for (pfn = ALIGN(pfn, HPAGE_PMD_NR); pfn < end; pfn += HPAGE_PMD_NR) {
		found += PageHead(pfn_to_page(pfn));
		cond_resched();
	}
	return found;
}

/*
 * How many of nr pages are alike, and whether they are idle: small, and not
 * referenced. The orphans among them that were only waiting for it are split.
 */
u64 rdax_helper_dax_idle_run(u64 pfn, u64 nr, bool *idle, unsigned long *huge)
{
	u64 done;

	/* Only orphans are large here, or what another fault is just mapping. */
	if (!READ_ONCE(*huge)) {
		done = unreferenced(pfn, nr);
		*idle = true;
		if (done)
			return done;
	}
	for (done = 0; done < nr; done++) {
		struct page *page = pfn_to_page(pfn + done);
		bool now = PageCompound(page) ? settle(page, huge) :
						!page_ref_count(page);

		if (!done)
			*idle = now;
		else if (now != *idle)
			break;
		if (done % BATCH == BATCH - 1)
			cond_resched();
	}
	return done;
}

/* Whether fs/dax.c cannot enter this page at an index of a file. */
bool rdax_helper_dax_is_orphan(struct inode *inode, pgoff_t index, u64 pfn)
{
	struct page *page = pfn_to_page(pfn);
	void *entry;

	if (likely(!PageCompound(page)) || READ_ONCE(page_folio(page)->mapping))
		return false;
	entry = xa_load(&inode->i_mapping->i_pages, index);
	return xa_is_value(entry) && !entry_is_real(entry);
}

/*
 * Enter a page of a huge orphan instead of fs/dax.c, or make the orphan small
 * if it can be. Either way the fault can be tried again. The invalidate lock is
 * held shared.
 */
void rdax_helper_dax_adopt(struct inode *inode, pgoff_t index, u64 pfn,
			   unsigned long *huge)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, index);
	struct page *page = pfn_to_page(pfn);
	struct folio *folio;
	bool adopted = false;
	void *entry;

	if (settle(page, huge))
		return;
	rdax_delay_unsettled();
	xas_lock_irq(&xas);
	entry = xas_load(&xas);
	if (xa_is_value(entry) &&
	    (xa_to_value(entry) & ENTRY_FLAGS) == ENTRY_EMPTY) {
		spin_lock(&orphan_lock);
		folio = page_folio(page);
		if (folio_test_large(folio) && !folio->mapping) {
			WRITE_ONCE(folio->share, folio->share + 1);
			adopted = true;
		}
		spin_unlock(&orphan_lock);
		if (adopted)
			xas_store(&xas, xa_mk_value(pfn << ENTRY_SHIFT));
	}
	xas_unlock_irq(&xas);
}

/* Give a page that is in no file its place in one. i_pages is locked. */
static int enter_page(struct xa_state *xas, struct inode *inode,
		      struct page *page)
{
	struct folio *folio = page_folio(page);
	int ret = 0;

	xas_store(xas, xa_mk_value(page_to_pfn(page) << ENTRY_SHIFT));
	if (xas_error(xas))
		return xas_error(xas);
	spin_lock(&orphan_lock);
	if (folio->mapping) {
		ret = -EUCLEAN;
	} else if (folio_test_large(folio)) {
		WRITE_ONCE(folio->share, folio->share + 1);
	} else {
		WRITE_ONCE(folio->mapping, inode->i_mapping);
		WRITE_ONCE(folio->index, xas->xa_index);
	}
	spin_unlock(&orphan_lock);
	if (ret)
		xas_store(xas, NULL);
	else
		inode->i_mapping->nrpages++;
	return ret;
}

/*
 * Take a reference to the page of a file at an index, which gets an entry if it
 * has none. An entry in place of a hole must be gone: -EAGAIN. The invalidate
 * lock is held exclusively, so entries are locked by those only who leave them
 * as they are, and nothing becomes a huge page.
 */
int rdax_helper_dax_pin(struct inode *inode, pgoff_t index, u64 pfn,
			unsigned long *huge)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, index);
	struct page *page = pfn_to_page(pfn);
	void *entry;
	int ret;

	if (PageHWPoison(page))
		return -EHWPOISON;
	if (PageCompound(page) && !settle(page, huge))
		rdax_delay_unsettled();
	do {
		ret = 0;
		xas_lock_irq(&xas);
		entry = xas_load(&xas);
		if (!entry)
			ret = enter_page(&xas, inode, page);
		else if (!entry_is_real(entry))
			ret = -EAGAIN;
		else if (page_folio(page) != entry_folio(entry))
			ret = -EUCLEAN;
		/* The entry keeps the folio what it is. */
		if (!ret)
			folio_ref_inc(page_folio(page));
		xas_unlock_irq(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL));
	return ret;
}

/* Delete the entry in place of a hole, with what is mapped for it. Locks as above. */
void rdax_helper_dax_forget_hole(struct inode *inode, pgoff_t index)
{
	struct address_space *mapping = inode->i_mapping;
	void *entry = xa_load(&mapping->i_pages, index);
	pgoff_t first = index;
	unsigned long nr = 1;

	if (!entry || entry_is_real(entry))
		return;
	if (xa_to_value(entry) & ENTRY_PMD) {
		first = round_down(index, HPAGE_PMD_NR);
		nr = HPAGE_PMD_NR;
	}
	unmap_mapping_pages(mapping, first, nr, false);
	dax_delete_mapping_range(mapping, (loff_t)index << PAGE_SHIFT,
				 (loff_t)index << PAGE_SHIFT);
}

/* Whether a huge page is entered at an index. */
bool rdax_helper_dax_has_huge_entry(struct inode *inode, pgoff_t index)
{
	void *entry = xa_load(&inode->i_mapping->i_pages, index);

	return entry && entry_is_real(entry) &&
	       (xa_to_value(entry) & ENTRY_PMD);
}

/* What fs/dax.c finds, given an entry for a page of ours. */
static bool try_entry(struct inode *inode, struct page *page,
		      unsigned long flags, unsigned long nr, bool busy)
{
	struct address_space *mapping = &inode->i_data;
	unsigned long value = page_to_pfn(page) << ENTRY_SHIFT | flags;
	struct page *found;

	found = xa_store_irq(&mapping->i_pages, 0, xa_mk_value(value),
			     GFP_KERNEL);
	if (xa_is_err(found))
		return false;
	mapping->nrpages = nr;
	found = dax_layout_busy_page(mapping);
	if (busy)
		return found == page && xa_erase_irq(&mapping->i_pages, 0);
	dax_delete_mapping_range(mapping, 0, 0);
	return !found && !mapping->nrpages && mapping_empty(mapping);
}

/* Whether fs/dax.c takes entries as we make them: on a file of nobody's. */
bool rdax_helper_dax_check_entries(void)
{
	struct inode *inode = kzalloc(sizeof(*inode), GFP_KERNEL);
	struct page *page = alloc_page(GFP_KERNEL);
	bool ok = false;

	if (inode && page) {
		inode_init_once(inode);
		inode->i_mapping = &inode->i_data;
		inode->i_data.host = inode;
		inode->i_flags = S_DAX;
		ok = try_entry(inode, page, 0, 1, true) &&
		     try_entry(inode, page, ENTRY_ZERO, 1, false) &&
		     try_entry(inode, page, ENTRY_EMPTY, 1, false) &&
		     try_entry(inode, page, ENTRY_EMPTY | ENTRY_PMD,
			       HPAGE_PMD_NR, false);
	}
	if (page)
		__free_page(page);
	kfree(inode);
	return ok;
}
