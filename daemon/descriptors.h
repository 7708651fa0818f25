/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many descriptors the process may have open.
 */
#ifndef FBFSD_DESCRIPTORS_H
#define FBFSD_DESCRIPTORS_H

#include <libfb/types.h>

/*
 * Set the limit to nofile; 0 leaves it, NOFILE_DEFAULT takes as many as useful and allowed. Returns
 * 0, or -errno with a sentence for fb_last_error() when an explicit limit can not be had.
 */
int descriptors_set_limit(uint32_t nofile) FB_MUST_CHECK;

/* How many of the descriptors allowed now the driver may use: the rest is for the server. */
uint32_t descriptors_for_driver(void);

/* Close what the caller left open beside 0, 1 and 2, so that it is not kept open for ever. */
void descriptors_close_inherited(void);

/* Open those of 0, 1 and 2 that are closed, so that nothing else gets their numbers. */
int descriptors_fill_standard(void) FB_MUST_CHECK;

#endif
