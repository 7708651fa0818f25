/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Beginning and end of the passthrough driver: options, what is shared, what is agreed on with the
 * client, a second greeting, sandboxes.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/negotiate.h"
#include "drivers/passthrough/resolve.h"
#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static int new_driver(const char *source, const struct fb_passthrough_options *options)
{
	struct fb_passthrough *driver = NULL;
	int result = fb_passthrough_new(source, options, &driver);

	if (result < 0) {
		assert_null(driver);
		assert_string_not_equal(fb_last_error(), "");
	}
	fb_passthrough_free(driver);
	return result;
}

/* What a look at the options says of them is what making the driver says. */
static int look_and_make(const struct fb_passthrough_options *options)
{
	int result = fb_passthrough_check(options);

	assert_int_equal(new_driver("/tmp", options), result);
	return result;
}

static void test_options(void **state)
{
	struct fb_passthrough_options bad = { 0 };
	struct {
		struct fb_passthrough_options options;
		uint64_t newer;
	} longer = { .options = { .size = sizeof(longer) } };

	(void)state;
	fb_passthrough_free(NULL);
	assert_int_equal(look_and_make(NULL), 0);
	assert_int_equal(new_driver(NULL, NULL), -EINVAL);
	assert_int_equal(look_and_make(&bad), -EINVAL);
	assert_int_equal(look_and_make(&longer.options), 0);
	longer.newer = 1;
	assert_int_equal(look_and_make(&longer.options), -EINVAL);
	/* An older program knows fewer options. */
	bad = (struct fb_passthrough_options){
		.size = offsetof(struct fb_passthrough_options, writeback), .writeback = true
	};
	assert_int_equal(look_and_make(&bad), 0);
	bad = (struct fb_passthrough_options){ .size = sizeof(bad), .cache = 4 };
	assert_int_equal(look_and_make(&bad), -EINVAL);
	bad = (struct fb_passthrough_options){ .size = sizeof(bad), .handles = 3 };
	assert_int_equal(look_and_make(&bad), -EINVAL);
	bad = (struct fb_passthrough_options){ .size = sizeof(bad), .flock = 3 };
	assert_int_equal(look_and_make(&bad), -EINVAL);
	bad = (struct fb_passthrough_options){ .size = sizeof(bad),
					       .posix_acl = FB_ON,
					       .xattr = FB_OFF };
	assert_int_equal(look_and_make(&bad), -EINVAL);
	bad = (struct fb_passthrough_options){ .size = sizeof(bad),
					       .security_label = true,
					       .xattr = FB_OFF };
	assert_int_equal(look_and_make(&bad), -EINVAL);
	bad = (struct fb_passthrough_options){ .size = sizeof(bad), .xattr_map = ":map:" };
	assert_int_equal(look_and_make(&bad), -EINVAL);
	bad = (struct fb_passthrough_options){ .size = sizeof(bad),
					       .translate_gid = (const char *[]){ "map:1", NULL } };
	assert_int_equal(look_and_make(&bad), -EINVAL);
}

static void test_sources(void **state)
{
	(void)state;
	assert_int_equal(new_driver("/tmp/does not exist", NULL), -ENOENT);
	assert_int_equal(new_driver("/dev/null", NULL), -ENOTDIR);
	assert_int_equal(new_driver("", NULL), -ENOENT);
}

static void test_mandatory_handles(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .handles = FB_HANDLES_MANDATORY };

	(void)state;
	/* proc has no file handles. */
	assert_true(new_driver("/proc", &options) < 0);
	options.handles = FB_HANDLES_PREFER;
	assert_int_equal(new_driver("/proc", &options), 0);
}

/* Serve a source that is not the share_client's own directory. */
static void serve(struct share_client *client, const char *source)
{
	*client = (struct share_client){ .uid = geteuid(), .gid = getegid() };
	assert_int_equal(fb_passthrough_new(source, NULL, &client->driver), 0);
	assert_int_equal(fb_session_new(fb_passthrough_ops(client->driver), client->driver, NULL,
					&client->session),
			 0);
	assert_int_equal(fb_loopback_new(client->session, NULL, &client->loopback), 0);
}

