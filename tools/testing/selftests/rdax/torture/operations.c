// SPDX-License-Identifier: GPL-2.0
/*
 * All operations: how often, and with which errors they may fail. ENOSPC, since the volume is
 * small; EAGAIN with drain=nowait; EFAULT where a page is beyond the end of the file, or there is
 * no space for it.
 */
#include "torture.h"

#define OP(n, w, f)	.name = n, .weight = w, .fn = f

const struct operation operations[] = {
	{ OP("store", 20, op_store) },
	{ OP("load", 20, op_load) },
	{ OP("write", 14, op_write), .expected = { ENOSPC } },
	{ OP("read", 14, op_read) },
	{ OP("disk-read", 6, op_disk_to_map), .expected = { EFAULT } },
	{ OP("disk-write", 6, op_map_to_disk), .expected = { EFAULT } },
	{ OP("vm-write", 6, op_vm_write), .expected = { EFAULT } },
	{ OP("vm-read", 6, op_vm_read), .expected = { EFAULT } },
	{ OP("pipe", 8, op_pipe), .expected = { EFAULT } },
	/* The page of zeroes that is mapped for a hole is no page of the file. */
	{ OP("pin-read", 6, op_pin_read), .expected = { EFAULT, ENXIO, EBUSY, EOPNOTSUPP, ENOSPC } },
	{ OP("pin-write", 6, op_pin_write), .expected = { EFAULT, ENXIO, EBUSY, EOPNOTSUPP, ENOSPC } },
	{ OP("fork", 1, op_fork), .expected = { EAGAIN } },
	{ OP("mremap", 2, op_mremap) },
	{ OP("sync", 2, op_sync), .expected = { ENOMEM } },
	{ OP("truncate", 6, op_truncate), .expected = { EAGAIN, ENOSPC }, .removes = true },
	{ OP("open-trunc", 1, op_open_trunc), .expected = { EAGAIN, ENOSPC }, .removes = true },
	{ OP("punch", 5, op_punch), .expected = { EAGAIN, ENOSPC } },
	{ OP("zero", 4, op_zero), .expected = { EAGAIN, ENOSPC } },
	{ OP("write-zeroes", 3, op_write_zeroes), .expected = { EAGAIN, ENOSPC, EOPNOTSUPP } },
	{ OP("allocate", 3, op_allocate), .expected = { ENOSPC } },
	/* EINVAL: not within the file. */
	{ OP("collapse", 4, op_collapse), .expected = { EAGAIN, ENOSPC, EINVAL } },
	{ OP("insert", 4, op_insert), .expected = { EAGAIN, ENOSPC, EINVAL } },
	{ OP("create", 2, op_create), .expected = { ENOSPC }, .alone = true, .removes = true },
	{ OP("open", 8, op_open), .expected = { ENOENT }, .alone = true },
	{ OP("close", 1, op_close) },
	{ OP("rename", 2, op_rename), .expected = { ENOENT, ENOSPC }, .alone = true, .removes = true },
	{ OP("link", 2, op_link), .expected = { ENOENT, EEXIST, ENOSPC }, .alone = true },
	{ OP("unlink", 1, op_unlink), .expected = { ENOENT, ENOSPC }, .alone = true, .removes = true },
	{ OP("handle", 3, op_handle), .expected = { ESTALE }, .alone = true },
	{ OP("drop-caches", 1, op_drop_caches), .alone = true },
	{ OP("freeze", 1, op_freeze), .expected = { EBUSY }, .alone = true },
	{ OP("remount", 1, op_remount), .expected = { EBUSY }, .alone = true },
};

const unsigned int noperations = ARRAY_SIZE(operations);
