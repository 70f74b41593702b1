/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C side of the rdax crate: kernel inlines and macros, and libnvdimm calls
 * whose prototypes are in a private header. No policy lives here.
 */
#ifndef _RDAX_HELPERS_H
#define _RDAX_HELPERS_H

#include <linux/time64.h>
#include <linux/types.h>

struct bio;
struct bio_vec;
struct block_device;
struct bvec_iter;
struct badblocks;
struct device;
struct dir_context;
struct file;
struct file_kattr;
struct fs_context;
struct fs_parameter;
struct gendisk;
struct inode;
struct kernfs_node;
struct kiocb;
struct kmem_cache;
struct nd_region;
struct page;
struct posix_acl;
struct ratelimit_state;
struct rdax_watch;
struct iov_iter;
struct rw_semaphore;
struct super_block;
struct vm_area_desc;
struct vm_fault;
struct workqueue_struct;

/* block.c */
void rdax_helper_bio_segment(const struct bio *bio, const struct bvec_iter *iter,
			     struct bio_vec *segment);
void rdax_helper_bio_advance(const struct bio *bio, struct bvec_iter *iter,
			     unsigned int bytes);
bool rdax_helper_bio_has_data(struct bio *bio);
bool rdax_helper_bio_is_write(struct bio *bio);
void *rdax_helper_bio_disk_private(struct bio *bio);
bool rdax_helper_bio_start_acct(struct bio *bio, unsigned long *start);
void rdax_helper_bio_end_acct(struct bio *bio, unsigned long start);
struct kernfs_node *rdax_helper_disk_attr_get(struct gendisk *disk,
					      const char *name);
void rdax_helper_kernfs_notify(struct kernfs_node *node);
bool rdax_helper_badblocks_empty(const struct badblocks *bb);

/* dax.c */
bool rdax_helper_folio_is_free(u64 pfn);
bool rdax_helper_folio_is_in_file(u64 pfn);
bool rdax_helper_folio_is_mapped(u64 pfn);
u64 rdax_helper_next_used_pfn(u64 pfn, u64 end);
struct inode *rdax_helper_dax_folio_inode(u64 pfn);
int rdax_helper_dax_detach_inode(struct inode *inode, u64 *busy_pfn);
size_t rdax_helper_folio_bytes(u64 pfn);
bool rdax_helper_wait_folio_unreferenced(u64 pfn, long timeout);

/* drain.c */

/* The references of a folio, none of them read at the same moment. */
struct rdax_folio_counts {
	u64 pfn;
	int refs;
	int maps;
	int pins;
};

bool rdax_helper_inode_is_contended(struct inode *inode);
unsigned int rdax_helper_dax_entry_order(struct inode *inode,
					 unsigned long index);
bool rdax_helper_dax_find_held(struct inode *inode, unsigned long *index,
			       unsigned long last, u64 *pfn);
long rdax_helper_dax_wait_held(u64 pfn, long timeout);
void rdax_helper_dax_folio_counts(u64 pfn, struct rdax_folio_counts *counts);
u64 rdax_helper_dax_remove(struct inode *inode, unsigned long first,
			   unsigned long last, bool alive, bool keep,
			   unsigned long *huge);
u64 rdax_helper_dax_count_orphans(u64 pfn, u64 nr);
u64 rdax_helper_dax_idle_run(u64 pfn, u64 nr, bool *idle, unsigned long *huge);
bool rdax_helper_dax_is_orphan(struct inode *inode, unsigned long index,
			       u64 pfn);
void rdax_helper_dax_adopt(struct inode *inode, unsigned long index, u64 pfn,
			   unsigned long *huge);
bool rdax_helper_dax_has_huge_entry(struct inode *inode, unsigned long index);
int rdax_helper_dax_pin(struct inode *inode, unsigned long index, u64 pfn,
			unsigned long *huge);
void rdax_helper_dax_forget_hole(struct inode *inode, unsigned long index);
bool rdax_helper_dax_check_entries(void);

/* rust/rdax/delay.rs */
#ifdef CONFIG_RUST_DEBUG_ASSERTIONS
void rdax_delay_emptied(void);
void rdax_delay_unsettled(void);
void rdax_delay_watched(void);
void rdax_delay_counted(void);
#else
static inline void rdax_delay_emptied(void) {}
static inline void rdax_delay_unsettled(void) {}
static inline void rdax_delay_watched(void) {}
static inline void rdax_delay_counted(void) {}
#endif

