/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFORMANCE_TREE_H
#define CONFORMANCE_TREE_H

/* Remove a name and everything below it, whatever its modes. 0, or the -errno of what stayed. */
int tree_remove(int parent, const char *name);

#endif
