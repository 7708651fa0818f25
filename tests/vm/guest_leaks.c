/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guest does a thousand times, for test_leaks.py to look whether the server grows with it: usage:
 *
 *   guest_leaks SOCKET sessions WARM-UP COUNT    greet, work, say goodbye: on one connection
 *   guest_leaks SOCKET connections WARM-UP COUNT connect, work, hang up without a word
 *   guest_leaks SOCKET files COUNT COUNT         look up and open f0 to f(COUNT-1), let all go
 *
 * Twice, the first time to warm up. After each it prints a line and waits for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <libfb/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "guest_fuse.h"

#define FLAGS (FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_DO_READDIRPLUS)
#define MINOR 38
#define LEFT_OPEN 20 /* files that a guest goes without closing */
#define AGAIN 100    /* files that are closed and opened again while there are too many */

static struct guest_options options = { .style = FRONT_END_QEMU10 };
static struct guest *guest;
static struct guest_caller caller = { .queue = GUEST_REQUESTS };

/* Stop with a sentence unless a result is as it has to be. */
static void expect(int result, int wanted, const char *what)
{
	if (result == wanted)
		return;
	fprintf(stderr, "guest_leaks: %s: %s instead of %s\n", what, strerror(-result),
		strerror(-wanted));
	exit(1);
}

static void pause_for_figures(const char *line)
{
	char answer[16];

	puts(line);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		exit(1);
}

static void connect_guest(void)
{
	expect(guest_new(&options, &guest), 0, "connecting");
	caller.guest = guest;
}

static void greet(void)
{
	expect(guest_init(guest, MINOR, FLAGS, NULL), 0, "INIT");
}

/* ---- sessions and connections ------------------------------------------------------------------- */

/* Make, write, read, list and remove; some files stay open, and no node is forgotten. */
static void work(void)
{
	struct fb_wire_create_out made;
	struct fb_wire_entry_out entry;
	char data[8192] = "data", name[16];
	uint64_t fh;
	size_t done;

	for (unsigned i = 0; i < LEFT_OPEN; i++) {
		snprintf(name, sizeof(name), "left%u", i);
		expect(guest_create(&caller, GUEST_ROOT, name, O_RDWR, 0600, &made), 0, "CREATE");
		expect(guest_write(&caller, made.entry.nodeid, made.open.fh, 0, data, sizeof(data),
				   &done),
		       0, "WRITE");
		expect(guest_read(&caller, made.entry.nodeid, made.open.fh, 0, data, sizeof(data),
				  &done),
		       0, "READ");
		expect(guest_unlink(&caller, GUEST_ROOT, name), 0, "UNLINK");
	}
	expect(guest_opendir(&caller, GUEST_ROOT, &fh), 0, "OPENDIR");
	expect(guest_readdir(&caller, GUEST_ROOT, fh, 0, data, sizeof(data), &done), 0, "READDIR");
	expect(guest_mkdir(&caller, GUEST_ROOT, "folder", 0700, &entry), 0, "MKDIR");
	expect(guest_rmdir(&caller, GUEST_ROOT, "folder"), 0, "RMDIR");
}

static void sessions(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		greet();
		work();
		expect(guest_destroy(guest), 0, "DESTROY");
	}
}

/* One more that does nothing: when it is served, the server is done with those before. */
static void connections(unsigned count)
{
	guest_free(guest);
	for (unsigned i = 0; i < count; i++) {
		connect_guest();
		greet();
		work();
		guest_free(guest);
	}
	connect_guest();
	greet();
}

/* ---- many files ----------------------------------------------------------------------------------- */

struct file {
	uint64_t node, fh; /* 0: none */
};

struct counts {
	unsigned nodes, opened, no_node, no_file;
};

static void look_up_and_open(struct file *files, unsigned count, struct counts *counts)
{
	for (unsigned i = 0; i < count; i++) {
		struct fb_wire_entry_out entry = { 0 };
		char name[16];
		int r;

		snprintf(name, sizeof(name), "f%u", i);
		r = guest_lookup(&caller, GUEST_ROOT, name, &entry);
		if (r < 0)
			expect(r, -ENFILE, "LOOKUP");
		files[i].node = entry.nodeid;
		counts->nodes += r == 0;
		counts->no_node += r < 0;
		if (r < 0)
			continue;
		r = guest_open(&caller, entry.nodeid, O_RDONLY, &files[i].fh);
		if (r < 0)
			expect(r, -ENFILE, "OPEN");
		counts->opened += r == 0;
		counts->no_file += r < 0;
		if (r < 0)
			files[i].fh = 0;
	}
}

/* With not one descriptor left, everything goes on that needs none. */
static void go_on(struct file *files, unsigned count)
{
	unsigned again = 0;

	for (unsigned i = 0; i < count && again < AGAIN; i++) {
		struct fb_wire_entry_out entry;
		struct fb_wire_attr attr;
		char name[16];
		char byte;
		size_t done;

		if (!files[i].fh)
			continue;
		snprintf(name, sizeof(name), "f%u", i);
		expect(guest_lookup(&caller, GUEST_ROOT, name, &entry), 0, "LOOKUP again");
		expect(guest_getattr(&caller, files[i].node, &attr), 0, "GETATTR");
		expect(guest_read(&caller, files[i].node, files[i].fh, 0, &byte, 1, &done), 0,
		       "READ");
		expect(guest_release(&caller, files[i].node, files[i].fh), 0, "RELEASE");
		expect(guest_open(&caller, files[i].node, O_RDONLY, &files[i].fh), 0, "OPEN again");
		expect(guest_forget(guest, files[i].node, 1), 0, "FORGET");
		again++;
	}
	expect(again == AGAIN ? 0 : -ENOENT, 0, "files that are open");
}

static void let_go(const struct file *files, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (files[i].fh)
			expect(guest_release(&caller, files[i].node, files[i].fh), 0, "RELEASE");
		if (files[i].node)
			expect(guest_forget(guest, files[i].node, 1), 0, "FORGET");
	}
}

static void many_files(unsigned count)
{
	struct file *files = calloc(count, sizeof(*files));
	struct counts counts = { 0 };
	char line[200];

	if (!files)
		exit(1);
	greet();
	look_up_and_open(files, count, &counts);
	go_on(files, count);
	snprintf(line, sizeof(line), "nodes=%u opened=%u no_node=%u no_file=%u", counts.nodes,
		 counts.opened, counts.no_node, counts.no_file);
	pause_for_figures(line);
	let_go(files, count);
	free(files);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(unsigned count);
		bool connects;
	} kinds[] = {
		{ "sessions", sessions, true },
		{ "connections", connections, false },
		{ "files", many_files, true },
	};

	for (unsigned i = 0; argc == 5 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[2], kinds[i].name) != 0)
			continue;
		options.path = argv[1];
		if (kinds[i].connects)
			connect_guest();
		for (int round = 3; round < 5; round++) {
			kinds[i].run((unsigned)atoi(argv[round]));
			pause_for_figures("done");
		}
		return 0;
	}
	fprintf(stderr, "usage: guest_leaks SOCKET sessions|connections|files COUNT COUNT\n");
	return 1;
}
