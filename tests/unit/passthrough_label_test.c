/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Security labels that come with requests which make a file: every such request sets them, and one
 * that can not takes back what it has made and nothing else. The program's own setxattr() and
 * mkdirat() stand before those of libc, to fail and to look at the right moment.
 */
#include "cmocka_setup.h"

#include "node_client.h"

#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOT FB_ROOT_NODE
#define LABEL "security.fbtest"

static struct share_client share;

/* ---- what the driver calls ------------------------------------------------------------------------ */

static int label_error;             /* for the driver's next setxattr(), or 0 */
static void (*before_label)(void);  /* called by it, once */
static void (*before_folder)(void); /* called by its next mkdirat() */
static unsigned labels_set;

int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	void (*call)(void) = before_label;

	labels_set++;
	before_label = NULL;
	if (call)
		call();
	if (label_error != 0) {
		errno = label_error;
		return -1;
	}
	return (int)syscall(SYS_setxattr, path, name, value, size, flags);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int mkdirat(int dirfd, const char *name, mode_t mode)
{
	void (*call)(void) = before_folder;

	before_folder = NULL;
	if (call)
		call();
	return (int)syscall(SYS_mkdirat, dirfd, name, mode);
}

/* ---- the share ------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	const struct fb_passthrough_options options = { .size = sizeof(options),
							.security_label = true };

	(void)state;
	label_error = 0;
	before_label = before_folder = NULL;
	if (geteuid() != 0)
		return 0;
	share_open(&share, &options, NULL);
	assert_true(share.granted & FB_INIT_SECURITY_CTX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	label_error = 0;
	if (share.session)
		share_close(&share);
	share = (struct share_client){ 0 };
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP_BECAUSE("only root may set security labels");
}

static ino_t host_ino(const char *name)
{
	struct stat stat;

	return lstat(share_path(&share, name), &stat) < 0 ? 0 : stat.st_ino;
}

/* ---- the requests --------------------------------------------------------------------------------- */

/* What an answer tells of the new file. */
struct answer {
	uint64_t node, fh;
};

static const struct kind {
	const char *name;
	uint32_t opcode, type;
} kinds[] = {
	{ "CREATE", FB_OP_CREATE, S_IFREG }, { "TMPFILE", FB_OP_TMPFILE, S_IFREG },
	{ "MKNOD", FB_OP_MKNOD, S_IFREG },   { "MKNOD of a FIFO", FB_OP_MKNOD, S_IFIFO },
	{ "MKDIR", FB_OP_MKDIR, S_IFDIR },   { "SYMLINK", FB_OP_SYMLINK, S_IFLNK },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool makes_handle(const struct kind *kind)
{
	return kind->opcode == FB_OP_CREATE || kind->opcode == FB_OP_TMPFILE;
}

static bool makes_name(const struct kind *kind)
{
	return kind->opcode != FB_OP_TMPFILE;
}

/* The struct before the name; symlink has none. */
static struct iovec fixed_part(const struct kind *kind, int flags)
{
	static struct fb_wire_create_in create;
	static struct fb_wire_mknod_in mknod;
	static struct fb_wire_mkdir_in mkdir;

	switch (kind->opcode) {
	case FB_OP_CREATE:
	case FB_OP_TMPFILE:
		create = (struct fb_wire_create_in){
			.flags = (uint32_t)(flags | O_RDWR |
					    (makes_name(kind) ? O_CREAT : O_TMPFILE)),
			.mode = S_IFREG | 0600,
		};
		return (struct iovec){ &create, sizeof(create) };
	case FB_OP_MKNOD:
		mknod = (struct fb_wire_mknod_in){ .mode = kind->type | 0600 };
		return (struct iovec){ &mknod, sizeof(mknod) };
	case FB_OP_MKDIR:
		mkdir = (struct fb_wire_mkdir_in){ .mode = 0700 };
		return (struct iovec){ &mkdir, sizeof(mkdir) };
	default:
		return (struct iovec){ NULL, 0 };
	}
}

/* Make "new" with one label, whose attribute is called so. Returns 0 or -errno. */
static int make(const struct kind *kind, int flags, const char *attribute,
		struct answer *ret_answer)
{
	struct {
		struct fb_wire_secctx_header header;
		struct fb_wire_secctx context;
		char text[24];
	} label = { .header = { sizeof(label), 1 }, .context = { 5, 0 } };
	char name[] = "new", root[] = "/", target[] = "target";
	const struct iovec parts[] = {
		fixed_part(kind, flags),
		{ makes_name(kind) ? name : root, makes_name(kind) ? sizeof(name) : sizeof(root) },
		{ target, kind->type == S_IFLNK ? sizeof(target) : 0 },
		{ &label, sizeof(label) },
	};
	struct fb_wire_create_out out = { 0 };
	int result;

	assert_true(strlen(attribute) + 1 + 5 <= sizeof(label.text));
	memcpy(label.text, attribute, strlen(attribute));
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): no string, a label */
	memcpy(label.text + strlen(attribute) + 1, "label", 5);
	result = node_call_extended(&share, kind->opcode, ROOT, parts, 4, &out,
				    makes_handle(kind) ? sizeof(out) : sizeof(out.entry));
	*ret_answer = (struct answer){ .node = out.entry.nodeid, .fh = out.open.fh };
	return result;
}

