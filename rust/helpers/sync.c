// SPDX-License-Identifier: GPL-2.0

#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <linux/wait_bit.h>

#include "helpers.h"

void rdax_helper_down_write_nested(struct rw_semaphore *sem,
				   unsigned int subclass)
{
	down_write_nested(sem, subclass);
}

/* The rest of the timeout, 0 if it ran out, or -ERESTARTSYS. */
long rdax_helper_wait_var_killable(void *var, bool (*condition)(void *arg),
				   void *arg, long timeout)
{
	long __ret = timeout;

	might_sleep();
	if (!___wait_cond_timeout(condition(arg)))
		__ret = ___wait_var_event(var,
					  ___wait_cond_timeout(condition(arg)),
					  TASK_KILLABLE, 0, timeout,
					  __ret = schedule_timeout(__ret));
	return __ret;
}

void rdax_helper_wake_var(void *var)
{
	/* Pairs with the barrier of prepare_to_wait_event(). */
	smp_mb();
	wake_up_var(var);
}

unsigned int rdax_helper_nofs_save(void)
{
	return memalloc_nofs_save();
}

void rdax_helper_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}

/* To TASK_COMM_LEN bytes. Others may be renaming the task. */
void rdax_helper_current_comm(char *comm)
{
	strscpy_pad(comm, current->comm, TASK_COMM_LEN);
}
