// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that cannot let go of a page before a fault of theirs is served, while a
 * drain waits for that page. Each test works in a directory of its own, on a
 * mount with drain=strict: nothing but tickets ends these.
 *
 * Where one get_user_pages() call has to stop half-way, its buffer has a page
 * that userfaultfd(2) serves: pages before it are referenced then, those after
 * it are not.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>

#include "drain_life.h"

/* A file that is mapped, at least in part. */
struct file {
	int fd;
	char *map;
};

static struct file mapped_file(const char *path, const char *kind)
{
	struct file f;

	f.fd = pattern_file(path, kind, &f.map);
	verify(f.map, SIZE, 1, 0);
	return f;
}

/* Pages of files, or SLOW, in the order in which one call takes them. */
#define SLOW	(-1)
#define MAX	6

struct buffer {
	int nr;
	struct file *file[MAX];
	off_t off[MAX];
};

/* A page that is there when the task is told to go on. */
struct slow {
	struct task *task;
	int uffd;
};

static void *serve(void *arg)
{
	struct slow *s = arg;
	struct uffdio_zeropage zero = {};
	struct uffd_msg msg;

	must_eq(read(s->uffd, &msg, sizeof(msg)), sizeof(msg));
	must_eq(msg.event, UFFD_EVENT_PAGEFAULT);
	say_ready(s->task);
	await(s->task->told[0]);
	zero.range.start = msg.arg.pagefault.address & -PAGE;
	zero.range.len = PAGE;
	must(!ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero));
	return NULL;
}

static void slow_page(struct task *t, char *at)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	static struct slow s;
	pthread_t thread;

	s.task = t;
	s.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	must(s.uffd >= 0 && !ioctl(s.uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)at;
	reg.range.len = PAGE;
	must(!ioctl(s.uffd, UFFDIO_REGISTER, &reg));
	must(!pthread_create(&thread, NULL, serve, &s));
}

/* One after the other in memory. */
static char *map_buffer(struct task *t, const struct buffer *b)
{
	char *area = page_alloc(b->nr * PAGE), *at = area;
	int i;

	for (i = 0; i < b->nr; i++, at += PAGE) {
		if (b->off[i] == SLOW)
			slow_page(t, at);
		else
			must(mmap(at, PAGE, RW, MAP_SHARED | MAP_FIXED,
				  b->file[i]->fd, b->off[i]) == at);
	}
	return area;
}

/* A task whose call takes the pages of a buffer. */
struct call {
	const char *how;
	struct buffer buffer;
};

static void by_process_vm(char *area, const struct buffer *b, bool writes)
{
	struct iovec remote = { area, b->nr * PAGE };
	struct iovec local = { page_alloc(remote.iov_len), remote.iov_len };
	ssize_t done;

	fill(local.iov_base, local.iov_len, 5, 0);
	done = (writes ? process_vm_writev : process_vm_readv)
		(getpid(), &local, 1, &remote, 1, 0);
	must_eq(done, remote.iov_len);
}

static void by_direct_io(char *area, const struct buffer *b, bool writes)
{
	const char *path = getenv("RDAX_DISK");
	int disk = open(path ? path : "", O_RDWR | O_DIRECT | O_CLOEXEC);
	size_t len = b->nr * PAGE;

	if (disk < 0)
		fail("scratch disk: %m");
	must_eq(writes ? pwrite(disk, area, len, 0) : pread(disk, area, len, 0),
		len);
}

/*
 * The pipe keeps the pages when the call has returned. The last one is a hole if
 * the drain was over first.
 */
static void by_vmsplice(char *area, const struct buffer *b)
{
	struct iovec iov = { area, b->nr * PAGE };
	char *copy = page_alloc(iov.iov_len), *last = copy + 2 * PAGE;
	int fds[2];

	must(!pipe(fds));
	must_eq(vmsplice(fds[1], &iov, 1, 0), iov.iov_len);
	must_eq(read(fds[0], copy, iov.iov_len), iov.iov_len);
	verify(copy, PAGE, 1, b->off[0]);
	verify_zero(copy + PAGE, PAGE);
	if (*(u64 *)last)
		verify(last, PAGE, 1, b->off[2]);
	else
		verify_zero(last, PAGE);
}