static void give_back(const struct kind *kind, const struct answer *answer)
{
	if (makes_handle(kind))
		share_release(&share, answer->node, answer->fh, 0);
	share_forget(&share, answer->node, 1);
	remove(share_path(&share, "new"));
}

/* ---- tests ---------------------------------------------------------------------------------------- */

static void every_new_file_gets_its_label(void **state)
{
	struct answer answer;
	char value[16];

	(void)state;
	need_root();
	for (size_t i = 0; i < KINDS; i++) {
		print_message("%s\n", kinds[i].name);
		assert_int_equal(make(&kinds[i], 0, LABEL, &answer), 0);
		assert_int_equal(share_get_xattr(&share, answer.node, LABEL, value, 16), 5);
		assert_memory_equal(value, "label", 5);
		give_back(&kinds[i], &answer);
	}
}

/* A label is for new files: what create opens keeps its own. */
static void files_that_exist_are_not_labelled(void **state)
{
	struct answer answer;
	char value[16];

	(void)state;
	need_root();
	share_make(&share, "new", "content", 0600);
	labels_set = 0;
	assert_int_equal(make(&kinds[0], 0, LABEL, &answer), 0);
	assert_int_equal(labels_set, 0);
	assert_int_equal(share_get_xattr(&share, answer.node, LABEL, value, 16), -ENODATA);
	assert_int_equal(make(&kinds[0], O_EXCL, LABEL, &answer), -EEXIST);
	share_expect(&share, "new", "content");
}

/* Neither a name nor a node nor a descriptor stays of what could not be labelled. */
static void nothing_is_left_without_its_label(void **state)
{
	struct answer answer;
	unsigned descriptors;
	uint32_t taken;
	size_t nodes;

	(void)state;
	need_root();
	for (size_t i = 0; i < KINDS; i++) {
		print_message("%s\n", kinds[i].name);
		descriptors = share_descriptors();
		taken = share.driver->budget.taken;
		nodes = share.driver->inodes.count;
		label_error = ENOSPC;
		assert_int_equal(make(&kinds[i], 0, LABEL, &answer), -ENOSPC);
		label_error = 0;
		assert_int_equal(make(&kinds[i], 0, "trusted.fbtest", &answer), -EINVAL);
		assert_int_equal(host_ino("new"), 0);
		assert_int_equal(share.driver->inodes.count, nodes);
		assert_int_equal(share.driver->budget.taken, taken);
		assert_int_equal(share_descriptors(), descriptors);
	}
}

static void replace_new(void)
{
	assert_int_equal(rename(share_path(&share, "new"), share_path(&share, "away")), 0);
	assert_int_equal(rename(share_path(&share, "other"), share_path(&share, "new")), 0);
}

