/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acting as a caller: what is changed, that it comes back, and what an unprivileged server does.
 */
#include "cmocka_setup.h"

#include "drivers/passthrough/caller_groups.h"
#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fb_passthrough *fs;

static int setup(void **state)
{
	(void)state;
	fs = calloc(1, sizeof(*fs));
	assert_non_null(fs);
	assert_int_equal(fb_credentials_init(&fs->own), 0);
	fs->proc = open("/proc", O_PATH | O_CLOEXEC);
	fs->default_permissions = true;
	fs->granted = FB_INIT_CREATE_SUPP_GROUP;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(fs->proc);
	fb_credentials_fini(&fs->own);
	free(fs);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0 || !fs->own.may_switch)
		SKIP_BECAUSE("needs root");
}

/* A line of /proc/thread-self/status, without its label. */
static void status_line(const char *label, char text[static 256])
{
	FILE *file = fopen("/proc/thread-self/status", "re");
	char line[512];

	assert_non_null(file);
	text[0] = '\0';
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, label, strlen(label)) == 0)
			snprintf(text, 256, "%s", line + strlen(label));
	fclose(file);
}

struct identity {
	char uid[256], gid[256], groups[256], caps[256];
	mode_t umask;
};

static struct identity who(void)
{
	struct identity identity;

	status_line("Uid:", identity.uid);
	status_line("Gid:", identity.gid);
	status_line("Groups:", identity.groups);
	status_line("CapEff:", identity.caps);
	identity.umask = umask(0);
	umask(identity.umask);
	return identity;
}

static void expect_same(const struct identity *a, const struct identity *b)
{
	assert_string_equal(a->uid, b->uid);
	assert_string_equal(a->gid, b->gid);
	assert_string_equal(a->groups, b->groups);
	assert_string_equal(a->caps, b->caps);
	assert_int_equal(a->umask, b->umask);
}

static uint64_t caps_of(const struct identity *identity)
{
	return strtoull(identity->caps, NULL, 16);
}

static const uint32_t group = 4242;
static const struct fb_caller user = { .uid = 1000, .gid = 1001, .umask = 027 };
static const struct fb_caller member = {
	.uid = 1000, .gid = 1001, .group_count = 1, .groups = &group
};

static void test_switch_and_back(void **state)
{
	struct fb_cred_guard guard = { 0 };
	struct identity before, during, after;

	(void)state;
	need_root();
	before = who();
	assert_int_equal(fb_credentials_assume(fs, &member, FB_CREDENTIALS_CREATE, &guard), 0);
	during = who();
	fb_credentials_restore(&guard);
	after = who();
	assert_string_equal(during.uid, "\t0\t1000\t0\t1000\n"); /* real effective saved fs */
	assert_string_equal(during.gid, "\t0\t1001\t0\t1001\n");
	assert_string_equal(during.groups, "\t4242 \n");
	assert_int_equal(caps_of(&during), 0);
	assert_int_equal(during.umask, 0);
	expect_same(&before, &after);
	fb_credentials_restore(&guard); /* once more is harmless */
}

/* A worker that switches, waits while the main thread looks at itself, and switches back. */
static pthread_barrier_t barrier;

static void *switch_in_thread(void *arg)
{
	struct fb_cred_guard guard = { 0 };
	int *result = arg;

	*result = fb_credentials_assume(fs, &user, FB_CREDENTIALS_CREATE, &guard);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	fb_credentials_restore(&guard);
	return NULL;
}

static void test_other_threads_stay(void **state)
{
	struct identity before, during;
	pthread_t thread;
	int result;

	(void)state;
	need_root();
	before = who();
	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, switch_in_thread, &result), 0);
	pthread_barrier_wait(&barrier);
	during = who();
	pthread_barrier_wait(&barrier);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(result, 0);
	expect_same(&before, &during);
	pthread_barrier_destroy(&barrier);
}