static void end(struct share_client *client)
{
	fb_loopback_free(client->loopback);
	fb_session_unref(client->session);
	fb_passthrough_free(client->driver);
}

/* P5 */
static void test_source_is_a_symlink(void **state)
{
	struct share_client share, other;
	struct fb_wire_entry_out entry;

	(void)state;
	share_open(&share, NULL, NULL);
	assert_int_equal(mkdir(share_path(&share, "dir"), 0755), 0);
	share_make(&share, "dir/file", "x", 0600);
	assert_int_equal(symlink("dir", share_path(&share, "link")), 0);
	serve(&other, share_path(&share, "link"));
	assert_int_equal(share_lookup(&other, ROOT, "file", &entry), 0);
	end(&other);
	share_close(&share);
}

static void test_source_is_a_file(void **state)
{
	struct share_client share, other;
	struct fb_wire_entry_out entry;
	struct fb_wire_attr_out attr;
	struct fb_wire_open_out open;
	char data[8];

	(void)state;
	share_open(&share, NULL, NULL);
	share_make(&share, "file", "content", 0600);
	serve(&other, share_path(&share, "file"));
	assert_int_equal(node_getattr(&other, ROOT, &attr), 0);
	assert_int_equal(attr.attr.mode, S_IFREG | 0600);
	assert_int_equal(share_open_file(&other, ROOT, O_RDONLY, 0, &open), 0);
	assert_int_equal(share_read(&other, ROOT, open.fh, data, 8, 0, O_RDONLY), 7);
	assert_int_equal(share_release(&other, ROOT, open.fh, 0), 0);
	assert_int_equal(share_lookup(&other, ROOT, "x", &entry), -ENOTDIR);
	end(&other);
	share_close(&share);
}

/* D18: whatever the first client had is gone; numbers are not used again. */
static void test_second_greeting(void **state)
{
	struct share_client share;
	struct fb_conn conn = { .size = sizeof(conn) };
	struct fb_wire_attr_out attr;
	struct share_file file;
	unsigned before;

	(void)state;
	share_open(&share, NULL, NULL);
	share_make(&share, "file", "x", 0600);
	before = share_descriptors();
	file = share_open_name(&share, "file", O_RDWR);
	/* As a guest does that has rebooted: without destroy. */
	assert_int_equal(fb_passthrough_ops(share.driver)->init(share.driver, share.session, &conn),
			 0);
	assert_int_equal(node_getattr(&share, file.node, &attr), -ESTALE);
	assert_int_equal(node_getattr(&share, ROOT, &attr), 0);
	assert_int_equal(share_descriptors(), before);
	assert_true(node_of(&share, "file") > file.node);
	assert_int_equal(share.driver->inodes.count, 2);
	share_close(&share);
}

/* ---- negotiation ------------------------------------------------------------------------------------- */

static int negotiate(const struct fb_passthrough_options *options, uint64_t offered,
		     bool default_permissions, struct fb_conn *ret_conn)
{
	struct fb_passthrough *driver;
	int result;

	*ret_conn = (struct fb_conn){ .size = sizeof(*ret_conn),
				      .offered = offered,
				      .max_stack_depth = 1,
				      .default_permissions = default_permissions };
	assert_int_equal(fb_passthrough_new("/tmp", options, &driver), 0);
	result = fb_negotiate(driver, ret_conn);
	assert_int_equal(driver->all_as_caller,
			 driver->options.caller_credentials ||
				 !(default_permissions || driver->posix_acl));
	fb_passthrough_free(driver);
	return result;
}

