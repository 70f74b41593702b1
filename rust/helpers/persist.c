// SPDX-License-Identifier: GPL-2.0

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "helpers.h"

void rdax_helper_memcpy_flushcache(void *dst, const void *src, size_t len)
{
	memcpy_flushcache(dst, src, len);
}

void rdax_helper_zero_flushcache(void *dst, size_t len)
{
	const void *zeroes = page_address(ZERO_PAGE(0));

	while (len) {
		size_t chunk = min_t(size_t, len, PAGE_SIZE);

		memcpy_flushcache(dst, zeroes, chunk);
		dst += chunk;
		len -= chunk;
	}
}

void rdax_helper_write_from_page(void *dst, struct page *page,
				 unsigned int offset, unsigned int len)
{
	void *src = kmap_local_page(page);

	flush_dcache_page(page);
	memcpy_flushcache(dst, src + offset, len);
	kunmap_local(src);
}

int rdax_helper_read_to_page(struct page *page, unsigned int offset,
			     const void *src, unsigned int len)
{
	void *dst = kmap_local_page(page);
	unsigned long rest = copy_mc_to_kernel(dst + offset, src, len);

	kunmap_local(dst);
	flush_dcache_page(page);
	return rest ? -EIO : 0;
}

int rdax_helper_copy_mc(void *dst, const void *src, size_t len)
{
	return copy_mc_to_kernel(dst, src, len) ? -EIO : 0;
}

void rdax_helper_pmem_wmb(void)
{
	pmem_wmb();
}
