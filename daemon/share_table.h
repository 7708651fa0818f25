/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of --config: one directory a line, in the form of fstab(5).
 *
 *     SOURCE  SOCKET  fbfsd  OPTIONS
 */
#ifndef FBFSD_SHARE_TABLE_H
#define FBFSD_SHARE_TABLE_H

#include <libfb/types.h>

struct share {
	char *source, *socket; /* never empty */
	char *options;         /* as after -o; may be empty */
};

struct share_table {
	struct share *share;
	size_t count;
};

/*
 * Read a file. Returns 0, or -errno with a sentence that names the line's directory; a file without
 * any directory is an error. Call share_table_fini() either way.
 */
int share_table_read(const char *file, struct share_table *ret_table) FB_MUST_CHECK;
void share_table_fini(struct share_table *table);

#endif