static void test_agreed_by_default(void **state)
{
	const uint64_t yes = FB_INIT_ATOMIC_O_TRUNC | FB_INIT_DONT_MASK | FB_INIT_PARALLEL_DIROPS |
			     FB_INIT_DO_READDIRPLUS | FB_INIT_READDIRPLUS_AUTO |
			     FB_INIT_HANDLE_KILLPRIV_V2 | FB_INIT_NO_EXPORT_SUPPORT |
			     FB_INIT_AUTO_INVAL_DATA | FB_INIT_PASSTHROUGH |
			     FB_INIT_DIRECT_IO_ALLOW_MMAP | FB_INIT_ALLOW_IDMAP;
	const uint64_t no = FB_INIT_WRITEBACK_CACHE | FB_INIT_POSIX_ACL | FB_INIT_POSIX_LOCKS |
			    FB_INIT_FLOCK_LOCKS | FB_INIT_EXPORT_SUPPORT | FB_INIT_SECURITY_CTX |
			    FB_INIT_SUBMOUNTS | FB_INIT_HANDLE_KILLPRIV |
			    FB_INIT_EXPLICIT_INVAL_DATA | FB_INIT_HAS_INODE_DAX;
	struct fb_conn conn;

	(void)state;
	assert_int_equal(negotiate(NULL, UINT64_MAX, true, &conn), 0);
	assert_int_equal(conn.wanted & yes, yes);
	assert_int_equal(conn.wanted & no, 0);
	assert_false(conn.stateless_open);
	assert_int_equal(negotiate(NULL, 0, true, &conn), 0);
	assert_int_equal(conn.wanted, 0);
	assert_int_equal(negotiate(NULL, UINT64_MAX, false, &conn), 0);
	assert_int_equal(conn.wanted & FB_INIT_ALLOW_IDMAP, 0);
}

static void test_agreed_by_option(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .writeback = true,
						  .posix_lock = FB_ON,
						  .flock = FB_ON,
						  .announce_submounts = true,
						  .killpriv = FB_OFF,
						  .readdirplus = FB_OFF,
						  .stateless_opendir = true };
	const uint64_t yes = FB_INIT_WRITEBACK_CACHE | FB_INIT_POSIX_LOCKS | FB_INIT_FLOCK_LOCKS |
			     FB_INIT_SUBMOUNTS;
	const uint64_t no = FB_INIT_PASSTHROUGH | FB_INIT_HANDLE_KILLPRIV_V2 |
			    FB_INIT_DO_READDIRPLUS | FB_INIT_READDIRPLUS_AUTO;
	struct fb_conn conn;

	(void)state;
	assert_int_equal(negotiate(&options, UINT64_MAX, true, &conn), 0);
	assert_int_equal(conn.wanted & yes, yes);
	assert_int_equal(conn.wanted & no, 0);
	assert_true(conn.stateless_opendir);
	options.cache = FB_CACHE_NEVER;
	assert_int_equal(negotiate(&options, UINT64_MAX, true, &conn), 0);
	assert_int_equal(conn.wanted & FB_INIT_WRITEBACK_CACHE, 0);
	assert_true(conn.wanted & FB_INIT_PASSTHROUGH);
	/* Without opens nobody could tell the kernel of a file, nor that it is closed. */
	options.stateless_open = true;
	assert_int_equal(negotiate(&options, UINT64_MAX, true, &conn), 0);
	assert_false(conn.wanted & FB_INIT_PASSTHROUGH);
	assert_true(conn.stateless_open);
}

static void test_what_the_client_must_have(void **state)
{
	const uint64_t acl = FB_INIT_POSIX_ACL | FB_INIT_DONT_MASK | FB_INIT_SETXATTR_EXT;
	struct fb_passthrough_options options = { .size = sizeof(options), .posix_acl = FB_ON };
	struct fb_conn conn;

	(void)state;
	assert_int_equal(negotiate(&options, acl, true, &conn), 0);
	assert_int_equal(conn.wanted & acl, acl);
	assert_int_equal(negotiate(&options, acl & ~FB_INIT_DONT_MASK, true, &conn), -EPROTO);
	assert_int_equal(negotiate(&options, acl & ~FB_INIT_SETXATTR_EXT, true, &conn), -EPROTO);
	options =
		(struct fb_passthrough_options){ .size = sizeof(options), .security_label = true };
	assert_int_equal(negotiate(&options, FB_INIT_SECURITY_CTX, true, &conn), 0);
	assert_int_equal(negotiate(&options, 0, true, &conn), -EPROTO);
}

