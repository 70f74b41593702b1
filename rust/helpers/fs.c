// SPDX-License-Identifier: GPL-2.0

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/kdev_t.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>

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

bool rdax_helper_inode_is_new(struct inode *inode)
{
	return inode_state_read_once(inode) & I_NEW;
}

void rdax_helper_inode_set_link(struct inode *inode, char *target)
{
	inode_set_cached_link(inode, target, strlen(target));
}

static void init_once(void *object)
{
	inode_init_once(object);
}

struct kmem_cache *rdax_helper_inode_cache_create(const char *name, u32 size,
						  u32 align)
{
	return kmem_cache_create(name, size, align,
				 SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, init_once);
}

void *rdax_helper_alloc_inode_sb(struct super_block *sb, struct kmem_cache *cache)
{
	return alloc_inode_sb(sb, cache, GFP_KERNEL);
}

bool rdax_helper_dir_emit(struct dir_context *ctx, const char *name, int len,
			  u64 ino, unsigned int type)
{
	return dir_emit(ctx, name, len, ino, type);
}

u32 rdax_helper_new_encode_dev(dev_t dev)
{
	return new_encode_dev(dev);
}

dev_t rdax_helper_new_decode_dev(u32 dev)
{
	return new_decode_dev(dev);
}

bool rdax_helper_capable_admin(void)
{
	return capable(CAP_SYS_ADMIN);
}

void rdax_helper_posix_acl_dup(struct posix_acl *acl)
{
	posix_acl_dup(acl);
}

void rdax_helper_posix_acl_release(struct posix_acl *acl)
{
	posix_acl_release(acl);
}

/* What FS_IOC_SETFLAGS or FS_IOC_FSSETXATTR ask for beyond common xflags. */
bool rdax_helper_fileattr_has_others(const struct file_kattr *fa)
{
	return (fa->flags & ~FS_COMMON_FL) || fileattr_has_fsx(fa);
}
