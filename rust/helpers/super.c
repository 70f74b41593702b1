// SPDX-License-Identifier: GPL-2.0

#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/statfs.h>

#include "helpers.h"

bool rdax_helper_sb_bdev_read_only(struct super_block *sb)
{
	return bdev_read_only(sb->s_bdev);
}

void rdax_helper_sb_start_intwrite(struct super_block *sb)
{
	sb_start_intwrite(sb);
}

void rdax_helper_sb_end_intwrite(struct super_block *sb)
{
	sb_end_intwrite(sb);
}

void rdax_helper_sb_set_read_only(struct super_block *sb)
{
	WRITE_ONCE(sb->s_flags, sb->s_flags | SB_RDONLY);
}

int rdax_helper_sb_freeze(struct super_block *sb)
{
	return bdev_freeze(sb->s_bdev);
}

int rdax_helper_sb_thaw(struct super_block *sb)
{
	return bdev_thaw(sb->s_bdev);
}

/*
 * The inode after @prev (first: NULL) among those of a superblock that are in
 * use, with a reference; gives up the one on @prev. One that is being read has
 * no pages yet, and one that is being evicted has none for long.
 */
struct inode *rdax_helper_sb_next_inode(struct super_block *sb,
					struct inode *prev)
{
	struct inode *inode, *next = NULL;

	spin_lock(&sb->s_inode_list_lock);
	inode = list_prepare_entry(prev, &sb->s_inodes, i_sb_list);
	list_for_each_entry_continue(inode, &sb->s_inodes, i_sb_list) {
		spin_lock(&inode->i_lock);
		if (!(inode_state_read(inode) &
		      (I_NEW | I_FREEING | I_WILL_FREE))) {
			__iget(inode);
			next = inode;
		}
		spin_unlock(&inode->i_lock);
		if (next)
			break;
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(prev);
	return next;
}

void rdax_helper_sb_fsid(struct super_block *sb, __kernel_fsid_t *fsid)
{
	if (sb->s_uuid_len)
		*fsid = uuid_to_fsid(sb->s_uuid.b);
	else
		*fsid = u64_to_fsid(huge_encode_dev(sb->s_bdev->bd_dev));
}

void rdax_helper_super_set_uuid(struct super_block *sb, const u8 *uuid,
				unsigned int len)
{
	super_set_uuid(sb, uuid, len);
	super_set_sysfs_name_uuid(sb);
}

/* What kill_block_super() does after generic_shutdown_super(). */
void rdax_helper_sb_release_bdev(struct super_block *sb)
{
	if (!sb->s_bdev)
		return;
	sync_blockdev(sb->s_bdev);
	fs_bdev_file_release(sb->s_bdev_file, sb);
}

/* The name of a parameter; its value if that is a string, else NULL. */
const char *rdax_helper_fs_parameter(const struct fs_parameter *param,
				     const char **value)
{
	*value = param->type == fs_value_is_string ? param->string : NULL;
	return param->key;
}

void rdax_helper_bad_parameter(struct fs_context *fc,
			       const struct fs_parameter *param)
{
	errorf(fc, "%s: Bad value for '%s'", fc->fs_type->name, param->key);
}
