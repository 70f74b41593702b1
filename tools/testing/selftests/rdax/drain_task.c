// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks and mappings that end or change while a drain waits: of those who hold
 * its pages, and of those who want them. Each test works in a directory of its
 * own, on a mount with drain=strict.
 */
#include <pthread.h>

#include "drain_life.h"

/* Who holds a page of a file, and how that ends. */
struct holder {
	const char *how;
	const char *end;
	int fd;
	char *map;
};

/* Something that is gone when it is closed, or its task ends, or another runs. */
static int hold_page(const struct holder *h)
{
	struct iovec iov = { h->map + FIRST, PAGE };
	int fds[2];

	if (strcmp(h->how, "pipe"))
		return pin_by(h->how, RDAX_PIN_WRITE, h->fd, h->map, FIRST);
	must(!pipe2(fds, O_CLOEXEC));
	must_eq(vmsplice(fds[1], &iov, 1, 0), PAGE);
	must(!close(fds[1]));
	return fds[0];
}

/* Another program, with the task's number; it lives until it is told to end. */
static void become_another(struct task *t)
{
	must(dup2(t->told[0], 0) == 0);
	must(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1) == 1);
	execlp("cat", "cat", NULL);
	fail("cat: %m");
}

static void say_pid(struct task *t)
{
	pid_t tid = gettid();

	must_eq(write(t->said[1], &tid, sizeof(tid)), sizeof(tid));
}

static pid_t hear_pid(struct task *t)
{
	pid_t tid;

	must_eq(read(t->said[0], &tid, sizeof(tid)), sizeof(tid));
	return tid;
}

/* Until no thread of the task, nor of the program it was, is left. */
static void want_silence(struct task *t)
{
	struct pollfd p = { .fd = t->said[0] };

	must(poll(&p, 1, LIMIT) == 1 && p.revents & POLLHUP);
}

/* Another program ends when nobody can tell it anything. */
static void let_end(struct task *t)
{
	must(!close(t->told[1]));
	t->told[1] = -1;
	want_done(t, LIMIT);
}

static void holder(struct task *t, void *arg)
{
	struct holder *h = arg;
	int held = hold_page(h);

	must(held >= 0);
	say_ready(t);
	await(t->told[0]);
	if (!strcmp(h->end, "exec"))
		become_another(t);
	if (!strcmp(h->end, "fork") && !fork()) {
		say_pid(t);
		await(t->told[0]);
	}
	/* It exits, and unmaps, or hands on, what it has. */
}

static void end_holder(const char *how, const char *end)
{
	struct holder h = { .how = how, .end = end };
	long long released;
	struct drain d;
	struct task t;

	note("%s", how);
	h.fd = pattern_file(how, "pte", &h.map);
	verify(h.map, SIZE, 1, 0);
	start(&t, holder, &h);
	want_ready(&t);
	d = drain_start(h.fd, "punch");
	released = machine_ms();
	if (!strcmp(h.end, "kill"))
		must(!kill(t.pid, SIGKILL));
	else
		go_on(&t);
	want_drained(&d, released);
	verify_zero(h.map + FIRST, PAGE);
	if (!strcmp(h.end, "exec")) {
		must_eq(end_of(t.pid, 0), -1);
		let_end(&t);
	} else if (!strcmp(h.end, "kill")) {
		must_eq(reap(&t, LIMIT), SIGKILL);
	} else {
		want_done(&t, LIMIT);
	}
}

static void cmd_holder(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		end_holder(kinds[i], argv[1]);
}

/* Whoever has the descriptor holds the page, be it a child that knows nothing. */
static void inherit(const char *how)
{
	struct holder h = { .how = how, .end = "fork" };
	long long released;
	struct drain d;
	struct task t;
	pid_t child;

	h.fd = pattern_file(how, "pte", &h.map);
	verify(h.map, SIZE, 1, 0);
	start(&t, holder, &h);
	want_ready(&t);
	d = drain_start(h.fd, "punch");
	go_on(&t);
	child = hear_pid(&t);
	must_eq(end_of(t.pid, LIMIT), 0);
	must_eq(end_of(d.pid, 10 * PATIENCE_FIRST), -1);
	must(drain_is_shown(&d));
	released = machine_ms();
	must(!kill(child, SIGKILL));
	want_drained(&d, released);
	must_eq(end_of(child, LIMIT), SIGKILL);
}