/* For how long missing names are remembered by a client that offers this. */
static uint64_t negative_timeout(struct fb_passthrough_options options, uint64_t offered,
				 bool default_permissions)
{
	struct fb_conn conn = { .size = sizeof(conn),
				.offered = offered,
				.default_permissions = default_permissions };
	struct fb_passthrough *driver;
	uint64_t result;

	options.size = sizeof(options);
	assert_int_equal(fb_passthrough_new("/tmp", &options, &driver), 0);
	assert_int_equal(fb_negotiate(driver, &conn), 0);
	result = driver->negative_timeout_ns;
	fb_passthrough_free(driver);
	return result;
}

/* Where nobody else makes files, the client checks who may look, and knows such answers. */
static void test_negative_timeouts(void **state)
{
	const uint64_t linux_offers = FB_INIT_PARALLEL_DIROPS;
	struct fb_passthrough_options options = { 0 };

	(void)state;
	for (unsigned cache = FB_CACHE_AUTO; cache <= FB_CACHE_ALWAYS; cache++) {
		uint64_t expected = cache == FB_CACHE_ALWAYS ? 86400000000000 : 0;

		options.cache = cache;
		assert_int_equal(negative_timeout(options, linux_offers, true), expected);
		assert_int_equal(negative_timeout(options, linux_offers, false), 0);
		assert_int_equal(negative_timeout(options, 0, true), 0);
	}
	options.entry_timeout_ns = 5;
	assert_int_equal(negative_timeout(options, linux_offers, true), 5);
	assert_int_equal(negative_timeout(options, linux_offers, false), 0);
	options.entry_timeout_ns = FB_TIMEOUT_NONE;
	assert_int_equal(negative_timeout(options, linux_offers, true), 0);
	/* Who asks for it gets it. */
	options.negative_timeout_ns = 3;
	assert_int_equal(negative_timeout(options, 0, false), 3);
	options.negative_timeout_ns = FB_TIMEOUT_NONE;
	options.entry_timeout_ns = 5;
	assert_int_equal(negative_timeout(options, linux_offers, true), 0);
}

/* A client that checks no permissions must not let callers use each other's lookups. */
static void test_timeouts(void **state)
{
	struct fb_passthrough_options options = { .size = sizeof(options),
						  .cache = FB_CACHE_ALWAYS };
	struct fb_passthrough *driver;
	struct fb_conn conn = { .size = sizeof(conn), .default_permissions = true };

	(void)state;
	assert_int_equal(fb_passthrough_new("/tmp", &options, &driver), 0);
	assert_int_equal(fb_negotiate(driver, &conn), 0);
	assert_int_equal(driver->entry_timeout_ns, 86400000000000);
	conn.default_permissions = false;
	assert_int_equal(fb_negotiate(driver, &conn), 0);
	assert_int_equal(driver->entry_timeout_ns, 0);
	assert_int_equal(driver->attr_timeout_ns, 86400000000000);
	fb_passthrough_free(driver);
	options.entry_timeout_ns = 5;
	assert_int_equal(fb_passthrough_new("/tmp", &options, &driver), 0);
	assert_int_equal(fb_negotiate(driver, &conn), 0);
	assert_int_equal(driver->entry_timeout_ns, 5);
	assert_int_equal(driver->dir_entry_timeout_ns, 5);
	fb_passthrough_free(driver);
	options.dir_entry_timeout_ns = 7;
	options.dir_attr_timeout_ns = FB_TIMEOUT_NONE;
	assert_int_equal(fb_passthrough_new("/tmp", &options, &driver), 0);
	assert_int_equal(fb_negotiate(driver, &conn), 0);
	assert_int_equal(driver->entry_timeout_ns, 5);
	assert_int_equal(driver->dir_entry_timeout_ns, 7);
	assert_int_equal(driver->attr_timeout_ns, 86400000000000);
	assert_int_equal(driver->dir_attr_timeout_ns, 0);
	fb_passthrough_free(driver);
}

/* ---- names -------------------------------------------------------------------------------------------- */

