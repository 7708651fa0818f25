/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The capabilities that a server for virtual machines keeps.
 */
#ifndef FBFSD_CAPABILITIES_H
#define FBFSD_CAPABILITIES_H

#include <libfb/types.h>

/* Sets of capabilities, a bit each. */
struct capabilities {
	uint64_t kept;
	uint64_t demanded; /* by --modcaps: having less than these is an error */
	bool handles;
};

/*
 * The default: what acting as the guest's users takes, and with handles also what opening files by
 * their handles takes. Each is kept as far as the process has it.
 */
void capabilities_init(struct capabilities *capabilities, bool handles);

/*
 * Change the set by a list "+cap:-cap", names with or without cap_ in front, in any case. Call it
 * after capabilities_init(). Returns 0, or -errno with a sentence for fb_last_error().
 */
int capabilities_change(struct capabilities *capabilities, const char *list) FB_MUST_CHECK;

/*
 * Give up all others, in all sets, for good: permitted and effective are kept, nothing can be
 * inherited, the bounding set is empty. For the calling thread and those that it starts later, so
 * call it before there are threads. Returns 0, or -errno with a sentence for fb_last_error().
 */
int capabilities_apply(const struct capabilities *capabilities) FB_MUST_CHECK;

/* Give up all capabilities. Returns 0, or -errno with a sentence for fb_last_error(). */
int capabilities_drop_all(void) FB_MUST_CHECK;

#endif