/* fs.c */
u32 rdax_helper_i_uid_read(const struct inode *inode);
u32 rdax_helper_i_gid_read(const struct inode *inode);
void rdax_helper_i_owner_write(struct inode *inode, u32 uid, u32 gid);
loff_t rdax_helper_i_size_read(const struct inode *inode);
void rdax_helper_i_size_write(struct inode *inode, loff_t size);
struct timespec64 rdax_helper_inode_get_ctime(const struct inode *inode);
bool rdax_helper_inode_is_new(struct inode *inode);
void rdax_helper_inode_set_link(struct inode *inode, char *target);
struct kmem_cache *rdax_helper_inode_cache_create(const char *name, u32 size,
						  u32 align);
void *rdax_helper_alloc_inode_sb(struct super_block *sb, struct kmem_cache *cache);
bool rdax_helper_dir_emit(struct dir_context *ctx, const char *name, int len,
			  u64 ino, unsigned int type);
u32 rdax_helper_new_encode_dev(dev_t dev);
dev_t rdax_helper_new_decode_dev(u32 dev);
bool rdax_helper_capable_admin(void);
void rdax_helper_posix_acl_dup(struct posix_acl *acl);
void rdax_helper_posix_acl_release(struct posix_acl *acl);
bool rdax_helper_fileattr_has_others(const struct file_kattr *fa);

/* fs_dax.c */
struct file *rdax_helper_get_file(struct file *file);
bool rdax_helper_bdev_is_stacked(struct block_device *bdev);
u64 rdax_helper_bdev_bytes(struct block_device *bdev);
void rdax_helper_bdev_dio_align(struct block_device *bdev, u32 *memory,
				u32 *offset);
void rdax_helper_sb_start_pagefault(struct super_block *sb);
void rdax_helper_sb_end_pagefault(struct super_block *sb);
u32 rdax_helper_vmf_error(int err);
struct file *rdax_helper_fault_unlock(struct vm_fault *vmf);
void rdax_helper_file_accessed(struct file *file);
bool rdax_helper_vma_is_sync(const struct vm_area_desc *desc);
void rdax_helper_vma_set_hugepage(struct vm_area_desc *desc);
bool rdax_helper_iocb_is_dsync(const struct kiocb *iocb);
int rdax_helper_dax_file_open(struct inode *inode, struct file *file);
int rdax_helper_dax_kill_users(struct inode *inode, unsigned long index,
			       u64 pfn, int flags);
bool rdax_helper_dax_has_small_entries(struct inode *inode, unsigned long first,
				       unsigned long last);

/* marker.c */

/* What came of changing the PTE of a fault. */
enum rdax_pte_change {
	RDAX_PTE_CHANGED,
	/* It is not what the fault began with. */
	RDAX_PTE_OTHER,
	/* The entry is in use, or not for a hole. */
	RDAX_PTE_LOCKED,
	/* It maps something else than the page that is entered. */
	RDAX_PTE_STALE,
};

bool rdax_helper_fault_is_armed(const struct vm_fault *vmf);
bool rdax_helper_fault_is_marked(const struct vm_fault *vmf);
bool rdax_helper_fault_set_write(struct vm_fault *vmf, bool write);
bool rdax_helper_fault_lock_page(struct vm_fault *vmf);
bool rdax_helper_fault_relock_page(struct vm_fault *vmf);
enum rdax_pte_change rdax_helper_fault_map_zero(struct vm_fault *vmf);
enum rdax_pte_change rdax_helper_fault_make_writable(struct vm_fault *vmf);
void rdax_helper_fault_unmap(struct vm_fault *vmf);
void rdax_helper_dax_wait_locked(struct inode *inode, unsigned long first,
				 unsigned long last);

/* mm.c */
void *rdax_helper_pfn_to_virt(u64 pfn);
void rdax_helper_cond_resched(void);
void rdax_helper_clear_page_poison(u64 pfn, u64 nr_pages);
unsigned int rdax_helper_smp_processor_id(void);
struct workqueue_struct *rdax_helper_alloc_workqueue(const char *name);
int rdax_helper_dev_to_node(struct device *dev);

/* nd.c */
bool rdax_helper_nd_is_namespace(struct device *dev);
bool rdax_helper_nd_is_pmem_namespace(struct device *dev);
int rdax_helper_nd_namespace_probe(struct device *dev);
void rdax_helper_nd_namespace_range(struct device *dev, u64 *start, u64 *len);
bool rdax_helper_nd_namespace_force_raw(struct device *dev);
unsigned int rdax_helper_nd_sector_size(struct device *dev);
void rdax_helper_nd_disk_name(struct device *dev, char *name);
struct nd_region *rdax_helper_nd_region(struct device *dev);
struct device *rdax_helper_nd_region_device(struct nd_region *region);
bool rdax_helper_nd_region_has_pages(struct device *dev);
bool rdax_helper_nd_region_read_only(struct nd_region *region);
int rdax_helper_nd_flush(struct nd_region *region, struct bio *bio);
int rdax_helper_nd_has_flush(struct nd_region *region);
int rdax_helper_nd_has_cache(struct nd_region *region);
bool rdax_helper_nd_is_sync(struct nd_region *region);
void rdax_helper_nd_badblocks_populate(struct nd_region *region,
				       struct badblocks *bb, u64 start, u64 len);