static void test_nothing_leads_out(void **state)
{
	struct share_client share;
	int dirfd, fd;

	(void)state;
	share_open(&share, NULL, NULL);
	assert_int_equal(mkdir(share_path(&share, "dir"), 0755), 0);
	assert_int_equal(symlink("/etc/passwd", share_path(&share, "dir/link")), 0);
	dirfd = open(share_path(&share, "dir"), O_PATH | O_CLOEXEC);
	assert_int_equal(fb_resolve_path(share.driver, dirfd, ".."), -EXDEV);
	assert_int_equal(fb_resolve_path(share.driver, dirfd, "/etc"), -EXDEV);
	assert_int_equal(fb_resolve_open(share.driver, dirfd, "link", O_RDONLY, 0), -ELOOP);
	fd = fb_resolve_path(share.driver, dirfd, "link");
	assert_true(fd >= 0);
	close(fd);
	close(dirfd);
	share_close(&share);
}

/* ---- where /proc is out of sight, and after a fork -------------------------------------------------------- */

static int child_in_chroot(struct share_client *share)
{
	struct fb_passthrough_options options = { .size = sizeof(options) };
	struct fb_wire_entry_out entry;
	char value[8];

	options.proc_fd = open("/proc", O_PATH | O_CLOEXEC);
	if (chroot(share->dir) < 0 || chdir("/") < 0)
		return 77;
	if (fb_passthrough_new("/", NULL, &share->driver) != -ENOENT)
		return 1; /* no /proc */
	if (fb_passthrough_new("/", &options, &share->driver) < 0)
		return 2;
	close(options.proc_fd);
	if (fb_session_new(fb_passthrough_ops(share->driver), share->driver, NULL,
			   &share->session) < 0 ||
	    fb_loopback_new(share->session, NULL, &share->loopback) < 0)
		return 3;
	share->granted = share->driver->granted;
	if (share->driver->proc_visible)
		return 4;
	if (share_lookup(share, ROOT, "file", &entry) < 0)
		return 5;
	if (share_set_xattr(share, entry.nodeid, "user.test", "value", 5, 0) < 0)
		return 6;
	/* The thread is the program's: it may have gone elsewhere. */
	if (chdir("/") < 0)
		return 8;
	if (share_get_xattr(share, entry.nodeid, "user.test", value, sizeof(value)) != 5)
		return 7;
	end(share);
	return 0;
}

/* Returns what body does: 0, or 77 where it may not be tried. */
static int run_child(int (*body)(struct share_client *share), struct share_client *share)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(body(share));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 77)
		assert_int_equal(WEXITSTATUS(status), 0);
	return WEXITSTATUS(status);
}

static void test_sandbox_without_proc(void **state)
{
	struct share_client share, child;
	int result;

	(void)state;
	share_open(&share, NULL, NULL);
	share_make(&share, "file", "x", 0600);
	child = (struct share_client){ .uid = geteuid(), .gid = getegid() };
	memcpy(child.dir, share.dir, sizeof(child.dir));
	result = run_child(child_in_chroot, &child);
	share_close(&share);
	if (result == 77)
		SKIP_BECAUSE("may not chroot");
}

