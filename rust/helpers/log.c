// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/workqueue.h>
/* Needs the two above. */
#include <linux/fserror.h>
#include <linux/ratelimit.h>

#include "helpers.h"

void rdax_helper_ratelimit_init(struct ratelimit_state *limit)
{
	ratelimit_default_init(limit);
}

bool rdax_helper_ratelimit(struct ratelimit_state *limit, const char *name)
{
	return ___ratelimit(limit, name);
}

/* Reclaim must not call filesystems: the caller may hold locks of one. */
void rdax_helper_report_metadata(struct super_block *sb, int error)
{
	fserror_report_metadata(sb, error, GFP_NOFS);
}

void rdax_helper_report_data_lost(struct inode *inode, loff_t pos, u64 len)
{
	fserror_report_data_lost(inode, pos, len, GFP_NOFS);
}

void rdax_helper_report_shutdown(struct super_block *sb)
{
	fserror_report_shutdown(sb, GFP_NOFS);
}