/* D3: root with a group, then root without. */
static void test_groups_are_cleared_for_root(void **state)
{
	const struct fb_caller root_member = { .group_count = 1, .groups = &group };
	struct fb_cred_guard guard = { 0 };
	struct identity before, during, after;

	(void)state;
	need_root();
	before = who();
	assert_int_equal(fb_credentials_assume(fs, &root_member, FB_CREDENTIALS_CREATE, &guard), 0);
	during = who();
	fb_credentials_restore(&guard);
	after = who();
	assert_string_equal(during.groups, "\t4242 \n");
	assert_true(caps_of(&during) != 0);
	expect_same(&before, &after);
}

/* Run something that can not be undone in a process of its own. Returns how that ended. */
static int in_child(int (*run)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(run());
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* Groups of the server's own, which no caller gets. */
static int switch_with_own_group(void)
{
	const gid_t own = 4243;
	struct fb_cred_guard guard = { 0 };
	struct identity users, members, after;

	if (setgroups(1, &own) < 0)
		return 2;
	fb_credentials_fini(&fs->own);
	if (fb_credentials_init(&fs->own) < 0)
		return 3;
	if (fb_credentials_assume(fs, &user, FB_CREDENTIALS_CREATE, &guard) < 0)
		return 4;
	users = who();
	fb_credentials_restore(&guard);
	if (fb_credentials_assume(fs, &member, FB_CREDENTIALS_CREATE, &guard) < 0)
		return 5;
	members = who();
	fb_credentials_restore(&guard);
	after = who();
	if (strpbrk(users.groups, "0123456789"))
		return 6;
	if (strcmp(members.groups, "\t4242 \n") != 0)
		return 7;
	return strcmp(after.groups, "\t4243 \n") != 0 ? 8 : 0;
}

static void test_own_groups_are_for_nobody(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(switch_with_own_group), 0);
}

static void test_ids_that_are_not_known(void **state)
{
	struct fb_caller caller = { .uid = UINT32_MAX };
	struct fb_cred_guard guard = { 0 };

	(void)state;
	assert_int_equal(fb_credentials_assume(fs, &caller, FB_CREDENTIALS_CREATE, &guard),
			 -EINVAL);
	caller = (struct fb_caller){ .gid = UINT32_MAX };
	assert_int_equal(fb_credentials_assume(fs, &caller, FB_CREDENTIALS_CREATE, &guard),
			 -EINVAL);
	/* Where nothing is switched they do no harm: id-mapped mounts send them. */
	assert_int_equal(fb_credentials_assume(fs, &caller, FB_CREDENTIALS_ACCESS, &guard), 0);
	fb_credentials_restore(&guard);
}

static void test_access_switches_only_where_asked(void **state)
{
	struct fb_cred_guard guard = { 0 };
	struct identity during;

	(void)state;
	need_root();
	assert_int_equal(fb_credentials_assume(fs, &user, FB_CREDENTIALS_ACCESS, &guard), 0);
	assert_int_equal(geteuid(), 0);
	fb_credentials_restore(&guard);
	fs->all_as_caller = true;
	assert_int_equal(fb_credentials_assume(fs, &user, FB_CREDENTIALS_ACCESS, &guard), 0);
	during = who();
	fb_credentials_restore(&guard);
	assert_string_equal(during.uid, "\t0\t1000\t0\t1000\n");
}

/* A client that can not send the group that let it in needs the right to override. */
static void test_override_without_group_extension(void **state)
{
	struct fb_cred_guard guard = { 0 };
	struct identity during, after, before;

	(void)state;
	need_root();
	before = who();
	fs->granted = 0;
	assert_int_equal(fb_credentials_assume(fs, &user, FB_CREDENTIALS_CREATE, &guard), 0);
	during = who();
	fb_credentials_restore(&guard);
	after = who();
	assert_int_equal(caps_of(&during), UINT64_C(1) << CAP_DAC_OVERRIDE);
	expect_same(&before, &after);
}

