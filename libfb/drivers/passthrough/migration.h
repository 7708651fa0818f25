/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving a client to another server: its nodes and open files, with the numbers that it knows them
 * by. No request is under way meanwhile. migration_bytes.h tells what goes over.
 */
#ifndef LIBFB_PASSTHROUGH_MIGRATION_H
#define LIBFB_PASSTHROUGH_MIGRATION_H

#include <libfb/driver.h>
#include <libfb/passthrough.h>

#include <errno.h>

struct fb_passthrough;

/* The operations save and load. */
int fb_migration_save(void *self, struct fb_state *to) FB_MUST_CHECK;
int fb_migration_load(void *self, const void *state, size_t size) FB_MUST_CHECK;

/* Whether an error is about one file; what is short, is short for all. */
static inline bool fb_migration_is_about_file(int error)
{
	return error != -ENOMEM && error != -ENFILE && error != -EMFILE;
}

/*
 * Whether the options allow to read file handles and to open files by them. A program that forbids
 * itself the system calls for that (fbfsd does) decides by the same options.
 */
static inline bool fb_migration_may_use_handles(const struct fb_passthrough_options *options)
{
	return options->handles != FB_HANDLES_NEVER ||
	       options->migration_mode == FB_MIGRATION_FILE_HANDLES ||
	       options->migration_verify_handles;
}

#endif