/* A buffer for each page. */
static void by_vectors(char *area, const struct buffer *b)
{
	struct iovec iov[MAX];
	char copy[PAGE];
	int i, fds[2];

	for (i = 0; i < b->nr; i++)
		iov[i] = (struct iovec){ area + i * PAGE, PAGE };
	must(!pipe(fds));
	must_eq(vmsplice(fds[1], iov, b->nr, 0), b->nr * PAGE);
	for (i = 0; i < b->nr; i++) {
		must_eq(read(fds[0], copy, PAGE), PAGE);
		if (b->off[i] != SLOW)
			verify(copy, PAGE, 1, b->off[i]);
	}
}

static void caller(struct task *t, void *arg)
{
	const struct call *c = arg;
	char *area = map_buffer(t, &c->buffer);

	if (!strcmp(c->how, "readv") || !strcmp(c->how, "writev"))
		by_process_vm(area, &c->buffer, c->how[0] == 'w');
	else if (!strcmp(c->how, "read") || !strcmp(c->how, "write"))
		by_direct_io(area, &c->buffer, c->how[0] == 'w');
	else if (!strcmp(c->how, "splice"))
		by_vmsplice(area, &c->buffer);
	else
		by_vectors(area, &c->buffer);
}

/* Starts a call, and returns when it waits for its slow page. */
static void start_call(struct task *t, struct call *c)
{
	start(t, caller, c);
	want_ready(t);
}

static struct call two_pages(const char *how, struct file *f, off_t one,
			     struct file *g, off_t other)
{
	return (struct call){
		.how = how,
		.buffer = {
			.nr = 3,
			.file = { f, NULL, g },
			.off = { one, SLOW, other },
		},
	};
}

static const char * const calls[] = { "readv", "writev", "read", "write", "splice" };

/* A call takes two pages, and the drain begins in between. */
static void straddle(const char *how, off_t one, off_t other)
{
	struct file f = mapped_file(how, "pte");
	struct call c = two_pages(how, &f, one, &f, other);
	bool holds = one >= (off_t)FIRST && one <= (off_t)LAST;
	bool waits = other >= (off_t)FIRST && other <= (off_t)LAST;
	int pin = -1, tickets = waits;
	long long begun;
	struct drain d;
	struct task t;

	start_call(&t, &c);
	/* If the call holds nothing, somebody else makes the drain wait. */
	if (!holds)
		pin = pin_by("plain", 0, f.fd, f.map, FIRST + 8 * PAGE);
	must(holds || pin >= 0);
	d = drain_start(f.fd, "punch");
	begun = machine_ms();
	go_on(&t);
	want_done(&t, LIMIT);
	want_within(how, begun, patience(tickets));
	if (!holds) {
		must(is_control() || drain_is_shown(&d));
		begun = machine_ms();
		let_go(pin);
	}
	want_drained(&d, begun);
	/*
	 * The block layer takes pages of a device and others one after the other
	 * in the end, so the last one may be of a new block, and read then.
	 */
	verify_zero(f.map + FIRST, LAST - FIRST);
	if (strcmp(how, "read"))
		verify_zero(f.map + LAST, PAGE);
	must(!munmap(f.map, SIZE) && !close(f.fd) && !unlink(how));
}

/* Both pages in the range, or the first, or the second. */
static void cmd_straddle(char **argv)
{
	off_t one = argv[1][0] == 'o' ? BEFORE : FIRST;
	off_t other = strstr(argv[1], "-out") ? AFTER : LAST;
	unsigned int i;

	begin(argv[0]);
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		straddle(calls[i], one, other);
}