long rdax_helper_nd_clear_poison(struct device *dev, u64 phys,
				 unsigned int len);
int rdax_helper_nd_raw_enable(struct device *dev, u64 len);
void rdax_helper_nd_raw_disable(struct device *dev);
int rdax_helper_nd_raw_read(struct device *dev, u64 offset, void *buf,
			    size_t len);
struct nd_region *rdax_helper_bdev_region(struct block_device *bdev);
int rdax_helper_nd_check_and_set_ro(struct gendisk *disk);

/* persist.c */
void rdax_helper_memcpy_flushcache(void *dst, const void *src, size_t len);
void rdax_helper_zero_flushcache(void *dst, size_t len);
void rdax_helper_write_from_page(void *dst, struct page *page,
				 unsigned int offset, unsigned int len);
int rdax_helper_read_to_page(struct page *page, unsigned int offset,
			     const void *src, unsigned int len);
int rdax_helper_copy_mc(void *dst, const void *src, size_t len);
void rdax_helper_pmem_wmb(void);

/* pin.c */
int rdax_helper_pin_check_file(struct file *file, bool write);
struct file *rdax_helper_pin_vma_file(unsigned long addr, unsigned long *index,
				      unsigned long *pages);
int rdax_helper_pin_check_page(struct page *page, struct file *file,
			       unsigned long index);
struct page *rdax_helper_pfn_page(u64 pfn);
u64 rdax_helper_page_pfn(struct page *page);
void rdax_helper_pin_put(struct page *page);

/* log.c */
void rdax_helper_ratelimit_init(struct ratelimit_state *limit);
bool rdax_helper_ratelimit(struct ratelimit_state *limit, const char *name);
void rdax_helper_report_metadata(struct super_block *sb, int error);
void rdax_helper_report_data_lost(struct inode *inode, loff_t pos, u64 len);
void rdax_helper_report_shutdown(struct super_block *sb);

/* super.c */
bool rdax_helper_sb_bdev_read_only(struct super_block *sb);
void rdax_helper_sb_start_intwrite(struct super_block *sb);
void rdax_helper_sb_end_intwrite(struct super_block *sb);
void rdax_helper_sb_set_read_only(struct super_block *sb);
int rdax_helper_sb_freeze(struct super_block *sb);
int rdax_helper_sb_thaw(struct super_block *sb);
struct inode *rdax_helper_sb_next_inode(struct super_block *sb,
					struct inode *prev);
void rdax_helper_sb_fsid(struct super_block *sb, __kernel_fsid_t *fsid);
void rdax_helper_super_set_uuid(struct super_block *sb, const u8 *uuid,
				unsigned int len);
void rdax_helper_sb_release_bdev(struct super_block *sb);
const char *rdax_helper_fs_parameter(const struct fs_parameter *param,
				     const char **value);
void rdax_helper_bad_parameter(struct fs_context *fc,
			       const struct fs_parameter *param);

/* sync.c */
void rdax_helper_down_write_nested(struct rw_semaphore *sem,
				   unsigned int subclass);
long rdax_helper_wait_var_killable(void *var, bool (*condition)(void *arg),
				   void *arg, long timeout);
void rdax_helper_wake_var(void *var);
unsigned int rdax_helper_nofs_save(void);
void rdax_helper_nofs_restore(unsigned int flags);
void rdax_helper_current_comm(char *comm);

/* trace.c */
void rdax_helper_trace_drain_start(const struct inode *inode, u64 first,
				   u64 end);
void rdax_helper_trace_drain_busy(const struct inode *inode, u64 index,
				  const struct rdax_folio_counts *folio,
				  u64 registered, u64 age);
void rdax_helper_trace_drain_admit(const struct inode *inode, u64 tickets,
				   u64 next_ms, u64 age);
void rdax_helper_trace_drain_defer(const struct inode *inode, u64 first,
				   u64 end, u64 blocks, u64 age);
void rdax_helper_trace_drain_done(const struct inode *inode, u64 first,
				  u64 end, int error, u64 duration);
void rdax_helper_trace_gate_wait(const struct inode *inode, u64 index,
				 u64 duration);

/* watch.c */
struct rdax_watch *
rdax_helper_watch_create(void (*function)(struct rdax_watch *watch, void *arg),
			 void *arg);
void rdax_helper_watch_kick(struct rdax_watch *watch, unsigned long delay);
void rdax_helper_watch_again(struct rdax_watch *watch, u64 pfn,
			     unsigned long delay);
void rdax_helper_watch_destroy(struct rdax_watch *watch);

#endif /* _RDAX_HELPERS_H */