static void cmd_inherited(char **argv)
{
	unsigned int i;

	begin(argv[0]);
	must(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		inherit(kinds[i]);
}

/* Another program reads the page from a pipe that it was given. */
static void cmd_handed_on(char **argv)
{
	struct iovec iov;
	int fds[2], out[2];
	char buf[PAGE];
	long long begun;
	struct drain d;
	size_t got = 0;
	ssize_t n;
	char *map;
	pid_t pid;
	int fd;

	begin(argv[0]);
	fd = pattern_file("f", "pte", &map);
	verify(map, SIZE, 1, 0);
	iov = (struct iovec){ map + FIRST, PAGE };
	must(!pipe2(fds, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	must_eq(vmsplice(fds[1], &iov, 1, 0), PAGE);
	d = drain_start(fd, "truncate");
	begun = machine_ms();
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(dup2(fds[0], 0) == 0 && dup2(out[1], 1) == 1);
		execlp("cat", "cat", NULL);
		fail("cat: %m");
	}
	must(!close(fds[0]) && !close(fds[1]) && !close(out[1]));
	while ((n = read(out[0], buf + got, PAGE - got)) > 0)
		got += n;
	must_eq(got, PAGE);
	verify(buf, PAGE, 1, FIRST);
	want_drained(&d, begun);
	must_eq(end_of(pid, LIMIT), 0);
}

/* A child, of the time of the drain, has the mapping: it gets a ticket as well. */
static char *inherited;

static void heir(struct task *t, void *arg)
{
	verify(inherited + FIRST, PAGE, 1, FIRST);
	say_ready(t);
	await(t->told[0]);
	verify_zero(inherited + FIRST, PAGE);
}

static void cmd_fork(char **argv)
{
	long long begun;
	struct drain d;
	struct task t;
	int fd, pin;

	begin(argv[0]);
	fd = pattern_file("f", argv[1], &inherited);
	verify(inherited, SIZE, 1, 0);
	pin = pin_by("plain", RDAX_PIN_WRITE, fd, inherited, FIRST);
	must(pin >= 0);
	d = drain_start(fd, "punch");
	begun = machine_ms();
	start(&t, heir, NULL);
	want_ready(&t);
	want_within("child", begun, patience(1));
	must(drain_is_shown(&d));
	begun = machine_ms();
	let_go(pin);
	want_drained(&d, begun);
	go_on(&t);
	want_done(&t, LIMIT);
	verify_zero(inherited + FIRST, PAGE);
}

/* A thread at the gate, beside one that changes its mapping, or ends both. */
struct pair {
	struct task *task;
	const char *what;
	int fd;
	char *map;
	off_t off;
};

static void *touch_page(void *arg)
{
	struct pair *p = arg;

	say_pid(p->task);
	/* The mapping may be gone when the wait is over. */
	try_load(p->map + p->off);
	return NULL;
}

static void on_segv(int sig)
{
	for (;;)
		pause();
}

static char *change(struct pair *p)
{
	size_t from = strstr(p->what, "-part") ? BEFORE : 0;
	size_t len = strstr(p->what, "-part") ? LAST - BEFORE : SIZE;
	char *to = map_at(-1, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0,
			  (uintptr_t)(p->map + from) % PMD);

	must(to != MAP_FAILED);
	if (!strncmp(p->what, "munmap", 6))
		must(!munmap(p->map + from, len));
	else if (!strncmp(p->what, "mremap", 6))
		must(mremap(p->map + from, len, len,
			    MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	else if (!strcmp(p->what, "mprotect"))
		must(!mprotect(p->map, SIZE, PROT_READ));
	else
		must(!madvise(p->map, SIZE, MADV_DONTNEED));
	return to - from;
}

/* What another thread of a waiter may do without waiting as well. */
static void changer(struct task *t, void *arg)
{
	struct sigaction sa = { .sa_handler = on_segv };
	struct pair *p = arg;
	pthread_t thread;
	char *map;

	must(!sigaction(SIGSEGV, &sa, NULL));
	p->task = t;
	must(!pthread_create(&thread, NULL, touch_page, p));
	await(t->told[0]);
	if (!strcmp(p->what, "exit"))
		return;
	if (!strcmp(p->what, "exec"))
		become_another(t);
	map = change(p);
	say_ready(t);
	await(t->told[0]);
	if (!strncmp(p->what, "mremap", 6))
		verify(map + p->off, PAGE, 1, p->off);
}

/*
 * With a thread of its task at the gate, @what is done at once, as the thread
 * waits still, or is gone. False if the thread got its ticket before that.
 */
static bool try_change(struct pair *p)
{
	bool ends = !strncmp(p->what, "ex", 2), waited;
	long long begun;
	struct task t;
	pid_t tid;

	start(&t, changer, p);
	tid = hear_pid(&t);
	want_waiting(p->fd, tid, '?');
	begun = machine_ms();
	go_on(&t);
	if (ends) {
		want_silence(&t);
		waited = !is_waiting(p->fd, tid, '?');
	} else {
		want_ready(&t);
		waited = is_waiting(p->fd, tid, '0');
	}
	want_within(p->what, begun, SOON);
	if (!ends)
		go_on(&t);
	let_end(&t);
	p->off -= PAGE;
	must(p->off > (off_t)FIRST);
	return waited;
}

/* Those before need tickets, so that the interval becomes the longest there is. */
static void change_beside(const char *what)
{
	struct pair p = { .what = what, .off = LAST - PAGE };
	bool waited = false;
	long long released;
	struct drain d;
	int pin, tries;

	p.fd = pattern_file(what, "pte", &p.map);
	verify(p.map, SIZE, 1, 0);
	pin = pin_file(RDAX_PIN_WRITE, p.fd, LAST, PAGE);
	must(pin >= 0);
	d = drain_start(p.fd, "punch");
	for (tries = 0; tries < 10 && !waited; tries++)
		waited = try_change(&p);
	must(waited && drain_is_shown(&d));
	released = machine_ms();
	let_go(pin);
	want_drained(&d, released);
	verify_zero(p.map + FIRST, LAST + PAGE - FIRST);
}

static void cmd_change(char **argv)
{
	static const char * const what[] = {
		"munmap", "munmap-part", "mremap", "mremap-part", "mprotect",
		"madvise", "exit", "exec",
	};
	unsigned int i;

	begin(argv[0]);
	for (i = 0; i < ARRAY_SIZE(what); i++)
		change_beside(what[i]);
}

/* What was mapped with a ticket goes when the drain ends, wherever it is now. */
static void cmd_moved(char **argv)
{
	struct pair p = { .what = argv[1] };
	long long begun;
	struct drain d;
	char *map;
	int pin;

	begin(argv[0]);
	p.fd = pattern_file("f", argv[2], &p.map);
	verify(p.map, SIZE, 1, 0);
	pin = pin_by("memory", RDAX_PIN_WRITE, p.fd, p.map, FIRST);
	must(pin >= 0);
	d = drain_start(p.fd, "punch");
	/* With a ticket. */
	verify(p.map + FIRST, 4 * PAGE, 1, FIRST);
	begun = machine_ms();
	map = change(&p);
	want_within(argv[1], begun, SOON);
	must_fail(msync(p.map + FIRST, PAGE, MS_ASYNC), ENOMEM);
	verify(map + FIRST, 4 * PAGE, 1, FIRST);
	must(drain_is_shown(&d));
	begun = machine_ms();
	let_go(pin);
	want_drained(&d, begun);
	verify_zero(map + FIRST, LAST - FIRST);
	verify(map + BEFORE, PAGE, 1, BEFORE);
}

static const struct cmd cmds[] = {
	{ "holder", 2, cmd_holder },
	{ "inherited", 1, cmd_inherited },
	{ "handed-on", 1, cmd_handed_on },
	{ "fork", 2, cmd_fork },
	{ "change", 1, cmd_change },
	{ "moved", 3, cmd_moved },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_cmd(cmds, argc, argv);
}
