// SPDX-License-Identifier: GPL-2.0

#include <linux/badblocks.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/kernfs.h>
#include <linux/sysfs.h>

#include "helpers.h"

void rdax_helper_bio_segment(const struct bio *bio, const struct bvec_iter *iter,
			     struct bio_vec *segment)
{
	*segment = bio_iter_iovec((struct bio *)bio, *iter);
}

void rdax_helper_bio_advance(const struct bio *bio, struct bvec_iter *iter,
			     unsigned int bytes)
{
	bio_advance_iter_single(bio, iter, bytes);
}

bool rdax_helper_bio_has_data(struct bio *bio)
{
	return bio_has_data(bio);
}

bool rdax_helper_bio_is_write(struct bio *bio)
{
	return op_is_write(bio_op(bio));
}

void *rdax_helper_bio_disk_private(struct bio *bio)
{
	return bio->bi_bdev->bd_disk->private_data;
}

bool rdax_helper_bio_start_acct(struct bio *bio, unsigned long *start)
{
	if (!blk_queue_io_stat(bio->bi_bdev->bd_disk->queue))
		return false;
	*start = bio_start_io_acct(bio);
	return true;
}

void rdax_helper_bio_end_acct(struct bio *bio, unsigned long start)
{
	bio_end_io_acct(bio, start);
}

struct kernfs_node *rdax_helper_disk_attr_get(struct gendisk *disk,
					      const char *name)
{
	return sysfs_get_dirent(disk_to_dev(disk)->kobj.sd, name);
}

void rdax_helper_kernfs_notify(struct kernfs_node *node)
{
	sysfs_notify_dirent(node);
}

bool rdax_helper_badblocks_empty(const struct badblocks *bb)
{
	return !READ_ONCE(bb->count);
}
