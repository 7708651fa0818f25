/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The passthrough driver: shows a directory (or one regular file) of the host.
 */
#ifndef LIBFB_PASSTHROUGH_H
#define LIBFB_PASSTHROUGH_H

#include <libfb/driver.h>
#include <libfb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How much the client may remember. */
enum fb_cache {
	FB_CACHE_AUTO = 0, /* names and attributes for 1 s, data from open to close */
	FB_CACHE_NEVER,    /* nothing: for trees that the host changes too */
	FB_CACHE_METADATA, /* names and attributes for a day, no data */
	FB_CACHE_ALWAYS,   /* everything for a day: for trees that nobody else changes */
};

/* How nodes that the client knows are held. */
enum fb_inode_handles {
	FB_HANDLES_PREFER = 0, /* by file handle where the file system has them */
	FB_HANDLES_NEVER,      /* by one open descriptor each */
	FB_HANDLES_MANDATORY,  /* by file handle, or refuse to start */
};

/* How another server, to which the client moves, finds the files that the client knows. */
enum fb_migration_mode {
	FB_MIGRATION_FIND_PATHS = 0, /* by their paths below the share */
	FB_MIGRATION_FILE_HANDLES,   /* by file handle: only where both share one file system */
};

/* What a server does that does not find such a file. */
enum fb_migration_on_error {
	FB_MIGRATION_ABORT = 0,   /* refuse the client, which stays where it is */
	FB_MIGRATION_GUEST_ERROR, /* answer with errors when the client uses it */
};

enum fb_switch {
	FB_DEFAULT = 0,
	FB_ON,
	FB_OFF,
};

/* Zero means the default everywhere. Set size to sizeof(struct fb_passthrough_options). */
struct fb_passthrough_options {
	size_t size;
	enum fb_cache cache;
	enum fb_inode_handles handles;
	/*
	 * Nanoseconds; override the cache policy where > 0; FB_TIMEOUT_NONE for 0. Without
	 * default_permissions the policy's time for names is 0: a client that does not check
	 * permissions would let everybody use a name that one caller was allowed to look up. Absent names:
	 * entry_timeout_ns with FB_CACHE_ALWAYS and default_permissions, else 0.
	 */
	uint64_t entry_timeout_ns, attr_timeout_ns, negative_timeout_ns;
	/* The same for directories apart; default: entry_timeout_ns and attr_timeout_ns. */
	uint64_t dir_entry_timeout_ns, dir_attr_timeout_ns;
	bool read_only;                    /* EROFS for everything that changes */
	bool writeback;                    /* let the client's kernel gather writes */
	enum fb_switch xattr;              /* default on */
	enum fb_switch posix_acl;          /* default off */
	enum fb_switch posix_lock, flock;  /* locks shared with the host; default off: local */
	enum fb_switch readdir;            /* default on; off: every directory looks empty */
	enum fb_switch readdirplus;        /* default on, off with FB_CACHE_NEVER */
	enum fb_switch killpriv;           /* default on: clear suid without asking for xattrs */
	enum fb_switch kernel_passthrough; /* default on: data past the server where possible */
	enum fb_switch direct_io;          /* honour the client's O_DIRECT; default on */
	enum fb_switch allow_mmap;         /* shared mappings of uncached files; default on */
	enum fb_switch noatime;            /* honour O_NOATIME; default on */
	bool set_inode_flags;              /* allow FS_IOC_SETFLAGS and FSSETXATTR */
	bool announce_submounts;
	bool caller_credentials; /* every operation as its caller; for mounts without default_permissions */
	bool security_label;
	bool stateless_open, stateless_opendir; /* no round trips for open and close */
	bool seal_size; /* refuse everything that would change a file's size */
	/*
	 * Descriptors that nodes and open files may use; default: RLIMIT_NOFILE less a reserve.
	 * With the default fb_passthrough_new() first raises that limit for the whole process, to
	 * 1,000,000 or fs.nr_open if that is less (the hard limit too, where that is allowed). A
	 * number here leaves it as it is.
	 */
	uint32_t max_descriptors;
	/*
	 * A descriptor of a mounted proc file system (O_PATH will do), for programs that do not see
	 * /proc any more, such as in a sandbox. Duplicated. Default (0): /proc is opened.
	 */
	int proc_fd;
	/*
	 * Rules by which attributes have other names on the host, in the form of virtiofsd's
	 * --xattrmap. Default (NULL): the same names. They must leave no name open, and
	 * system.posix_acl_* as it is with posix_acl. A map that renames security.capability rules
	 * kernel_passthrough out. Read by fb_passthrough_new() only: borrowed for that time.
	 */
	const char *xattr_map;
	/*
	 * Rules by which user and group ids have other numbers on the host, each in the form of
	 * virtiofsd's --translate-uid, ended by NULL. Default (NULL): the same numbers. Not with
	 * posix_acl. Borrowed as xattr_map.
	 */
	const char *const *translate_uid, *const *translate_gid;
	/* When the client moves away: */
	enum fb_migration_mode migration_mode;
	/*
	 * Send the file handles along with the paths, so that the other server finds out that a path
	 * leads to another file by now; only where both share one file system.
	 */
	bool migration_verify_handles;
	/* Look at all paths once more when the last one has been found. */
	bool migration_confirm_paths;
	/* When the client comes: */
	enum fb_migration_on_error migration_on_error;
};

struct fb_passthrough;

/*
 * Make the driver for the host directory (or regular file) source; a symbolic link there is
 * followed once. source is copied, options may be NULL. Returns 0 and the driver, or -errno with a
 * sentence in fb_last_error().
 */
int fb_passthrough_new(const char *source, const struct fb_passthrough_options *options,
		       struct fb_passthrough **ret_passthrough) FB_MUST_CHECK;

/*
 * Look at options without a source: before a sandbox is entered, say, where mistakes are better told.
 * options may be NULL. Returns 0, or -EINVAL or -ENOMEM with a sentence in
 * fb_last_error().
 */
int fb_passthrough_check(const struct fb_passthrough_options *options) FB_MUST_CHECK;

/* Free the driver after its session is gone; NULL is ignored. */
void fb_passthrough_free(struct fb_passthrough *passthrough);

/* Its operations, for fb_session_new() with the driver as self. Borrowed from the driver. */
const struct fb_driver_ops *fb_passthrough_ops(const struct fb_passthrough *passthrough);

#ifdef __cplusplus
}
#endif

#endif
