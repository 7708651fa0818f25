/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's whole life at a daemon's socket, without a virtual machine: usage: session SOCKET [QUEUES]
 *
 * On each queue it makes a file "q<N>", writes it, reads it back, finds it in its folder, and leaves
 * it. Then it prints "done" and keeps the connection until its standard input ends; then it
 * unmounts. The exit status is 0 if all of that went well.
 */
#include <errno.h>
#include <fcntl.h>
#include <libfb/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "guest_fuse.h"

#define MINOR 38
/* Of those that Linux offers, what an option of a daemon may insist on is among them. */
#define FLAGS                                                                                      \
	(FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_ASYNC_READ | FB_INIT_DONT_MASK |         \
	 FB_INIT_SETXATTR_EXT | FB_INIT_POSIX_ACL)
#define SIZE 100000u
#define LISTING 65536u

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "session: %s\n", what);
	exit(1);
}

static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "session: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* Whether the root, listed from its beginning to its end, has this name. */
static bool is_listed(const struct guest_caller *caller, const char *name)
{
	static char listing[LISTING];
	uint64_t fh, offset = 0;
	size_t len, at;
	bool found = false;

	must(guest_opendir(caller, GUEST_ROOT, &fh), "opendir");
	do {
		must(guest_readdir(caller, GUEST_ROOT, fh, offset, listing, LISTING, &len),
		     "readdir");
		for (at = 0; at + sizeof(struct fb_wire_dirent) <= len;) {
			struct fb_wire_dirent entry;

			memcpy(&entry, listing + at, sizeof(entry));
			at += sizeof(entry);
			if (entry.namelen == strlen(name) &&
			    memcmp(listing + at, name, entry.namelen) == 0)
				found = true;
			at += (entry.namelen + 7) & ~(size_t)7;
			offset = entry.off;
		}
	} while (len > 0);
	must(guest_releasedir(caller, GUEST_ROOT, fh), "releasedir");
	return found;
}

static void work(struct guest *guest, unsigned queue)
{
	const struct guest_caller caller = { .guest = guest, .queue = queue };
	static char data[SIZE], back[SIZE];
	struct fb_wire_create_out made;
	struct fb_wire_entry_out found;
	struct fb_wire_attr attr;
	char name[16];
	size_t done;

	snprintf(name, sizeof(name), "q%u", queue);
	memset(data, 'a' + (int)(queue % 26), SIZE);
	must(guest_create(&caller, GUEST_ROOT, name, O_RDWR, 0644, &made), "create");
	must(guest_write(&caller, made.entry.nodeid, made.open.fh, 0, data, SIZE, &done), "write");
	check(done == SIZE, "write: not all");
	must(guest_read(&caller, made.entry.nodeid, made.open.fh, 0, back, SIZE, &done), "read");
	check(done == SIZE && memcmp(data, back, SIZE) == 0, "read: not what was written");
	must(guest_release(&caller, made.entry.nodeid, made.open.fh), "release");
	must(guest_getattr(&caller, made.entry.nodeid, &attr), "getattr");
	check(attr.size == SIZE, "getattr: another size");
	must(guest_lookup(&caller, GUEST_ROOT, name, &found), "lookup");
	check(found.nodeid == made.entry.nodeid, "lookup: another node");
	check(is_listed(&caller, name), "readdir: not listed");
	check(guest_lookup(&caller, GUEST_ROOT, "missing", &found) == -ENOENT,
	      "lookup: there is what is not");
	must(guest_forget(guest, made.entry.nodeid, 2), "forget");
}

int main(int argc, char **argv)
{
	struct guest_options options = { .style = FRONT_END_QEMU10, .ring_size = 1024 };
	struct guest *guest;
	char end;

	check(argc >= 2, "usage: session SOCKET [QUEUES]");
	options.path = argv[1];
	options.queues = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	must(guest_new(&options, &guest), argv[1]);
	must(guest_init(guest, MINOR, FLAGS, NULL), "INIT");
	for (unsigned i = 0; i < options.queues; i++)
		work(guest, GUEST_REQUESTS + i);
	puts("done");
	fflush(stdout);
	check(read(STDIN_FILENO, &end, 1) == 0, "standard input: not at its end");
	must(guest_destroy(guest), "DESTROY");
	must(guest_stop(guest), "stop");
	guest_free(guest);
	return 0;
}