static void test_umask_of_the_caller(void **state)
{
	struct fb_cred_guard guard = { 0 };
	struct fb_caller caller = { .uid = geteuid(), .gid = getegid(), .umask = 027 };
	mode_t old = umask(022);

	(void)state;
	fs->granted = FB_INIT_DONT_MASK;
	assert_int_equal(fb_credentials_assume(fs, &caller, FB_CREDENTIALS_CREATE, &guard), 0);
	assert_int_equal(umask(027), 027);
	fb_credentials_restore(&guard);
	assert_int_equal(umask(old), 022);
}

/* A thread that this one has started shares its umask at first, and is not ours to disturb. */
static void *read_umask(void *arg)
{
	mode_t *during = arg;

	pthread_barrier_wait(&barrier);
	*during = umask(022);
	umask(*during);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void test_umask_of_threads_started_later(void **state)
{
	struct fb_cred_guard guard = { 0 };
	struct fb_caller caller = { .uid = geteuid(), .gid = getegid(), .umask = 027 };
	mode_t old = umask(022), during;
	pthread_t thread;

	(void)state;
	fs->granted = FB_INIT_DONT_MASK;
	assert_int_equal(fb_credentials_own_fs(), 0);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_umask, &during), 0);
	assert_int_equal(fb_credentials_assume(fs, &caller, FB_CREDENTIALS_CREATE, &guard), 0);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	fb_credentials_restore(&guard);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_barrier_destroy(&barrier);
	assert_int_equal(during, 022);
	umask(old);
}

/* D4: the user id can not be changed after the group id was. */
static void *switch_halfway(void *arg)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	struct fb_cred_guard guard = { 0 };
	struct identity before, after;
	int *result = arg;

	assert_int_equal(syscall(SYS_capget, &header, caps), 0);
	caps[0].effective &= ~(1u << CAP_SETUID);
	assert_int_equal(syscall(SYS_capset, &header, caps), 0);
	before = who();
	*result = fb_credentials_assume(fs, &member, FB_CREDENTIALS_CREATE, &guard);
	after = who();
	expect_same(&before, &after);
	return NULL;
}

static void test_half_a_switch_is_taken_back(void **state)
{
	pthread_t thread;
	int result = 0;

	(void)state;
	need_root();
	assert_int_equal(pthread_create(&thread, NULL, switch_halfway, &result), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(result, -EPERM);
}

static void test_drop_fsetid(void **state)
{
	struct fb_cred_guard guard = { 0 };
	struct identity before, during, after;

	(void)state;
	need_root();
	before = who();
	fb_credentials_drop_fsetid(fs, &guard);
	during = who();
	fb_credentials_restore(&guard);
	after = who();
	assert_int_equal(caps_of(&during), caps_of(&before) & ~(UINT64_C(1) << CAP_FSETID));
	expect_same(&before, &after);
}

static int assume_unprivileged(void)
{
	struct fb_cred_guard guard = { 0 };
	struct fb_caller self = { .uid = 1000, .gid = 1000 };
	int failed = 0;

	if (setgroups(0, NULL) < 0 || setresgid(1000, 1000, 1000) < 0 ||
	    setresuid(1000, 1000, 1000) < 0)
		return 2;
	fb_credentials_fini(&fs->own);
	if (fb_credentials_init(&fs->own) < 0 || fs->own.may_switch)
		return 3;
	failed |= fb_credentials_assume(fs, &user, FB_CREDENTIALS_CREATE, &guard) != -EPERM;
	failed |= fb_credentials_assume(fs, &self, FB_CREDENTIALS_CREATE, &guard) != 0;
	fb_credentials_restore(&guard);
	return failed;
}

/* P9 */
static void test_unprivileged(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(assume_unprivileged), 0);
}

static int caller_without_fixup(void)
{
	struct fb_cred_guard guard = { 0 };
	struct identity before, during, after;

	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0)
		return 77;
	fb_credentials_fini(&fs->own);
	if (fb_credentials_init(&fs->own) < 0)
		return 2;
	before = who();
	if (fb_credentials_assume(fs, &user, FB_CREDENTIALS_CREATE, &guard) < 0)
		return 3;
	during = who();
	fb_credentials_restore(&guard);
	after = who();
	if (caps_of(&during) != 0)
		return 4;
	return strcmp(before.caps, after.caps) != 0 || strcmp(before.uid, after.uid) != 0 ? 5 : 0;
}

