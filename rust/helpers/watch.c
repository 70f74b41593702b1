// SPDX-License-Identifier: GPL-2.0
/* Waiting for pages to become unreferenced, on no thread. */

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "helpers.h"

/*
 * Runs a function on a worker again and again, sooner if the last reference to
 * a page goes. The page's wait queue knows it by its address only.
 */
struct rdax_watch {
	struct delayed_work work;
	struct wait_bit_queue_entry wait;
	bool waiting;
	void (*function)(struct rdax_watch *watch, void *arg);
	void *arg;
};

/* In the context of whoever drops the reference; under the queue's lock. */
static int watch_wake(struct wait_queue_entry *entry, unsigned int mode,
		      int flags, void *key)
{
	struct rdax_watch *watch =
		container_of(entry, struct rdax_watch, wait.wq_entry);
	struct wait_bit_key *woken = key;

	if (woken->flags == watch->wait.key.flags &&
	    woken->bit_nr == watch->wait.key.bit_nr)
		mod_delayed_work(system_dfl_wq, &watch->work, 0);
	return 0;
}

static void watch_nothing(struct rdax_watch *watch)
{
	if (watch->waiting)
		remove_wait_queue(__var_waitqueue(watch->wait.key.flags),
				  &watch->wait.wq_entry);
	watch->waiting = false;
}

static void watch_work(struct work_struct *work)
{
	struct rdax_watch *watch =
		container_of(to_delayed_work(work), struct rdax_watch, work);

	watch_nothing(watch);
	watch->function(watch, watch->arg);
}

struct rdax_watch *
rdax_helper_watch_create(void (*function)(struct rdax_watch *watch, void *arg),
			 void *arg)
{
	struct rdax_watch *watch = kzalloc(sizeof(*watch), GFP_KERNEL);

	if (watch) {
		INIT_DELAYED_WORK(&watch->work, watch_work);
		watch->function = function;
		watch->arg = arg;
	}
	return watch;
}

/* Run the function in a while, unless it is to run already. */
void rdax_helper_watch_kick(struct rdax_watch *watch, unsigned long delay)
{
	queue_delayed_work(system_dfl_wq, &watch->work, delay);
}

/* From within the function: run it again in a while, or when the page is free. */
void rdax_helper_watch_again(struct rdax_watch *watch, u64 pfn,
			     unsigned long delay)
{
	struct page *page = &pfn_folio(pfn)->page;

	init_wait_var_entry(&watch->wait, page, 0);
	watch->wait.wq_entry.func = watch_wake;
	add_wait_queue(__var_waitqueue(page), &watch->wait.wq_entry);
	watch->waiting = true;
	rdax_delay_watched();
	/* Either we see the page free, or who frees it sees us. */
	smp_mb();
	if (!page_ref_count(page))
		delay = 0;
	mod_delayed_work(system_dfl_wq, &watch->work, delay);
}

/* Waits for the function. */
void rdax_helper_watch_destroy(struct rdax_watch *watch)
{
	disable_delayed_work_sync(&watch->work);
	watch_nothing(watch);
	kfree(watch);
}
