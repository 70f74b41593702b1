/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What drains do, and who waits for them, as trace events. Offsets are in
 * pages of the file, times in nanoseconds.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rdax

#if !defined(_RDAX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RDAX_TRACE_H

#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/tracepoint.h>

#include "helpers.h"

/* A drain begins: the gate is closed to pages from first to before end. */
TRACE_EVENT(drain_start,
	TP_PROTO(const struct inode *inode, u64 first, u64 end),
	TP_ARGS(inode, first, end),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, first)
		__field(u64, end)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->first = first;
		__entry->end = end;
	),
	TP_printk("dev=%d:%d ino=%llu first=%llu end=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->first, __entry->end)
);

/* It begins to wait for another folio, or else for registered pins only. */
TRACE_EVENT(drain_busy,
	TP_PROTO(const struct inode *inode, u64 index,
		 const struct rdax_folio_counts *folio, u64 registered, u64 age),
	TP_ARGS(inode, index, folio, registered, age),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, index)
		__field(u64, pfn)
		__field(int, refs)
		__field(int, maps)
		__field(int, pins)
		__field(u64, registered)
		__field(u64, age)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->index = index;
		__entry->pfn = folio->pfn;
		__entry->refs = folio->refs;
		__entry->maps = folio->maps;
		__entry->pins = folio->pins;
		__entry->registered = registered;
		__entry->age = age;
	),
	TP_printk("dev=%d:%d ino=%llu index=%llu pfn=0x%llx refs=%d maps=%d pins=%d registered=%llu age_ns=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->index, __entry->pfn, __entry->refs, __entry->maps,
		  __entry->pins, __entry->registered, __entry->age)
);

/* It made no progress, and lets those in who wait at the gate. */
TRACE_EVENT(drain_admit,
	TP_PROTO(const struct inode *inode, u64 tickets, u64 next_ms, u64 age),
	TP_ARGS(inode, tickets, next_ms, age),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, tickets)
		__field(u64, next_ms)
		__field(u64, age)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->tickets = tickets;
		__entry->next_ms = next_ms;
		__entry->age = age;
	),
	TP_printk("dev=%d:%d ino=%llu tickets=%llu next_ms=%llu age_ns=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->tickets, __entry->next_ms, __entry->age)
);

/* It leaves blocks to those who hold their pages. */
TRACE_EVENT(drain_defer,
	TP_PROTO(const struct inode *inode, u64 first, u64 end, u64 blocks,
		 u64 age),
	TP_ARGS(inode, first, end, blocks, age),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, first)
		__field(u64, end)
		__field(u64, blocks)
		__field(u64, age)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->first = first;
		__entry->end = end;
		__entry->blocks = blocks;
		__entry->age = age;
	),
	TP_printk("dev=%d:%d ino=%llu first=%llu end=%llu blocks=%llu age_ns=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->first, __entry->end, __entry->blocks, __entry->age)
);

/* The entries are gone, or an error ended it. The gate opens a little later. */
TRACE_EVENT(drain_done,
	TP_PROTO(const struct inode *inode, u64 first, u64 end, int error,
		 u64 duration),
	TP_ARGS(inode, first, end, error, duration),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, first)
		__field(u64, end)
		__field(int, error)
		__field(u64, duration)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->first = first;
		__entry->end = end;
		__entry->error = error;
		__entry->duration = duration;
	),
	TP_printk("dev=%d:%d ino=%llu first=%llu end=%llu error=%d duration_ns=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->first, __entry->end, __entry->error,
		  __entry->duration)
);

/* A fault has waited at the gate, and is tried again. */
TRACE_EVENT(gate_wait,
	TP_PROTO(const struct inode *inode, u64 index, u64 duration),
	TP_ARGS(inode, index, duration),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, index)
		__field(u64, duration)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->index = index;
		__entry->duration = duration;
	),
	TP_printk("dev=%d:%d ino=%llu index=%llu duration_ns=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		  __entry->index, __entry->duration)
);

#endif /* _RDAX_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE rdax_trace
#include <trace/define_trace.h>
