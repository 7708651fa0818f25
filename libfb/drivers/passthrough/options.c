/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define CAPABILITY "security.capability"

#define SECOND_NS UINT64_C(1000000000)
#define DAY_NS (86400 * SECOND_NS)

/* Copy what both sides know; what only a newer program knows must have been left at zero. */
static int copy(const struct fb_passthrough_options *from, struct fb_passthrough_options *to)
{
	const unsigned char *bytes = (const unsigned char *)from;

	if (from->size < sizeof(from->size))
		return fb_fail(EINVAL, "fb_passthrough_options.size is not set");
	for (size_t i = sizeof(*to); i < from->size; i++) {
		if (bytes[i] != 0)
			return fb_fail(EINVAL, "fb_passthrough_options holds an option that this "
					       "version of libfb does not know");
	}
	memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	return 0;
}

static bool is_on(enum fb_switch value, bool by_default)
{
	return value == FB_DEFAULT ? by_default : value == FB_ON;
}

static bool is_switch(enum fb_switch value)
{
	return value == FB_DEFAULT || value == FB_ON || value == FB_OFF;
}

static int check(const struct fb_passthrough_options *options)
{
	const enum fb_switch switches[] = {
		options->xattr,       options->posix_acl,
		options->posix_lock,  options->flock,
		options->readdirplus, options->killpriv,
		options->direct_io,   options->kernel_passthrough,
		options->allow_mmap,  options->noatime,
		options->readdir,
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (!is_switch(switches[i]))
			return fb_fail(EINVAL, "an on/off option of the passthrough driver is %d",
				       (int)switches[i]);
	}
	if (options->cache > FB_CACHE_ALWAYS)
		return fb_fail(EINVAL, "unknown cache policy %d", (int)options->cache);
	if (options->handles > FB_HANDLES_MANDATORY)
		return fb_fail(EINVAL, "unknown mode of file handles %d", (int)options->handles);
	if (options->xattr == FB_OFF && options->posix_acl == FB_ON)
		return fb_fail(EINVAL, "POSIX ACLs need extended attributes");
	if (options->xattr == FB_OFF && options->security_label)
		return fb_fail(EINVAL, "security labels need extended attributes");
	if (options->xattr == FB_OFF && options->xattr_map)
		return fb_fail(EINVAL, "an xattr map needs extended attributes");
	if (options->readdir == FB_OFF && options->readdirplus == FB_ON)
		return fb_fail(EINVAL, "readdirplus needs readdir");
	if (options->migration_mode > FB_MIGRATION_FILE_HANDLES ||
	    options->migration_on_error > FB_MIGRATION_GUEST_ERROR)
		return fb_fail(EINVAL, "unknown way %d or %d of moving to another server",
			       (int)options->migration_mode, (int)options->migration_on_error);
	if (options->migration_mode == FB_MIGRATION_FILE_HANDLES &&
	    (options->migration_verify_handles || options->migration_confirm_paths))
		return fb_fail(EINVAL, "moving by file handles there are no paths to verify or to "
				       "confirm");
	if (options->proc_fd < 0)
		return fb_fail(EINVAL, "proc_fd is not a descriptor");
	return 0;
}

/*
 * The host has to know of ACLs, which it applies to new files and keeps in step with the mode:
 * under another name they would be half obeyed.
 */
static int check_acl_names(const struct fb_passthrough *fs)
{
	if (fs->options.posix_acl != FB_ON || (fb_xattr_map_keeps(fs->xattr_map, ACL_ACCESS) &&
					       fb_xattr_map_keeps(fs->xattr_map, ACL_DEFAULT)))
		return 0;
	return fb_fail(EINVAL, "POSIX ACLs need their names as they are: begin the xattr map with "
			       ":ok:all:system.posix_acl_:system.posix_acl_:");
}

static int make_xattr_map(struct fb_passthrough *fs)
{
	const char *host;
	int result;

	if (!fs->options.xattr_map)
		return 0;
	result = fb_xattr_map_new(fs->options.xattr_map, &fs->xattr_map);
	if (result == 0)
		result = check_acl_names(fs);
	if (result < 0)
		return result;
	if (fb_xattr_map_to_host(fs->xattr_map, CAPABILITY, fs->capability_room, &host) == 0 &&
	    host == fs->capability_room)
		fs->capability = host;
	return 0;
}

static int make_id_maps(struct fb_passthrough *fs)
{
	const struct fb_passthrough_options *options = &fs->options;
	int result = fb_id_map_init(&fs->uids, "uid", options->translate_uid);

	if (result == 0)
		result = fb_id_map_init(&fs->gids, "gid", options->translate_gid);
	if (result < 0)
		return result;
	if (options->posix_acl == FB_ON &&
	    (fb_id_map_exists(&fs->uids) || fb_id_map_exists(&fs->gids)))
		return fb_fail(EINVAL, "POSIX ACLs hold ids that are not translated: leave out "
				       "either the ACLs or the translation");
	return 0;
}

