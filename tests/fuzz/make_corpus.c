/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: make_corpus FOLDER
 *
 * Writes a valid request for each row of the opcode table, named after it, and one with extensions
 * where the row takes them: what the fuzzers of the decoder and of sessions start from. Run it
 * again after the table has changed and commit the result.
 */
#include <stdio.h>
#include <string.h>

#include "message.h"

static int write_file(const char *folder, const char *name, const char *suffix,
		      const struct message *m)
{
	char path[4096];
	FILE *file;
	size_t written;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix) >= sizeof(path))
		return -1;
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		return -1;
	}
	written = fwrite(m->bytes, 1, m->size, file);
	return fclose(file) == 0 && written == m->size ? 0 : -1;
}

/* A security context and one supplementary group, as Linux puts them at the end. */
static void add_extensions(struct message *m)
{
	static const char label[] = "\5\0\0\0\0\0\0\0security.selinux\0label";
	static const uint32_t groups[] = { 1, 1000 };

	message_add_extension(m, 1, label, sizeof(label) - 1);
	message_add_extension(m, FB_WIRE_EXT_GROUPS, groups, sizeof(groups));
	message_end(m);
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: make_corpus FOLDER\n");
		return 2;
	}
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		struct message m;

		message_build(&m, row, &message_rules_newest);
		failed |= write_file(argv[1], row->name, "", &m);
		if (!(row->flags & FB_ROW_EXTENSIONS))
			continue;
		add_extensions(&m);
		failed |= write_file(argv[1], row->name, "_extensions", &m);
	}
	return failed ? 1 : 0;
}
