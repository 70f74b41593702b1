// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>

#include "helpers.h"

u32 rdax_helper_i_uid_read(const struct inode *inode)
{
	return i_uid_read(inode);
}

u32 rdax_helper_i_gid_read(const struct inode *inode)
{
	return i_gid_read(inode);
}

void rdax_helper_i_owner_write(struct inode *inode, u32 uid, u32 gid)
{
	i_uid_write(inode, uid);
	i_gid_write(inode, gid);
}

loff_t rdax_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

void rdax_helper_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

struct timespec64 rdax_helper_inode_get_ctime(const struct inode *inode)
{
	return inode_get_ctime(inode);
}