/* Have the kernel refuse a system call from now on. */
static int forbid(unsigned number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { .len = 4, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0 ? -errno : 0;
}

/* Some containers forbid unshare(2): say so at the start, not when the first file is made. */
static int child_without_unshare(struct share_client *share)
{
	if (forbid(SYS_unshare) < 0)
		return 77;
	return fb_loopback_new(share->session, NULL, &share->loopback) == -EPERM ? 0 : 1;
}

static void test_container_without_unshare(void **state)
{
	struct share_client share, other = { .uid = geteuid(), .gid = getegid() };
	int result;

	(void)state;
	share_open(&share, NULL, NULL);
	assert_int_equal(fb_passthrough_new(share.dir, NULL, &other.driver), 0);
	assert_int_equal(fb_session_new(fb_passthrough_ops(other.driver), other.driver, NULL,
					&other.session),
			 0);
	result = run_child(child_without_unshare, &other);
	fb_session_unref(other.session);
	fb_passthrough_free(other.driver);
	share_close(&share);
	if (result == 77)
		SKIP_BECAUSE("may not filter system calls");
}

/* ---- every failure has its sentence ----------------------------------------------------------------- */

static int result_with_sentence(struct share_client *share)
{
	int result;

	(void)fb_fail(0, "%s", ""); /* no old one */
	result = fb_passthrough_new(share->dir, NULL, &share->driver);
	if (result == 0)
		fb_passthrough_free(share->driver);
	return result < 0 && !*fb_last_error() ? -ENOMSG : result;
}

static int child_without_limits(struct share_client *share)
{
	if (forbid(SYS_prlimit64) < 0)
		return 77;
	return result_with_sentence(share) == -EPERM ? 0 : 1;
}

static int child_without_capget(struct share_client *share)
{
	if (forbid(SYS_capget) < 0)
		return 77;
	return result_with_sentence(share) == -EPERM ? 0 : 1;
}

/* All memory is used up, and comes back block by block until it is enough. */
static int child_without_memory(struct share_client *share)
{
	const struct rlimit none = { 1, 1 };
	struct block {
		struct block *next;
	} *blocks = NULL, *block;
	unsigned failed = 0;
	int result;

	if (setrlimit(RLIMIT_AS, &none) < 0)
		return 77;
	for (size_t size = 1024; size >= sizeof(*block); size /= 2)
		while ((block = malloc(size))) {
			block->next = blocks;
			blocks = block;
		}
	while ((result = result_with_sentence(share)) == -ENOMEM && blocks) {
		block = blocks;
		blocks = block->next;
		free(block);
		failed++;
	}
	if (result == -ENOMSG)
		return 1;
	return result < 0 || failed == 0 ? 2 : 0;
}

static void test_failures_have_sentences(void **state)
{
	struct share_client child = { .dir = "/tmp" };
	int result;

	(void)state;
	result = run_child(child_without_limits, &child);
	if (result == 0)
		result = run_child(child_without_capget, &child);
	if (result == 77)
		SKIP_BECAUSE("may not filter system calls");
}

static void test_no_memory_has_a_sentence(void **state)
{
	struct share_client child = { .dir = "/tmp" };

	(void)state;
	if (SANITIZED)
		SKIP_BECAUSE("sanitizers end a program that is out of memory");
	assert_int_equal(run_child(child_without_memory, &child), 0);
}

/* The driver is made, then the program becomes a daemon. */
static int child_after_fork(struct share_client *share)
{
	struct fb_wire_open_out open;
	struct fb_wire_entry_out entry;

	if (fb_loopback_new(share->session, NULL, &share->loopback) < 0)
		return 1;
	if (share_lookup(share, ROOT, "file", &entry) < 0)
		return 2;
	return share_open_file(share, entry.nodeid, O_RDWR, 0, &open) < 0 ? 3 : 0;
}

static void test_fork_before_serving(void **state)
{
	struct share_client share, other = { .uid = geteuid(), .gid = getegid() };

	(void)state;
	share_open(&share, NULL, NULL);
	share_make(&share, "file", "x", 0600);
	assert_int_equal(fb_passthrough_new(share.dir, NULL, &other.driver), 0);
	assert_int_equal(fb_session_new(fb_passthrough_ops(other.driver), other.driver, NULL,
					&other.session),
			 0);
	assert_int_equal(run_child(child_after_fork, &other), 0);
	fb_session_unref(other.session);
	fb_passthrough_free(other.driver);
	share_close(&share);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_mandatory_handles),
		cmocka_unit_test(test_source_is_a_symlink),
		cmocka_unit_test(test_source_is_a_file),
		cmocka_unit_test(test_second_greeting),
		cmocka_unit_test(test_agreed_by_default),
		cmocka_unit_test(test_agreed_by_option),
		cmocka_unit_test(test_what_the_client_must_have),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_negative_timeouts),
		cmocka_unit_test(test_nothing_leads_out),
		cmocka_unit_test(test_sandbox_without_proc),
		cmocka_unit_test(test_container_without_unshare),
		cmocka_unit_test(test_failures_have_sentences),
		cmocka_unit_test(test_no_memory_has_a_sentence),
		cmocka_unit_test(test_fork_before_serving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
