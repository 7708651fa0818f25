/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest that reads files: usage: reader SOCKET
 *
 * Each line on standard input is a name in the root of the share. Each answer is a line: the first of
 * the file, or "error: " and why. Hangs up at the end of the input.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"
#include "guest_fuse.h"

#define MINOR 31
#define LINE_MAX_BYTES 4096

static int read_file(const struct guest_caller *caller, const char *name, char *text,
		     size_t *ret_len)
{
	struct fb_wire_entry_out entry;
	uint64_t fh;
	int r = guest_lookup(caller, GUEST_ROOT, name, &entry);

	if (r == 0)
		r = guest_open(caller, entry.nodeid, O_RDONLY, &fh);
	if (r < 0)
		return r;
	r = guest_read(caller, entry.nodeid, fh, 0, text, LINE_MAX_BYTES, ret_len);
	(void)guest_release(caller, entry.nodeid, fh);
	return r;
}

static void answer(const struct guest_caller *caller, const char *name)
{
	char text[LINE_MAX_BYTES + 1] = "";
	size_t len = 0;
	int r = read_file(caller, name, text, &len);

	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (r < 0)
		printf("error: %s\n", strerror(-r));
	else
		printf("%s\n", text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct guest_options options = {
		.style = FRONT_END_QEMU7, .queues = 1, .ring_size = 128, .ram_size = 64 << 20
	};
	struct guest_caller caller = { .queue = GUEST_REQUESTS };
	char name[LINE_MAX_BYTES];
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: reader SOCKET\n");
		return 1;
	}
	options.path = argv[1];
	r = guest_new(&options, &caller.guest);
	if (r == 0)
		r = guest_init(caller.guest, MINOR, FB_INIT_BIG_WRITES, NULL);
	if (r < 0) {
		fprintf(stderr, "reader: %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	while (fgets(name, sizeof(name), stdin)) {
		name[strcspn(name, "\n")] = '\0';
		answer(&caller, name);
	}
	guest_stop(caller.guest);
	guest_free(caller.guest);
	return 0;
}
