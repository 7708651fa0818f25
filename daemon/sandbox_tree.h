/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file systems that the sandbox holds: the shared tree, and a proc that nobody sees.
 */
#ifndef FBFSD_SANDBOX_TREE_H
#define FBFSD_SANDBOX_TREE_H

#include <libfb/types.h>

/*
 * Open a proc file system of this process's own namespace, mounted nowhere, read-only, with nothing
 * in it but processes. Returns its descriptor, or -errno.
 */
int sandbox_tree_open_proc(void) FB_MUST_CHECK;

/*
 * Make the tree (or regular file) that source_fd, with O_PATH, leads to the root of this process's
 * mount namespace, nosuid and nodev, and let go of everything else. *ret_source is where it is then:
 * "/", or the file. Returns 0, or -errno with a sentence for fb_last_error().
 */
int sandbox_tree_enter(int source_fd, const char **ret_source) FB_MUST_CHECK;

#endif