/* Where the kernel leaves capabilities alone when the user id changes, they go all the same. */
static void test_capabilities_go_without_fixup(void **state)
{
	int status;

	(void)state;
	need_root();
	status = in_child(caller_without_fixup);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP_BECAUSE("may not set secure bits");
	assert_int_equal(status, 0);
}

static int restore_without_a_way_back(void)
{
	struct fb_cred_guard guard = { 0 };

	if (fb_credentials_assume(fs, &user, FB_CREDENTIALS_CREATE, &guard) < 0)
		return 2;
	/* Behind the driver's back: no way back to root any more. */
	if (setresuid(1000, 1000, 1000) < 0)
		return 3;
	fb_credentials_restore(&guard);
	return 0;
}

/* D4: not able to come back, the process ends. */
static void test_process_ends_rather_than_go_on(void **state)
{
	int status;

	(void)state;
	need_root();
	status = in_child(restore_without_a_way_back);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- groups of a process ---------------------------------------------------------------------------- */

static int parse(const char *text, uint32_t uid, uint32_t **ret_groups, size_t *ret_count)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int result;

	assert_non_null(file);
	result = fb_caller_groups_parse(file, uid, ret_groups, ret_count);
	fclose(file);
	return result;
}

static void test_parse_groups(void **state)
{
	uint32_t *groups;
	size_t count;

	(void)state;
	assert_int_equal(parse("Name:\tx\nUid:\t1\t2\t3\t1000\nGroups:\t4 27 4294967294 \nX:\n",
			       1000, &groups, &count),
			 0);
	assert_int_equal(count, 3);
	assert_int_equal(groups[0], 4);
	assert_int_equal(groups[2], 4294967294u);
	free(groups);
	assert_int_equal(parse("Uid:\t1\t2\t3\t1000\nGroups:\t\n", 1000, &groups, &count), 0);
	assert_int_equal(count, 0);
	free(groups);
	assert_int_equal(parse("Uid:\t0\t0\t0\t0\nGroups:\t4\n", 1000, &groups, &count), -ESRCH);
	assert_int_equal(parse("Uid:\t0\t0\t0\t0\n", 0, &groups, &count), -ESRCH);
	assert_int_equal(parse("\n", 0, &groups, &count), -ESRCH);
}

static void test_read_own_groups(void **state)
{
	struct fb_caller self = { .uid = geteuid(), .gid = getegid(), .pid = (uint32_t)getpid() };
	uint32_t *groups = NULL;
	size_t count = 0;

	(void)state;
	assert_int_equal(fb_caller_groups_read(fs->proc, &self, &groups, &count), 0);
	assert_int_equal(count, fs->own.group_count);
	free(groups);
	self.pid = 0;
	assert_int_equal(fb_caller_groups_read(fs->proc, &self, &groups, &count), -ESRCH);
	self.pid = INT32_MAX;
	assert_int_equal(fb_caller_groups_read(fs->proc, &self, &groups, &count), -ESRCH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_switch_and_back),
		TEST(test_other_threads_stay),
		TEST(test_groups_are_cleared_for_root),
		TEST(test_own_groups_are_for_nobody),
		TEST(test_ids_that_are_not_known),
		TEST(test_access_switches_only_where_asked),
		TEST(test_override_without_group_extension),
		TEST(test_umask_of_the_caller),
		TEST(test_umask_of_threads_started_later),
		TEST(test_half_a_switch_is_taken_back),
		TEST(test_drop_fsetid),
		TEST(test_unprivileged),
		TEST(test_capabilities_go_without_fixup),
		TEST(test_process_ends_rather_than_go_on),
		TEST(test_parse_groups),
		TEST(test_read_own_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