/* Each buffer lies before the one that was taken last: a ticket for each. */
static void cmd_vector(char **argv)
{
	struct file f;
	struct call c = {
		.how = "vectors",
		.buffer = {
			.nr = 5,
			.file = { &f, NULL, &f, &f, &f },
			.off = { LAST, SLOW, LAST - PAGE, LAST - 2 * PAGE,
				 LAST - 3 * PAGE },
		},
	};
	long long begun;
	struct drain d;
	struct task t;

	begin(argv[0]);
	f = mapped_file("f", "pte");
	start_call(&t, &c);
	d = drain_start(f.fd, "punch");
	begun = machine_ms();
	go_on(&t);
	want_done(&t, LIMIT);
	want_within("4 buffers", begun, patience(3));
	want_drained(&d, begun);
}

/* Holds the page at FIRST, by a descriptor. */
static int hold_page(const char *how, const struct file *f)
{
	struct iovec iov = { f->map + FIRST, PAGE };
	int held, fds[2];

	if (strcmp(how, "pipe")) {
		held = pin_by(how, RDAX_PIN_WRITE, f->fd, f->map, FIRST);
		must(held >= 0);
		return held;
	}
	must(!pipe(fds));
	must_eq(vmsplice(fds[1], &iov, 1, 0), PAGE);
	must(!close(fds[1]));
	return fds[0];
}

/* Whose page it is must touch it first. */
static void touch_held(const char *how, const char *kind)
{
	struct file f = mapped_file(how, kind);
	int held = hold_page(how, &f);
	long long begun;
	struct drain d;
	char buf[PAGE];

	d = drain_start(f.fd, "punch");
	note("%s", how);
	begun = machine_ms();
	verify(f.map + FIRST, PAGE, 1, FIRST);
	want_within("load", begun, patience(1));
	begun = machine_ms();
	must(!try_store(f.map + FIRST, 7));
	want_within("store", begun, patience(3));
	must(is_control() || drain_is_shown(&d));
	begun = machine_ms();
	if (!strcmp(how, "pipe")) {
		must_eq(read(held, buf, PAGE), PAGE);
		must_eq(buf[0], 7);
	}
	must(!close(held));
	want_drained(&d, begun);
	verify_zero(f.map + FIRST, PAGE);
	must(!munmap(f.map, SIZE) && !close(f.fd) && !unlink(how));
}

static void cmd_touch(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	/* Others know nothing of pins of files, nor do they tell. */
	for (i = 0; i < (is_control() ? 2 : ARRAY_SIZE(kinds)); i++)
		touch_held(kinds[i], argv[1]);
}

/* Two calls, each of which needs what the other holds; the drain wants both. */
static void pair(const char *how, bool two)
{
	struct file f = mapped_file(how, "pte");
	struct file g = two ? mapped_file("other", "pte") : f;
	struct call up = two_pages(how, &f, FIRST, &g, LAST);
	struct call down = two_pages(how, &g, LAST, &f, FIRST);
	struct drain d, e;
	long long begun;
	struct task t, u;

	start_call(&t, &up);
	start_call(&u, &down);
	d = drain_start(f.fd, "punch");
	if (two)
		e = drain_start(g.fd, "punch");
	begun = machine_ms();
	go_on(&t);
	go_on(&u);
	want_done(&t, LIMIT);
	want_done(&u, LIMIT);
	want_within(how, begun, patience(3));
	want_drained(&d, begun);
	if (two)
		want_drained(&e, begun);
	verify_zero(f.map + FIRST, LAST + PAGE - FIRST);
	must(!munmap(f.map, SIZE) && !close(f.fd) && !unlink(how));
	if (two)
		must(!munmap(g.map, SIZE) && !close(g.fd) && !unlink("other"));
}

/* "file": the pages are of one, or "files": of two, with a drain each. */
static void cmd_pair(char **argv)
{
	bool two = !strcmp(argv[1], "files");

	begin(argv[0]);
	pair("readv", two);
	pair("splice", two);
}

