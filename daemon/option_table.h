/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every option of fbfsd: the only place that lists them.
 *
 * --help, the shell completions, the parser and the check of the man page are made from these rows.
 *
 * Columns:
 *   name      the long option. After -o it is written with _ for -, so --entry-timeout=1 and
 *             -o entry_timeout=1 are one option. In the groups KERNEL and IGNORED options exist
 *             only after -o, and a row may hold several names with | between
 *   letter    the short option, or 0
 *   argument  what the value is called, "[=X]" for one that may be left out, or NULL
 *   group     a row of OPTION_GROUPS
 *   store     what happens to the value: see struct option_row. SWITCH and TOGGLE options can be
 *             turned off as --no-NAME and -o no_NAME
 *   preset    what holds without the option, for people, or NULL
 *   help      one sentence or two, without a full stop at the end
 *
 * Where an option is given twice, the last one holds.
 */
#ifndef FBFSD_OPTION_TABLE_H
#define FBFSD_OPTION_TABLE_H

#define OPTION_GROUPS(GROUP)                                                                       \
	GROUP(GENERAL, "Options")                                                                  \
	GROUP(MOUNT, "The mount")                                                                  \
	GROUP(GUEST, "To a virtual machine, in place of MOUNTPOINT")                               \
	GROUP(SANDBOX, "The sandbox of a server for virtual machines")                             \
	GROUP(CACHE, "What the kernel may remember")                                               \
	GROUP(FILES, "What files can do")                                                          \
	GROUP(LIMITS, "Threads and limits")                                                        \
	GROUP(MESSAGES, "Messages")                                                                \
	GROUP(COMPATIBLE, "Other spellings, for the command lines of libfuse's passthrough "       \
			  "programs")                                                              \
	GROUP(KERNEL, "Only after -o: options that go to the kernel")                              \
	GROUP(IGNORED, "Only after -o: options of /etc/fstab that mean nothing here")              \
	GROUP(HIDDEN, NULL)