/* D10: a host program that is faster has its own file under the name by then. */
static void a_name_that_was_replaced_stays(void **state)
{
	struct answer answer;
	ino_t others;

	(void)state;
	need_root();
	for (size_t i = 0; i < KINDS; i++) {
		const struct kind *kind = &kinds[i];

		if (!makes_name(kind))
			continue;
		print_message("%s\n", kind->name);
		/* Of the same type, so that either call could remove it. */
		if (kind->type == S_IFDIR)
			assert_int_equal(mkdir(share_path(&share, "other"), 0700), 0);
		else
			share_make(&share, "other", "other", 0600);
		others = host_ino("other");
		before_label = replace_new;
		label_error = ENOSPC;
		assert_int_equal(make(kind, 0, LABEL, &answer), -ENOSPC);
		assert_null(before_label);
		assert_int_equal(host_ino("new"), others);
		assert_int_equal(remove(share_path(&share, "new")), 0);
		assert_int_equal(remove(share_path(&share, "away")), 0);
	}
}

static void unlink_new(void)
{
	assert_int_equal(unlink(share_path(&share, "new")), 0);
}

/* The error is the label's, whatever became of the name. */
static void a_name_that_has_gone_needs_no_undoing(void **state)
{
	struct answer answer;

	(void)state;
	need_root();
	before_label = unlink_new;
	label_error = EPERM;
	assert_int_equal(make(&kinds[0], 0, LABEL, &answer), -EPERM);
	assert_int_equal(host_ino("new"), 0);
}

/* A folder in the place of /proc, as on a host with SELinux. */
static char proc[] = "/tmp/fb-proc-XXXXXX", fscreate[64];
static char written[16];

static void read_fscreate(void)
{
	int fd = open(fscreate, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, written, sizeof(written) - 1) >= 0);
	close(fd);
}

static void make_proc(void)
{
	int fd;

	assert_non_null(mkdtemp(proc));
	snprintf(fscreate, sizeof(fscreate), "%s/thread-self", proc);
	assert_int_equal(mkdir(fscreate, 0700), 0);
	snprintf(fscreate, sizeof(fscreate), "%s/thread-self/attr", proc);
	assert_int_equal(mkdir(fscreate, 0700), 0);
	snprintf(fscreate, sizeof(fscreate), "%s/thread-self/attr/fscreate", proc);
	fd = open(fscreate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void remove_proc(void)
{
	for (char *end = fscreate + strlen(fscreate); end; end = strrchr(fscreate, '/')) {
		*end = '\0';
		if (strlen(fscreate) >= strlen(proc))
			assert_int_equal(remove(fscreate), 0);
	}
}

/* SELinux hears of its label before the file is there; other labels are no business of its. */
static void selinux_is_told_first(void **state)
{
	const struct kind *mkdir_kind = &kinds[4];
	unsigned descriptors;
	struct answer answer;
	int real;

	(void)state;
	need_root();
	make_proc();
	real = share.driver->proc;
	share.driver->proc = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(share.driver->proc >= 0);
	descriptors = share_descriptors();
	before_folder = read_fscreate;
	assert_int_equal(make(mkdir_kind, 0, LABEL, &answer), 0);
	assert_string_equal(written, "");
	give_back(mkdir_kind, &answer);
	label_error = EPERM; /* from here on it does not matter */
	for (size_t i = 0; i < KINDS; i++) {
		print_message("%s\n", kinds[i].name);
		assert_int_equal(truncate(fscreate, 0), 0);
		memset(written, 0, sizeof(written));
		before_folder = read_fscreate;
		assert_int_equal(make(&kinds[i], 0, "security.selinux", &answer), -EPERM);
		if (kinds[i].type != S_IFDIR)
			read_fscreate();
		assert_string_equal(written, "label");
	}
	before_folder = NULL;
	assert_int_equal(share_descriptors(), descriptors);
	close(share.driver->proc);
	share.driver->proc = real;
	remove_proc();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_new_file_gets_its_label),
		TEST(files_that_exist_are_not_labelled),
		TEST(nothing_is_left_without_its_label),
		TEST(a_name_that_was_replaced_stays),
		TEST(a_name_that_has_gone_needs_no_undoing),
		TEST(selinux_is_told_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