/* A call that is killed half-way holds nothing, wherever it waited. */
static void kill_call(const char *how, bool at_gate)
{
	struct file f = mapped_file(how, "pte");
	struct call c = two_pages(how, &f, FIRST, &f, LAST);
	long long begun;
	struct drain d;
	struct task t;
	int pin = -1;

	start_call(&t, &c);
	/* Who had a ticket is shown as long as the drain waits. */
	if (at_gate)
		pin = pin_by("plain", 0, f.fd, f.map, FIRST + 8 * PAGE);
	d = drain_start(f.fd, "punch");
	if (at_gate) {
		go_on(&t);
		want_waiting(f.fd, t.pid, '?');
	}
	begun = machine_ms();
	must(!kill(t.pid, SIGKILL));
	/* It may have ended before. */
	must(reap(&t, LIMIT) != -1);
	if (at_gate)
		let_go(pin);
	want_drained(&d, begun);
	must(!munmap(f.map, SIZE) && !close(f.fd) && !unlink(how));
}

static void cmd_killed(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		kill_call(calls[i], false);
		kill_call(calls[i], true);
	}
}

/* A write of one file to another, which its holder must write to. */
struct copy {
	struct file from;
	int to;
};

static void copier(struct task *t, void *arg)
{
	struct copy *c = arg;

	must_eq(pwrite(c->to, c->from.map + FIRST, PAGE, 0), PAGE);
}

static void cmd_writer(char **argv)
{
	long long begun;
	struct copy c;
	struct drain d;
	struct task t;
	int pin;

	begin(argv[0]);
	c.from = mapped_file("f", "pte");
	c.to = new_at("g", 0644);
	pin = pin_file(RDAX_PIN_WRITE, c.from.fd, FIRST, PAGE);
	must(pin >= 0);
	d = drain_start(c.from.fd, "punch");
	start(&t, copier, &c);
	/* With a ticket or without: the copy has the file locked. */
	want_waiting(c.from.fd, t.pid, '?');
	begun = machine_ms();
	must_eq(pwrite(c.to, "", 1, PAGE), 1);
	want_within("write", begun, patience(1));
	want_done(&t, LIMIT);
	must(drain_is_shown(&d));
	begun = machine_ms();
	let_go(pin);
	want_drained(&d, begun);
}

/* Whoever reads /proc/PID/mem faults with the lock of that address space. */
struct peek {
	pid_t pid;
	char *addr;
};

static void peeker(struct task *t, void *arg)
{
	struct peek *p = arg;
	char path[64], buf[PAGE];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", p->pid);
	fd = open(path, O_RDONLY);
	must(fd >= 0);
	must_eq(pread(fd, buf, PAGE, (uintptr_t)p->addr), PAGE);
}

static void cmd_peek(char **argv)
{
	struct peek p = { .pid = getpid() };
	long long begun;
	struct drain d;
	struct file f;
	struct task t;
	int pin;

	begin(argv[0]);
	f = mapped_file("f", "pte");
	p.addr = f.map + FIRST;
	pin = pin_by("memory", 0, f.fd, f.map, LAST);
	must(pin >= 0);
	d = drain_start(f.fd, "punch");
	start(&t, peeker, &p);
	want_waiting(f.fd, t.pid, '?');
	begun = machine_ms();
	must(!munmap(page_alloc(PAGE), PAGE));
	want_within("munmap", begun, patience(1));
	want_done(&t, LIMIT);
	must(drain_is_shown(&d));
	begun = machine_ms();
	let_go(pin);
	want_drained(&d, begun);
}

/* Who drains what it holds itself waits as long as the mount says. */
static void cmd_self(char **argv)
{
	int held, ms = atoi(argv[1]);
	long long begun, since;
	unsigned int i;
	struct file f;

	begin(argv[0]);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		f = mapped_file(kinds[i], "pte");
		held = hold_page(kinds[i], &f);
		begun = machine_ms();
		since = now_ms();
		must(!drain_by(f.fd, "punch"));
		must(now_ms() - since >= ms);
		want_within("punch", begun, ms + SOON);
		verify_zero(f.map + FIRST, PAGE);
		must(!close(held));
	}
}

static const struct cmd cmds[] = {
	{ "straddle", 2, cmd_straddle },
	{ "vector", 1, cmd_vector },
	{ "touch", 2, cmd_touch },
	{ "pair", 2, cmd_pair },
	{ "killed", 1, cmd_killed },
	{ "writer", 1, cmd_writer },
	{ "peek", 1, cmd_peek },
	{ "self", 2, cmd_self },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