/* clang-format off */
#define OPTION_TABLE(OPTION)                                                                       \
	OPTION("help", 'h', NULL, GENERAL, CALL(set_help), NULL,                                   \
	       "Show this text")                                                                   \
	OPTION("version", 'V', NULL, GENERAL, CALL(set_version), NULL,                             \
	       "Show the version")                                                                 \
	OPTION("options", 'o', "LIST", GENERAL, CALL(set_list), NULL,                              \
	       "Options with commas between, as mount -o has them: all options below, with _ for "  \
	       "-, and those of the kernel; write a comma in a value as ,,")                       \
	OPTION("foreground", 'f', NULL, GENERAL, FLAG(foreground), NULL,                           \
	       "Do not go into the background; messages go to standard error")                     \
	OPTION("debug", 'd', NULL, GENERAL, CALL(set_debug), NULL,                                 \
	       "As --foreground --log-level=trace")                                                \
	OPTION("single", 's', NULL, GENERAL, FLAG(single), NULL,                                   \
	       "Serve one request after the other, in one thread")                                 \
                                                                                                   \
	OPTION("readonly", 0, NULL, MOUNT, TOGGLE(read_only), NULL,                                \
	       "Allow no change; the same as -o ro")                                               \
	OPTION("allow-other", 0, NULL, MOUNT, TOGGLE(allow_other), NULL,                           \
	       "Let other users in too (needs root, or user_allow_other in /etc/fuse.conf)")       \
	OPTION("default-permissions", 0, NULL, MOUNT, SWITCH(default_permissions), "on",           \
	       "Have the kernel check modes and owners; off: fbfsd acts as each caller and the "   \
	       "source's file system decides")                                                     \
	OPTION("source-name", 0, "NAME", MOUNT, TEXT(mount.source), "SOURCE",                      \
	       "What /proc/mounts shows as the source")                                            \
	OPTION("subtype", 0, "NAME", MOUNT, TEXT(mount.subtype), "fbfsd",                          \
	       "What /proc/mounts shows after fuse. as the type")                                  \
	OPTION("auto-unmount", 0, NULL, MOUNT, TOGGLE(mount.auto_unmount), NULL,                   \
	       "Unmount even when fbfsd is killed, through fusermount3")                           \
	OPTION("replace", 0, NULL, MOUNT, TOGGLE(mount.replace_stale), NULL,                       \
	       "First unmount what a killed server left at MOUNTPOINT")                            \
	OPTION("transport", 0, "NAME", MOUNT, CHOICE(mount.transport, transport_choices), "auto",  \
	       "How requests come: dev-fuse, io-uring (Linux 6.14, where root has switched it on), " \
	       "or auto")                                                                          \
	OPTION("yield", 0, NULL, MOUNT, SWITCH(yields), "on",                                      \
	       "Leave the processor to a client that does one thing after the other, while no "    \
	       "others need it")                                                                   \
                                                                                                   \
	OPTION("socket-path", 0, "PATH", GUEST, TEXT(guest.socket_path), NULL,                     \
	       "Listen at this socket for the monitor of a virtual machine (vhost-user)")          \
	OPTION("fd", 0, "N", GUEST, NUMBER(guest.fd, 0, 1073741824), NULL,                         \
	       "Descriptor N is the socket, listening or connected")                               \
	OPTION("shared-dir", 0, "SOURCE", GUEST, TEXT(source), NULL,                               \
	       "The directory to show")                                                            \
	OPTION("socket-group", 0, "GROUP", GUEST, TEXT(guest.socket_group), "owner only",          \
	       "The group that may connect, by name or number")                                    \
	OPTION("tag", 0, "TAG", GUEST, TEXT(guest.tag), NULL,                                      \
	       "What the guest mounts, for monitors that ask for it (crosvm)")                     \
	OPTION("queues", 0, "N", GUEST, NUMBER(guest.queues, 1, 255), "64",                        \
	       "Request queues that a guest may use")                                              \
	OPTION("thread-pool-size", 0, "N", GUEST, NUMBER(guest.threads, 0, 1024),                  \
	       "0: as many as the work needs", "Threads for requests at most")                     \
	OPTION("keep-listening", 0, NULL, GUEST, TOGGLE(guest.keep_listening), NULL,               \
	       "Wait for the next monitor when one has gone; else fbfsd ends then")                \
	OPTION("config", 0, "FILE", GUEST, TEXT(config), NULL,                                     \
	       "Serve all directories that FILE lists, one sandboxed server each; other options "  \
	       "hold for all of them. Lines are as in fstab(5): SOURCE SOCKET fbfsd OPTIONS")      \
	OPTION("migration-mode", 0, "MODE", GUEST,                                                 \
	       CHOICE(passthrough.migration_mode, migration_mode_choices), "find-paths",           \
	       "How fbfsd on another host finds the files of a machine that migrates: find-paths, " \
	       "or file-handles (both must see one file system)")                                  \
	OPTION("migration-verify-handles", 0, NULL, GUEST,                                         \
	       TOGGLE(passthrough.migration_verify_handles), NULL,                                 \
	       "Send file handles along with the paths, to be compared on the other host")         \
	OPTION("migration-confirm-paths", 0, NULL, GUEST,                                          \
	       TOGGLE(passthrough.migration_confirm_paths), NULL,                                  \
	       "Look at all paths once more when the last one has been found")                     \
	OPTION("migration-on-error", 0, "ACTION", GUEST,                                           \
	       CHOICE(passthrough.migration_on_error, migration_error_choices), "abort",           \
	       "When a file of a machine that comes is not found: abort the migration, or "        \
	       "guest-error: fail what the guest does with it")                                    \
	OPTION("print-capabilities", 0, NULL, GUEST, CALL(set_capabilities), NULL,                 \
	       "Print what monitors can expect, as JSON")                                          \
                                                                                                   \
	OPTION("sandbox", 0, "MODE", SANDBOX, CHOICE(guest.sandbox, sandbox_choices),              \
	       "namespace", "namespace: alone with SOURCE in namespaces of its own; chroot: in "   \
	       "SOURCE as root directory; none")                                                   \
	OPTION("seccomp", 0, "ACTION", SANDBOX, CHOICE(guest.seccomp, seccomp_choices), "kill",    \
	       "On a system call that a server never makes: kill, log, trap (SIGSYS); none: "      \
	       "allow all")                                                                        \
	OPTION("modcaps", 0, "LIST", SANDBOX, TEXT(guest.modcaps), NULL,                           \
	       "Capabilities to keep or to give up: +cap:-cap")                                    \
	OPTION("uid-map", 0, "RULE", SANDBOX, CALL(add_uid_map), "one's own id",                   \
	       "Users in the sandbox of an ordinary user, :inside:outside:count:")                 \
	OPTION("gid-map", 0, "RULE", SANDBOX, CALL(add_gid_map), "one's own id",                   \
	       "The same for groups")                                                              \
                                                                                                   \
	OPTION("cache", 0, "POLICY", CACHE, CHOICE(passthrough.cache, cache_choices), "auto",      \
	       "auto: names and attributes for 1 s, data from open to close; always: everything "  \
	       "for a day; metadata: no data; never: nothing")                                     \
	OPTION("entry-timeout", 0, "SECONDS", CACHE, SECONDS(passthrough.entry_timeout_ns),        \
	       "by --cache", "How long names are remembered; 0.5 and 0 are possible")              \
	OPTION("attr-timeout", 0, "SECONDS", CACHE, SECONDS(passthrough.attr_timeout_ns),          \
	       "by --cache", "How long attributes are remembered")                                 \
	OPTION("dir-entry-timeout", 0, "SECONDS", CACHE,                                           \
	       SECONDS(passthrough.dir_entry_timeout_ns), "as --entry-timeout",                    \
	       "How long names of directories are remembered")                                     \
	OPTION("dir-attr-timeout", 0, "SECONDS", CACHE,                                            \
	       SECONDS(passthrough.dir_attr_timeout_ns), "as --attr-timeout",                      \
	       "How long attributes of directories are remembered")                                \
	OPTION("negative-timeout", 0, "SECONDS", CACHE, SECONDS(passthrough.negative_timeout_ns),  \
	       "0, as --entry-timeout with --cache=always",                                        \
	       "How long it is remembered that a name does not exist")                        \
	OPTION("writeback", 0, NULL, CACHE, TOGGLE(passthrough.writeback), NULL,                   \
	       "Let the kernel gather writes; only where nobody else changes SOURCE")              \
	OPTION("kernel-passthrough", 0, NULL, CACHE, SWITCH(passthrough.kernel_passthrough), "on", \
	       "Let the kernel read and write the files of SOURCE itself where it can")            \
	OPTION("readdir", 0, NULL, CACHE, SWITCH(passthrough.readdir), "on",                       \
	       "List directories; off: all look empty, while names in them work as ever")          \
	OPTION("readdirplus", 0, NULL, CACHE, SWITCH(passthrough.readdirplus),                     \
	       "on, off with --cache=never", "Send attributes along with directory listings")      \
	OPTION("stateless-open", 0, NULL, CACHE, TOGGLE(passthrough.stateless_open), NULL,         \
	       "Open files without asking fbfsd; cached data then outlives close")                 \
	OPTION("stateless-opendir", 0, NULL, CACHE, TOGGLE(passthrough.stateless_opendir), NULL,   \
	       "Open directories without asking fbfsd")                                            \
                                                                                                   \
	OPTION("xattr", 0, NULL, FILES, SWITCH(passthrough.xattr), "on",                           \
	       "Extended attributes")                                                              \
	OPTION("xattrmap", 0, "RULES", FILES, TEXT(passthrough.xattr_map), NULL,                   \
	       "Give extended attributes other names in SOURCE; turns --xattr on")                 \
	OPTION("translate-uid", 0, "RULE", FILES, CALL(add_translate_uid), NULL,                   \
	       "Show users of SOURCE as others: guest:G:H:N, host:H:G:N, squash-guest:G:H:N, "     \
	       "squash-host:H:G:N, forbid-guest:G:N, map:G:H:N; may be repeated")                  \
	OPTION("translate-gid", 0, "RULE", FILES, CALL(add_translate_gid), NULL,                   \
	       "The same for groups")                                                              \
	OPTION("posix-acl", 0, NULL, FILES, SWITCH(passthrough.posix_acl), "off",                  \
	       "POSIX access control lists, which the kernel then honours; needs --xattr")         \
	OPTION("posix-lock", 0, NULL, FILES, SWITCH(passthrough.posix_lock), "off",                \
	       "Share the locks of fcntl(2) with SOURCE; off: they hold inside the mount only")    \
	OPTION("flock", 0, NULL, FILES, SWITCH(passthrough.flock), "off",                          \
	       "Share the locks of flock(2) with SOURCE; off: they hold inside the mount only")    \
	OPTION("allow-mmap", 0, NULL, FILES, SWITCH(passthrough.allow_mmap), "on",                 \
	       "Shared mappings of files whose data is not cached")                                \
	OPTION("allow-direct-io", 0, NULL, FILES, SWITCH(passthrough.direct_io), "on",             \
	       "Honour O_DIRECT when files are opened")                                            \
	OPTION("preserve-noatime", 0, NULL, FILES, SWITCH(passthrough.noatime), "on",              \
	       "Honour O_NOATIME when files are opened")                                           \
	OPTION("killpriv-v2", 0, NULL, FILES, SWITCH(passthrough.killpriv), "on",                  \
	       "Have fbfsd clear suid and sgid bits at writes, truncations and chown")             \
	OPTION("inode-file-handles", 0, "MODE", FILES,                                             \
	       CHOICE(passthrough.handles, handle_choices), "prefer",                              \
	       "Hold files by file handle instead of an open descriptor: prefer, never, or "       \
	       "mandatory (fail where it is not possible)")                                        \
	OPTION("announce-submounts", 0, NULL, FILES, SWITCH(announce_submounts),                   \
	       "off, on for a virtual machine",                                                    \
	       "Show mounts below SOURCE as mounts")                                               \
	OPTION("security-label", 0, NULL, FILES, TOGGLE(passthrough.security_label), NULL,         \
	       "Give new files the security label that their maker's kernel asks for; needs "      \
	       "--xattr")                                                                          \
	OPTION("set-inode-flags", 0, NULL, FILES, TOGGLE(passthrough.set_inode_flags), NULL,       \
	       "Allow chattr(1)")                                                                  \
                                                                                                   \
	OPTION("threads", 0, "N", LIMITS, NUMBER(session.workers, 1, 1024),                        \
	       "two a processor, 4 to 16", "Threads kept ready for requests")                      \
	OPTION("max-threads", 0, "N", LIMITS, NUMBER(session.max_workers, 1, 1024),                \
	       "64, or --threads if that is 1 or more than 64",                                    \
	       "Threads at most; more than --threads run only while those are blocked")            \
	OPTION("max-write", 0, "BYTES", LIMITS, SIZE(session.max_write, 4096, 16777216), "1M",     \
	       "Bytes in one write request at most; K and M are understood")                       \
	OPTION("max-background", 0, "N", LIMITS, NUMBER(max_background, 1, 65535), "the kernel's", \
	       "Read-ahead, asynchronous and write-back requests under way at most")               \
	OPTION("request-timeout", 0, "SECONDS", LIMITS, NUMBER(request_timeout_s, 1, 65535),       \
	       "never", "Have the kernel end the mount when one answer takes longer")              \
	OPTION("rlimit-nofile", 0, "N", LIMITS, NUMBER(nofile, 0, 1073741824),                     \
	       "1000000, or what is allowed",                                                      \
	       "Descriptors that fbfsd may have open; 0: leave the limit as it is")                \
                                                                                                   \
	OPTION("log-level", 0, "LEVEL", MESSAGES, CHOICE(log_level, log_choices), "info",          \
	       "off, error, warn, info, debug, or trace (debug and --trace)")                      \
	OPTION("syslog", 0, NULL, MESSAGES, FLAG(syslog), NULL,                                    \
	       "Send messages to syslog(3) instead of standard error, as always in the "           \
	       "background")                                                                       \
	OPTION("trace", 0, "[=FILE]", MESSAGES, TRACE(trace, trace_file), NULL,                    \
	       "Print every request and its answer, to FILE or where messages go")                 \
	OPTION("stats-file", 0, "FILE", MESSAGES, TEXT(stats_file), "where messages go",           \
	       "On SIGUSR1 write the statistics to FILE")                                          \
                                                                                                   \
	OPTION("source", 0, "SOURCE", COMPATIBLE, TEXT(source), NULL,                              \
	       "The first argument, which is then left out")                                       \
	OPTION("fsname", 0, "NAME", COMPATIBLE, TEXT(mount.source), NULL,                          \
	       "As --source-name")                                                                 \
	OPTION("timeout", 0, "SECONDS", COMPATIBLE, CALL(set_timeout), NULL,                       \
	       "As --entry-timeout and --attr-timeout")                                            \
	OPTION("nocache", 0, NULL, COMPATIBLE, PRESET(passthrough.cache, FB_CACHE_NEVER), NULL,    \
	       "As --cache=never")                                                                 \
	OPTION("nopassthrough", 0, NULL, COMPATIBLE,                                               \
	       PRESET(passthrough.kernel_passthrough, FB_OFF), NULL,                               \
	       "As --no-kernel-passthrough")                                                       \
	OPTION("nosplice", 0, NULL, COMPATIBLE, FLAG(no_splice), NULL,                             \
	       "Nothing: data is never moved through pipes")                                       \
	OPTION("direct-io", 0, NULL, COMPATIBLE, CALL(set_direct_io), NULL,                        \
	       "As --cache=metadata --timeout=1")                                                  \
	OPTION("socket", 0, "PATH", COMPATIBLE, TEXT(guest.socket_path), NULL,                     \
	       "As --socket-path")                                                                 \
	OPTION("loglevel", 0, "LEVEL", COMPATIBLE,                                                 \
	       CHOICE(log_level, log_choices), NULL, "As --log-level")                             \
	OPTION("selinux", 0, NULL, COMPATIBLE, TOGGLE(passthrough.security_label), NULL,           \
	       "As --security-label")                                                              \
	OPTION("num-threads", 0, "N", COMPATIBLE, NUMBER(session.workers, 1, 1024), NULL,          \
	       "As --threads")                                                                     \
	OPTION("max-idle-threads", 0, "N", COMPATIBLE, NUMBER(session.workers, 1, 1024), NULL,     \
	       "As --threads")                                                                     \
	OPTION("clone-fd", 0, NULL, COMPATIBLE, IGNORE, NULL,                                      \
	       "Nothing: every thread has its own descriptor")                                     \
	OPTION("debug-fuse", 0, NULL, COMPATIBLE, FLAG(trace), NULL,                               \
	       "As --trace")                                                                       \
                                                                                                   \
	OPTION("ro", 0, NULL, KERNEL, PRESET_BOOL(read_only, true), NULL,                          \
	       "As --readonly")                                                                    \
	OPTION("rw", 0, NULL, KERNEL, PRESET_BOOL(read_only, false), NULL,                         \
	       "As --no-readonly")                                                                 \
	OPTION("suid|nosuid|dev|nodev|exec|noexec", 0, NULL, KERNEL, WORD, "nosuid,nodev",         \
	       "What files on the mount may do")                                                   \
	OPTION("atime|noatime|diratime|nodiratime|relatime|norelatime|strictatime|nostrictatime",  \
	       0, NULL, KERNEL, WORD, NULL,                                 \
	       "Access times")                                                                     \
	OPTION("sync|async|dirsync|nodirsync", 0, NULL, KERNEL, WORD, NULL,                                  \
	       "Synchronous writes")                                                               \
	OPTION("symfollow|nosymfollow", 0, NULL, KERNEL, WORD, NULL,                               \
	       "Whether symbolic links are followed")                                              \
	OPTION("max_read", 0, "BYTES", KERNEL, WORD, NULL,                                         \
	       "Bytes in one read request at most")                                                \
	OPTION("context|fscontext|defcontext|rootcontext", 0, "CONTEXT", KERNEL, WORD, NULL,       \
	       "SELinux contexts of the mount")                                                    \
	OPTION("nonempty", 0, NULL, KERNEL, FLAG(allow_nonempty), NULL,                            \
	       "Mount on top of a FUSE mount that is there already")                               \
	OPTION("allow_root", 0, NULL, KERNEL, REFUSE("the kernel can not do it; use allow_other"), \
	       NULL, "Refused: the kernel can not do it")                                          \
	OPTION("rootmode|user_id|group_id|blkdev|blksize", 0, "N", KERNEL,                      \
	       REFUSE("fbfsd sets it itself"), NULL, "Refused: fbfsd sets them itself")            \
                                                                                                   \
	OPTION("defaults|auto|noauto|user|nouser|users|nousers|owner|noowner|group|nogroup|"       \
	       "fail|nofail|_netdev|loud|silent|mand|nomand|iversion|noiversion|lazytime|"         \
	       "nolazytime", 0, NULL, IGNORED, IGNORE, NULL, "For mount(8) and systemd; so are x-… and X-…")                       \
	OPTION("comment", 0, "TEXT", IGNORED, IGNORE, NULL,                                        \
	       "A comment")                                                                        \
                                                                                                   \
	OPTION("listen-fd", 0, "N", HIDDEN, NUMBER(guest.listen_fd, 0, 1073741824), NULL,          \
	       "The socket at --socket-path, as --config makes it")                                \
	OPTION("log-name", 0, "NAME", HIDDEN, TEXT(log_name), NULL,                                \
	       "What messages begin with, so that those of several servers can be told apart")     \
	OPTION("print-completion", 0, "SHELL", HIDDEN, CALL(set_completion), NULL,                 \
	       "Print the completion script for bash, zsh or fish")
/* clang-format on */

#endif
