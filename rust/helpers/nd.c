// SPDX-License-Identifier: GPL-2.0
/* libnvdimm as its drivers see it: drivers/nvdimm/nd.h is private to them. */

#include <linux/badblocks.h>
#include <linux/libnvdimm.h>
#include <linux/nd.h>
#include <linux/range.h>

#include "nd-core.h"
#include "nd.h"

#include "helpers.h"

/* The bus offers a region's btt, pfn and dax devices to any driver too. */
bool rdax_helper_nd_is_namespace(struct device *dev)
{
	return !is_nd_btt(dev) && !is_nd_pfn(dev) && !is_nd_dax(dev);
}

bool rdax_helper_nd_is_pmem_namespace(struct device *dev)
{
	return dev->type && dev->type->name &&
	       !strcmp(dev->type->name, "nd_namespace_pmem");
}

int rdax_helper_nd_namespace_probe(struct device *dev)
{
	return PTR_ERR_OR_ZERO(nvdimm_namespace_common_probe(dev));
}

void rdax_helper_nd_namespace_range(struct device *dev, u64 *start, u64 *len)
{
	struct nd_namespace_io *nsio = to_nd_namespace_io(dev);

	*start = nsio->res.start;
	*len = resource_size(&nsio->res);
}

bool rdax_helper_nd_namespace_force_raw(struct device *dev)
{
	return to_ndns(dev)->force_raw;
}

unsigned int rdax_helper_nd_sector_size(struct device *dev)
{
	return pmem_sector_size(to_ndns(dev));
}

void rdax_helper_nd_disk_name(struct device *dev, char *name)
{
	nvdimm_namespace_disk_name(to_ndns(dev), name);
}

struct nd_region *rdax_helper_nd_region(struct device *dev)
{
	return to_nd_region(dev->parent);
}

struct device *rdax_helper_nd_region_device(struct nd_region *region)
{
	return &region->dev;
}

bool rdax_helper_nd_region_has_pages(struct device *dev)
{
	return pmem_should_map_pages(dev);
}

bool rdax_helper_nd_region_read_only(struct nd_region *region)
{
	return region->ro;
}

int rdax_helper_nd_flush(struct nd_region *region, struct bio *bio)
{
	return nvdimm_flush(region, bio);
}

int rdax_helper_nd_has_flush(struct nd_region *region)
{
	return nvdimm_has_flush(region);
}

int rdax_helper_nd_has_cache(struct nd_region *region)
{
	return nvdimm_has_cache(region);
}

bool rdax_helper_nd_is_sync(struct nd_region *region)
{
	return is_nvdimm_sync(region);
}

void rdax_helper_nd_badblocks_populate(struct nd_region *region,
				       struct badblocks *bb, u64 start, u64 len)
{
	struct range range = { .start = start, .end = start + len - 1 };

	nvdimm_badblocks_populate(region, bb, &range);
}

long rdax_helper_nd_clear_poison(struct device *dev, u64 phys,
				 unsigned int len)
{
	return nvdimm_clear_poison(dev, phys, len);
}

int rdax_helper_nd_raw_enable(struct device *dev, u64 len)
{
	return devm_namespace_enable(dev, to_ndns(dev), len);
}

void rdax_helper_nd_raw_disable(struct device *dev)
{
	devm_namespace_disable(dev, to_ndns(dev));
}

int rdax_helper_nd_raw_read(struct device *dev, u64 offset, void *buf,
			    size_t len)
{
	return nvdimm_read_bytes(to_ndns(dev), offset, buf, len, 0);
}

/*
 * The region of a disk that lies on a namespace or on what the bus makes from
 * one: btt, pfn and dax devices are children of the region too. NULL if the disk
 * lies elsewhere. to_nd_region() does not accept any other device, and the types
 * of regions are known by name only.
 */
static struct nd_region *disk_region(struct gendisk *disk)
{
	struct device *dev = disk_to_dev(disk)->parent;

	dev = dev ? dev->parent : NULL;
	if (!dev || !dev->bus || strcmp(dev->bus->name, "nd"))
		return NULL;
	if (!dev->type || (strcmp(dev->type->name ?: "", "nd_pmem") &&
			   strcmp(dev->type->name ?: "", "nd_volatile")))
		return NULL;
	return to_nd_region(dev);
}

struct nd_region *rdax_helper_bdev_region(struct block_device *bdev)
{
	return disk_region(bdev->bd_disk);
}

/* nvdimm_check_and_set_ro() takes the parent of the disk's parent for a region. */
int rdax_helper_nd_check_and_set_ro(struct gendisk *disk)
{
	if (!disk_region(disk))
		return -ENODEV;
	nvdimm_check_and_set_ro(disk);
	return 0;
}
