/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_table.h"

#include <errno.h>
#include <libfb/log.h>
#include <limits.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scope.h"

#define TYPE "fbfsd"

static void close_table(FILE **table)
{
	if (*table)
		endmntent(*table);
}

void share_table_fini(struct share_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->share[i].source);
		free(table->share[i].socket);
		free(table->share[i].options);
	}
	free(table->share);
	*table = (struct share_table){ 0 };
}

static int check(const char *file, const struct mntent *line)
{
	if (!*line->mnt_dir || !*line->mnt_type)
		return fb_fail(EINVAL, "%s: %s: a line is SOURCE SOCKET fbfsd [OPTIONS]", file,
			       line->mnt_fsname);
	if (strcmp(line->mnt_type, TYPE) != 0)
		return fb_fail(EINVAL, "%s: %s: the third word is '%s', not " TYPE, file,
			       line->mnt_fsname, line->mnt_type);
	return 0;
}

static int add(struct share_table *table, const struct mntent *line)
{
	struct share *grown = reallocarray(table->share, table->count + 1, sizeof(*grown));
	struct share *share;

	if (!grown)
		return fb_fail(ENOMEM, "out of memory");
	table->share = grown;
	share = &grown[table->count++];
	*share = (struct share){ .source = strdup(line->mnt_fsname),
				 .socket = strdup(line->mnt_dir),
				 .options = strdup(line->mnt_opts) };
	return share->source && share->socket && share->options ? 0 :
								  fb_fail(ENOMEM, "out of memory");
}

/* With room for the whole file: of a line that is longer than its room the rest would be left out. */
static int read_lines(const char *file, FILE *from, struct share_table *table)
{
	struct mntent line;
	struct stat status;
	SCOPED_FREE char *room = NULL;
	int result = 0;

	if (fstat(fileno(from), &status) < 0)
		return fb_fail(errno, "--config=%s: %s", file, strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_size > INT_MAX - 2)
		return fb_fail(EINVAL, "--config=%s: this is no file of shares", file);
	room = malloc((size_t)status.st_size + 2);
	if (!room)
		return fb_fail(ENOMEM, "out of memory");
	while (result == 0 && getmntent_r(from, &line, room, (int)status.st_size + 2)) {
		result = check(file, &line);
		if (result == 0)
			result = add(table, &line);
	}
	return result;
}

int share_table_read(const char *file, struct share_table *ret_table)
{
	__attribute__((cleanup(close_table))) FILE *from = setmntent(file, "re");
	int result;

	*ret_table = (struct share_table){ 0 };
	if (!from)
		return fb_fail(errno, "--config=%s: %s", file, strerror(errno));
	result = read_lines(file, from, ret_table);
	if (result == 0 && ret_table->count == 0)
		return fb_fail(EINVAL,
			       "--config=%s: there is no directory in it; a line is SOURCE SOCKET "
			       "fbfsd [OPTIONS]",
			       file);
	return result;
}
