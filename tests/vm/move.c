/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: move SOCKET_FROM SOCKET_TO
 *
 * A guest with open files moves from one fbfsd to another one of the same share, for tests of real
 * sandboxes. When the machine stands still before the move it prints "stopped" and waits for a line.
 * Prints the step that failed, and what became of an open file without a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "guest_fuse.h"

#define FLAGS (FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES | FB_INIT_DO_READDIRPLUS)
#define MINOR 38
#define STYLE FRONT_END_QEMU10
#define ODD_NAME "\xff\xfe\n(deleted)"

#define STEP(call)                                                                                 \
	do {                                                                                       \
		int step_result = (call);                                                          \
		if (step_result < 0) {                                                             \
			printf("%s: %s\n", #call, strerror(-step_result));                         \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

/* What the guest's kernel knows. */
static struct guest *guest;
static struct guest_caller caller;
static struct fb_wire_entry_out dir, sub;
static struct fb_wire_create_out file, odd, linked, gone;
static uint64_t dir_fh;

static int connect_to(const char *path, bool idle)
{
	const struct guest_options options = { .path = path, .style = STYLE, .idle = idle };

	STEP(guest_new(&options, &guest));
	caller = (struct guest_caller){ .guest = guest, .queue = GUEST_REQUESTS };
	return 0;
}

static int make(uint64_t parent, const char *name, struct fb_wire_create_out *ret_made)
{
	size_t done;

	STEP(guest_create(&caller, parent, name, O_RDWR, 0644, ret_made));
	STEP(guest_write(&caller, ret_made->entry.nodeid, ret_made->open.fh, 0, name,
			 (uint32_t)strlen(name), &done));
	return 0;
}

static int begin(void)
{
	STEP(guest_init(guest, MINOR, FLAGS, NULL));
	STEP(guest_mkdir(&caller, GUEST_ROOT, "dir", 0755, &dir));
	STEP(guest_mkdir(&caller, dir.nodeid, "sub", 0755, &sub));
	STEP(make(sub.nodeid, "file", &file));
	STEP(make(GUEST_ROOT, ODD_NAME, &odd));
	STEP(make(GUEST_ROOT, "linked", &linked));
	STEP(make(GUEST_ROOT, "gone", &gone));
	STEP(guest_unlink(&caller, GUEST_ROOT, "gone"));
	STEP(guest_opendir(&caller, dir.nodeid, &dir_fh));
	return 0;
}

/* The same bytes under the same numbers. */
static int look(const struct fb_wire_create_out *at, const char *content)
{
	struct fb_wire_attr attr;
	char got[64];
	size_t done;

	STEP(guest_getattr(&caller, at->entry.nodeid, &attr));
	STEP(guest_read(&caller, at->entry.nodeid, at->open.fh, 0, got, sizeof(got), &done));
	return done == strlen(content) && memcmp(got, content, done) == 0 ? 0 : -EILSEQ;
}

static int go_on(void)
{
	struct fb_wire_entry_out found;
	struct fb_wire_create_out made;
	char listing[4096], name[32];
	size_t done;

	STEP(look(&file, "file"));
	STEP(look(&odd, ODD_NAME));
	STEP(look(&linked, "linked"));
	STEP(guest_lookup(&caller, sub.nodeid, "file", &found));
	STEP(found.nodeid == file.entry.nodeid ? 0 : -ESTALE);
	STEP(guest_readdir(&caller, dir.nodeid, dir_fh, 0, listing, sizeof(listing), &done));
	STEP(done > 0 ? 0 : -ENOENT);
	snprintf(name, sizeof(name), "new%llu", (unsigned long long)guest_unique(guest));
	STEP(make(dir.nodeid, name, &made));
	STEP(guest_release(&caller, made.entry.nodeid, made.open.fh));
	return 0;
}

static int tell_gone(void)
{
	struct fb_wire_attr attr;
	char got[8];
	size_t done;

	printf("gone: node %s, ",
	       strerrorname_np(-guest_getattr(&caller, gone.entry.nodeid, &attr)));
	printf("file %s\n", strerrorname_np(-guest_read(&caller, gone.entry.nodeid, gone.open.fh, 0,
							got, sizeof(got), &done)));
	STEP(guest_release(&caller, gone.entry.nodeid, gone.open.fh));
	STEP(guest_forget(guest, gone.entry.nodeid, 1));
	STEP(guest_release(&caller, file.entry.nodeid, file.open.fh));
	return 0;
}

static int move(const char *from, const char *to)
{
	struct guest *left;
	uint8_t *bytes;
	size_t size;

	STEP(connect_to(from, false));
	STEP(begin());
	STEP(guest_stop(guest));
	puts("stopped");
	fflush(stdout);
	STEP(getchar() == EOF ? -EPIPE : 0);
	STEP(front_end_save(&guest->fe, STYLE, &bytes, &size));
	free(bytes);
	/* The migration has failed, and is tried again. */
	STEP(guest_start(guest));
	STEP(go_on());
	STEP(guest_stop(guest));
	STEP(front_end_save(&guest->fe, STYLE, &bytes, &size));
	left = guest;
	STEP(connect_to(to, true));
	STEP(front_end_load(&guest->fe, STYLE, bytes, size));
	free(bytes);
	guest_free(left);
	STEP(guest_start(guest));
	STEP(go_on());
	STEP(tell_gone());
	STEP(guest_destroy(guest));
	guest_free(guest);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	return move(argv[1], argv[2]) < 0;
}
