/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: make_session_corpus DISPATCH_FOLDER INIT_FOLDER
 *
 * Writes the seeds of dispatch_fuzz (every row of the opcode table, with every kind of driver; and
 * a few whole sessions) and of init_fuzz. Run it again after the table has changed.
 */
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "session_input.h"

static FILE *create(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return NULL;
	file = fopen(path, "wb");
	if (!file)
		perror(path);
	return file;
}

static void put(FILE *file, const void *bytes, size_t size)
{
	if (fwrite(bytes, 1, size, file) != size)
		perror("fwrite");
}

static void put_step(FILE *file, const struct fb_op_row *row, uint8_t kind, uint8_t flags)
{
	struct message m;
	struct input_step step = { .kind = kind, .flags = flags, .number = 3 };

	message_build(&m, row, &message_rules_newest);
	step.size_low = m.size & 0xff;
	step.size_high = (uint8_t)(m.size >> 8);
	put(file, &step, sizeof(step));
	put(file, m.bytes, m.size);
}

/* One session for each row, in which the driver does everything to it. */
static int write_rows(const char *folder)
{
	const struct input_setup setup = { .flags = INPUT_LABELS };

	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		FILE *file = create(folder, row->name);

		if (!file)
			return -1;
		put(file, &setup, sizeof(setup));
		for (unsigned kind = 0; kind < KINDS; kind++)
			put_step(file, row, (uint8_t)kind, kind % 2 ? STEP_DROP : 0);
		put_step(file, row, KIND_PENDING, STEP_HOLD);
		put_step(file, row, KIND_PENDING, STEP_RESEND);
		fclose(file);
	}
	return 0;
}

/* All rows in one session, which is of this sort. */
static int write_session(const char *folder, const char *name, uint8_t flags, bool absent)
{
	struct input_setup setup = { .flags = flags };
	FILE *file = create(folder, name);

	if (!file)
		return -1;
	memset(setup.absent, absent ? 0xff : 0, sizeof(setup.absent));
	put(file, &setup, sizeof(setup));
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row))
		if (row->opcode != FB_OP_DESTROY)
			put_step(file, row, KIND_NATURAL, 0);
	fclose(file);
	return 0;
}

/* The struct of init_fuzz, as bytes: all its numbers the same. */
static int write_init(const char *folder, const char *name, uint8_t fill, uint32_t minor,
		      uint32_t flags, size_t size)
{
	struct fb_wire_init_in in = { 7, minor, 131072, flags, 0x7ff, { 0 } };
	uint8_t setup[56];
	FILE *file = create(folder, name);

	if (!file)
		return -1;
	memset(setup, fill, sizeof(setup));
	setup[52] = 1; /* its flags: WITH_PERMISSIONS */
	put(file, setup, sizeof(setup));
	put(file, &in, size);
	fclose(file);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: make_session_corpus DISPATCH_FOLDER INIT_FOLDER\n");
		return 2;
	}
	failed |= write_rows(argv[1]);
	failed |= write_session(argv[1], "session", INPUT_ALL_FEATURES, false);
	failed |= write_session(argv[1], "session_read_only", INPUT_READ_ONLY, false);
	failed |= write_session(argv[1], "session_old", INPUT_OLD | INPUT_NO_FEATURES, false);
	failed |= write_session(argv[1], "session_without_operations", 0, true);
	failed |= write_init(argv[2], "newest", 0, 45, UINT32_MAX, 64);
	failed |= write_init(argv[2], "wishes", 0xff, 45, UINT32_MAX, 64);
	failed |= write_init(argv[2], "short", 0, 31, UINT32_MAX, 16);
	failed |= write_init(argv[2], "oldest", 0, 27, 0, 16);
	failed |= write_init(argv[2], "too_old", 0, 26, 0, 16);
	return failed ? 1 : 0;
}
