/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads: the headers that kernel::bindings lacks. */

#include <linux/anon_inodes.h>
#include <linux/badblocks.h>
#include <linux/blkdev.h>
#include <linux/crc32.h>
#include <linux/dax.h>
#include <linux/exportfs.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/filelock.h>
#include <linux/fs_context.h>
#include <linux/iomap.h>
#include <linux/libnvdimm.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/nd.h>
#include <linux/poll.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/ratelimit.h>
#include <linux/statfs.h>

#include "../helpers/helpers.h"

/* Macros with casts, which bindgen does not evaluate. */
const blk_features_t RUST_CONST_HELPER_BLK_FEAT_WRITE_CACHE = BLK_FEAT_WRITE_CACHE;
const blk_features_t RUST_CONST_HELPER_BLK_FEAT_FUA = BLK_FEAT_FUA;
const blk_features_t RUST_CONST_HELPER_BLK_FEAT_SYNCHRONOUS = BLK_FEAT_SYNCHRONOUS;
const blk_features_t RUST_CONST_HELPER_BLK_FEAT_NOWAIT = BLK_FEAT_NOWAIT;
const blk_features_t RUST_CONST_HELPER_BLK_FEAT_DAX = BLK_FEAT_DAX;
const u32 RUST_CONST_HELPER_RDAX_REQ_OP_MASK = REQ_OP_MASK;
const u32 RUST_CONST_HELPER_RDAX_REQ_PREFLUSH = REQ_PREFLUSH;
const u32 RUST_CONST_HELPER_RDAX_REQ_FUA = REQ_FUA;
const u32 RUST_CONST_HELPER_RDAX_REQ_NOWAIT = REQ_NOWAIT;
const unsigned long RUST_CONST_HELPER_RDAX_PMD_SIZE = PMD_SIZE;
const unsigned long RUST_CONST_HELPER_RDAX_IORESOURCE_SYSTEM_RAM = IORESOURCE_SYSTEM_RAM;
const unsigned long RUST_CONST_HELPER_RDAX_ND_DRIVER_NAMESPACE_IO = ND_DRIVER_NAMESPACE_IO;
const unsigned long RUST_CONST_HELPER_RDAX_ND_DRIVER_NAMESPACE_PMEM = ND_DRIVER_NAMESPACE_PMEM;
const unsigned long RUST_CONST_HELPER_RDAX_SB_RDONLY = SB_RDONLY;
const int RUST_CONST_HELPER_RDAX_IOCB_NOWAIT = IOCB_NOWAIT;
const int RUST_CONST_HELPER_RDAX_IOCB_APPEND = IOCB_APPEND;
const int RUST_CONST_HELPER_RDAX_IOCB_DIRECT = IOCB_DIRECT;
const unsigned long RUST_CONST_HELPER_RDAX_SB_POSIXACL = SB_POSIXACL;
/* Without page cache, all reads and writes can be asked not to wait. */
const fop_flags_t RUST_CONST_HELPER_RDAX_FOP_REGULAR =
	FOP_MMAP_SYNC | FOP_BUFFER_RASYNC | FOP_BUFFER_WASYNC;
const unsigned long RUST_CONST_HELPER_RDAX_SB_SILENT = SB_SILENT;
const unsigned long RUST_CONST_HELPER_RDAX_SB_LAZYTIME = SB_LAZYTIME;
const __poll_t RUST_CONST_HELPER_RDAX_EPOLLIN = EPOLLIN;
const __poll_t RUST_CONST_HELPER_RDAX_EPOLLPRI = EPOLLPRI;
const __poll_t RUST_CONST_HELPER_RDAX_EPOLLHUP = EPOLLHUP;