static int make_maps(struct fb_passthrough *fs)
{
	int result = make_xattr_map(fs);

	if (result == 0)
		result = make_id_maps(fs);
	/* They were the caller's. */
	fs->options.xattr_map = NULL;
	fs->options.translate_uid = fs->options.translate_gid = NULL;
	return result;
}

/* Know what is asked for, or say what is wrong with it. */
static int understand(struct fb_passthrough *fs, const struct fb_passthrough_options *options)
{
	struct fb_passthrough_options *own = &fs->options;
	int result = 0;

	*own = (struct fb_passthrough_options){ .size = sizeof(*own) };
	if (options)
		result = copy(options, own);
	if (result == 0)
		result = check(own);
	return result < 0 ? result : make_maps(fs);
}

void fb_options_fini(struct fb_passthrough *fs)
{
	fb_xattr_map_free(fs->xattr_map);
	fb_id_map_fini(&fs->uids);
	fb_id_map_fini(&fs->gids);
}

int fb_passthrough_check(const struct fb_passthrough_options *options)
{
	struct fb_passthrough *fs = calloc(1, sizeof(*fs));
	int result;

	if (!fs)
		return fb_fail(ENOMEM, "no memory to look at options");
	result = understand(fs, options);
	fb_options_fini(fs);
	free(fs);
	return result;
}

/* What is allowed, and may be a mistake. */
static void warn(const struct fb_passthrough *fs)
{
	char forged[FB_XATTR_NAME_ROOM];

	if (fs->options.writeback && fs->options.cache == FB_CACHE_NEVER)
		fb_log(FB_LOG_WARNING, "passthrough: writeback has no effect without a cache");
	if (fs->xattr_map && fb_xattr_map_forgeable(fs->xattr_map, forged))
		fb_log(FB_LOG_WARNING,
		       "passthrough: the xattr map keeps privileged names as %s..., which ordinary "
		       "users of the client can set too: put a rule such as :bad:client:%s:: "
		       "before the last one",
		       forged, forged);
}

static uint64_t timeout(uint64_t option_ns, uint64_t policy_ns)
{
	if (option_ns == FB_TIMEOUT_NONE)
		return 0;
	return option_ns > 0 ? option_ns : policy_ns;
}

void fb_options_settle_timeouts(struct fb_passthrough *fs)
{
	static const uint64_t policy_ns[] = {
		[FB_CACHE_AUTO] = SECOND_NS,
		[FB_CACHE_NEVER] = 0,
		[FB_CACHE_METADATA] = DAY_NS,
		[FB_CACHE_ALWAYS] = DAY_NS,
	};
	const struct fb_passthrough_options *options = &fs->options;
	uint64_t names_ns = policy_ns[options->cache];

	/*
	 * A client that does not check permissions would let everybody use a name that one caller
	 * was allowed to look up.
	 */
	if (!fs->default_permissions)
		names_ns = 0;
	fs->entry_timeout_ns = timeout(options->entry_timeout_ns, names_ns);
	fs->attr_timeout_ns = timeout(options->attr_timeout_ns, policy_ns[options->cache]);
	fs->dir_entry_timeout_ns = timeout(options->dir_entry_timeout_ns, fs->entry_timeout_ns);
	fs->dir_attr_timeout_ns = timeout(options->dir_attr_timeout_ns, fs->attr_timeout_ns);
	/* Where others make files, they are found at once, and who may not look is told so. */
	fs->negative_timeout_ns = timeout(
		options->negative_timeout_ns,
		options->cache == FB_CACHE_ALWAYS && names_ns > 0 ? fs->entry_timeout_ns : 0);
}

int fb_options_apply(struct fb_passthrough *fs, const struct fb_passthrough_options *options)
{
	const struct fb_passthrough_options *own = &fs->options;
	int result = understand(fs, options);
	bool never = own->cache == FB_CACHE_NEVER;

	if (result < 0)
		return result;
	warn(fs);
	fs->writeback = own->writeback && !never;
	fs->xattr = is_on(own->xattr, true);
	fs->posix_acl = is_on(own->posix_acl, false);
	fs->posix_lock = is_on(own->posix_lock, false);
	fs->flock = is_on(own->flock, false);
	fs->readdir = is_on(own->readdir, true);
	fs->readdirplus = is_on(own->readdirplus, !never && fs->readdir);
	fs->killpriv = is_on(own->killpriv, true);
	/*
	 * The client's kernel does not have both, and needs an open to be told of the host's file. And
	 * what it writes to that by itself leaves capabilities under another name where they are.
	 */
	fs->kernel_passthrough = is_on(own->kernel_passthrough, true) && !fs->writeback &&
				 !own->stateless_open && !fs->capability;
	fs->direct_io = is_on(own->direct_io, true);
	fs->allow_mmap = is_on(own->allow_mmap, true);
	fs->noatime = is_on(own->noatime, true);
	return 0;
}
