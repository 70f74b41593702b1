// SPDX-License-Identifier: GPL-2.0

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/set_memory.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "helpers.h"

void *rdax_helper_pfn_to_virt(u64 pfn)
{
	return __va(PFN_PHYS(pfn));
}

void rdax_helper_cond_resched(void)
{
	cond_resched();
}

/* The cache mode that memory_failure() took away comes back with the data. */
void rdax_helper_clear_page_poison(u64 pfn, u64 nr_pages)
{
	u64 end = pfn + nr_pages;

	for (; pfn < end; pfn++)
		if (TestClearPageHWPoison(pfn_to_page(pfn)))
			clear_mce_nospec(pfn);
}

unsigned int rdax_helper_smp_processor_id(void)
{
	return raw_smp_processor_id();
}

struct workqueue_struct *rdax_helper_alloc_workqueue(const char *name)
{
	return alloc_workqueue("%s", WQ_UNBOUND, 0, name);
}

int rdax_helper_dev_to_node(struct device *dev)
{
	return dev_to_node(dev);
}
