// SPDX-License-Identifier: GPL-2.0
/*
 * Trace events for the crate: the kernel's macro for those is for itself only.
 * Each costs one static branch while it is off.
 */

#define CREATE_TRACE_POINTS
#include "rdax_trace.h"

void rdax_helper_trace_drain_start(const struct inode *inode, u64 first,
				   u64 end)
{
	trace_drain_start(inode, first, end);
}

void rdax_helper_trace_drain_busy(const struct inode *inode, u64 index,
				  const struct rdax_folio_counts *folio,
				  u64 registered, u64 age)
{
	trace_drain_busy(inode, index, folio, registered, age);
}

void rdax_helper_trace_drain_admit(const struct inode *inode, u64 tickets,
				   u64 next_ms, u64 age)
{
	trace_drain_admit(inode, tickets, next_ms, age);
}

void rdax_helper_trace_drain_defer(const struct inode *inode, u64 first,
				   u64 end, u64 blocks, u64 age)
{
	trace_drain_defer(inode, first, end, blocks, age);
}

void rdax_helper_trace_drain_done(const struct inode *inode, u64 first,
				  u64 end, int error, u64 duration)
{
	trace_drain_done(inode, first, end, error, duration);
}

void rdax_helper_trace_gate_wait(const struct inode *inode, u64 index,
				 u64 duration)
{
	trace_gate_wait(inode, index, duration);
}
