/* SPDX-License-Identifier: BSD-3-Clause */
/* utimensat and its relatives. */
#include "groups.h"

#include <stdint.h>
#include <sys/time.h>

static const struct timespec early = { .tv_sec = 1000000000, .tv_nsec = 123456789 };
static const struct timespec late = { .tv_sec = 1500000000, .tv_nsec = 987654321 };
static const struct timespec now = { .tv_nsec = UTIME_NOW };
static const struct timespec omit = { .tv_nsec = UTIME_OMIT };

static int set_times(const char *path, struct timespec access_time, struct timespec write_time)
{
	const struct timespec times[2] = { access_time, write_time };

	return utimensat(AT_FDCWD, path, times, 0);
}

static void nanoseconds_exact(void)
{
	file_make("f", "");
	EXPECT_OK(set_times("f", early, late));
	EXPECT_TIME(file_stat("f").st_atim, early);
	EXPECT_TIME(file_stat("f").st_mtim, late);
	EXPECT_OK(set_times("f", (struct timespec){ 5, 999999999 }, (struct timespec){ 6, 1 }));
	EXPECT_TIME(file_stat("f").st_atim, ((struct timespec){ 5, 999999999 }));
	EXPECT_TIME(file_stat("f").st_mtim, ((struct timespec){ 6, 1 }));
}

static void seconds_zero(void)
{
	file_make("f", "");
	EXPECT_OK(set_times("f", (struct timespec){ 0, 0 }, (struct timespec){ 0, 7 }));
	EXPECT_TIME(file_stat("f").st_atim, ((struct timespec){ 0, 0 }));
	EXPECT_TIME(file_stat("f").st_mtim, ((struct timespec){ 0, 7 }));
}

static void before_1970(void)
{
	file_make("f", "");
	EXPECT_OK(set_times("f", (struct timespec){ -1, 500000000 },
			    (struct timespec){ -1000000000, 1 }));
	EXPECT_TIME(file_stat("f").st_atim, ((struct timespec){ -1, 500000000 }));
	EXPECT_TIME(file_stat("f").st_mtim, ((struct timespec){ -1000000000, 1 }));
}

/* Those that can not store it keep the last second they can. */
static void after_2038(void)
{
	const struct timespec far = { 4102444800, 123456789 };
	struct timespec got;

	file_make("f", "");
	EXPECT_OK(set_times("f", far, far));
	got = file_stat("f").st_mtim;
	if (got.tv_sec == INT32_MAX)
		EXPECT_OK(set_times("f", early, early));
	else
		EXPECT_TIME(got, far);
}

static void now_means_now(void)
{
	struct timespec created;

	file_make("f", "");
	created = file_stat("f").st_ctim;
	EXPECT_OK(set_times("f", early, early));
	pause_tick();
	EXPECT_OK(set_times("f", now, now));
	EXPECT_LATER(file_stat("f").st_atim, created);
	EXPECT_LATER(file_stat("f").st_mtim, created);
	EXPECT(file_stat("f").st_mtim.tv_sec - created.tv_sec < 60);
}

static void null_means_now(void)
{
	struct timespec created;

	file_make("f", "");
	created = file_stat("f").st_ctim;
	EXPECT_OK(set_times("f", early, early));
	pause_tick();
	EXPECT_OK(utimensat(AT_FDCWD, "f", NULL, 0));
	EXPECT_LATER(file_stat("f").st_mtim, created);
	EXPECT_LATER(file_stat("f").st_atim, created);
}

static void now_and_fixed(void)
{
	struct timespec created;

	file_make("f", "");
	created = file_stat("f").st_ctim;
	pause_tick();
	EXPECT_OK(set_times("f", now, early));
	EXPECT_LATER(file_stat("f").st_atim, created);
	EXPECT_TIME(file_stat("f").st_mtim, early);
	EXPECT_OK(set_times("f", early, now));
	EXPECT_TIME(file_stat("f").st_atim, early);
	EXPECT_LATER(file_stat("f").st_mtim, created);
}

static void omit_keeps_one(void)
{
	file_make("f", "");
	EXPECT_OK(set_times("f", early, late));
	EXPECT_OK(set_times("f", omit, early));
	EXPECT_TIME(file_stat("f").st_atim, early);
	EXPECT_TIME(file_stat("f").st_mtim, early);
	EXPECT_OK(set_times("f", late, omit));
	EXPECT_TIME(file_stat("f").st_atim, late);
	EXPECT_TIME(file_stat("f").st_mtim, early);
}

static void omit_both_changes_nothing(void)
{
	struct stat before;

	file_make("f", "");
	before = file_stat("f");
	pause_tick();
	EXPECT_OK(set_times("f", omit, omit));
	EXPECT_TIME(file_stat("f").st_atim, before.st_atim);
	EXPECT_TIME(file_stat("f").st_mtim, before.st_mtim);
	EXPECT_TIME(file_stat("f").st_ctim, before.st_ctim);
}

static void bad_nanoseconds(void)
{
	file_make("f", "");
	EXPECT_OK(set_times("f", early, late));
	EXPECT_ERR(set_times("f", (struct timespec){ 1, 1000000000 }, early), EINVAL);
	EXPECT_ERR(set_times("f", early, (struct timespec){ 1, -1 }), EINVAL);
	EXPECT_TIME(file_stat("f").st_atim, early);
	EXPECT_TIME(file_stat("f").st_mtim, late);
}

static void updates_change_time(void)
{
	struct timespec before;

	file_make("f", "");
	before = file_stat("f").st_ctim;
	pause_tick();
	EXPECT_OK(set_times("f", early, late));
	EXPECT_LATER(file_stat("f").st_ctim, before);
}

static void by_descriptor(void)
{
	const struct timespec times[2] = { early, late };
	int fd;

	file_make("f", "");
	fd = EXPECT_OK(open("f", O_RDONLY));
	EXPECT_OK(futimens(fd, times));
	EXPECT_TIME(file_stat_fd(fd).st_atim, early);
	EXPECT_TIME(file_stat("f").st_mtim, late);
}

static void of_directory(void)
{
	dir_make("d", 0755);
	EXPECT_OK(set_times("d", early, early));
	EXPECT_TIME(file_stat("d").st_mtim, early);
	file_make("d/f", "");
	EXPECT_LATER(file_stat("d").st_mtim, late);
}

static void of_symlink(void)
{
	const struct timespec times[2] = { early, late };
	struct timespec before;

	file_make("f", "");
	before = file_stat("f").st_mtim;
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(utimensat(AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
	EXPECT_TIME(file_stat("l").st_mtim, late);
	EXPECT_TIME(file_stat("f").st_mtim, before);
	EXPECT_OK(utimensat(AT_FDCWD, "l", times, 0));
	EXPECT_TIME(file_stat("f").st_mtim, late);
}

static void of_dangling_symlink(void)
{
	const struct timespec times[2] = { early, late };

	EXPECT_OK(symlink("missing", "l"));
	EXPECT_ERR(utimensat(AT_FDCWD, "l", times, 0), ENOENT);
	EXPECT_OK(utimensat(AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
	EXPECT_TIME(file_stat("l").st_mtim, late);
}

static void of_fifo(void)
{
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_OK(set_times("p", early, late));
	EXPECT_TIME(file_stat("p").st_mtim, late);
}

static void missing_names(void)
{
	file_make("f", "");
	EXPECT_ERR(set_times("missing", early, late), ENOENT);
	EXPECT_ERR(set_times("f/x", early, late), ENOTDIR);
}

static void write_replaces_set_time(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(set_times("f", early, early));
	file_put(fd, "more", 4, 4);
	EXPECT_LATER(file_stat("f").st_mtim, late);
}

/* Also when data written before is flushed only afterwards. */
static void set_time_survives_close_and_sync(void)
{
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(set_times("f", early, early));
	EXPECT_OK(fsync(fd));
	EXPECT_TIME(file_stat("f").st_mtim, early);
	EXPECT_OK(close(fd));
	EXPECT_TIME(file_stat("f").st_mtim, early);
}

static void reading_keeps_modification_time(void)
{
	char data[4];
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(set_times("f", early, early));
	file_take(fd, data, 4, 0);
	EXPECT_TIME(file_stat("f").st_mtim, early);
}

static void microseconds(void)
{
	const struct timeval times[2] = { { 100, 5 }, { 200, 999999 } };

	file_make("f", "");
	EXPECT_OK(utimes("f", times));
	EXPECT_TIME(file_stat("f").st_atim, ((struct timespec){ 100, 5000 }));
	EXPECT_TIME(file_stat("f").st_mtim, ((struct timespec){ 200, 999999000 }));
}

static void owner_needs_no_permission(void)
{
	file_make_for("f", 0, user_uid(), user_gid());
	become_user();
	EXPECT_OK(set_times("f", early, late));
	EXPECT_OK(set_times("f", now, now));
}

static void stranger_can_not_set(void)
{
	file_make_mode("f", 0644);
	become_user();
	EXPECT_ERR(set_times("f", early, late), EPERM);
	EXPECT_ERR(set_times("f", early, omit), EPERM);
	EXPECT_ERR(set_times("f", now, omit), EPERM);
}

static void stranger_needs_write_permission_for_now(void)
{
	file_make_mode("closed", 0644);
	file_make_mode("open", 0666);
	EXPECT_OK(set_times("open", early, early));
	become_user();
	EXPECT_ERR(utimensat(AT_FDCWD, "closed", NULL, 0), EACCES);
	EXPECT_ERR(set_times("closed", now, now), EACCES);
	EXPECT_OK(utimensat(AT_FDCWD, "open", NULL, 0));
	EXPECT_LATER(file_stat("open").st_mtim, late);
	EXPECT_ERR(set_times("open", early, early), EPERM);
}

static void stranger_may_omit_both(void)
{
	file_make_mode("f", 0);
	become_user();
	EXPECT_OK(set_times("f", omit, omit));
}

const struct check timestamps_checks[] = {
	CHECK(timestamps, nanoseconds_exact),
	CHECK(timestamps, seconds_zero),
	CHECK(timestamps, before_1970),
	CHECK(timestamps, after_2038),
	CHECK(timestamps, now_means_now),
	CHECK(timestamps, null_means_now),
	CHECK(timestamps, now_and_fixed),
	CHECK(timestamps, omit_keeps_one),
	CHECK(timestamps, omit_both_changes_nothing),
	CHECK(timestamps, bad_nanoseconds),
	CHECK(timestamps, updates_change_time),
	CHECK(timestamps, by_descriptor),
	CHECK(timestamps, of_directory),
	CHECK(timestamps, of_symlink),
	CHECK(timestamps, of_dangling_symlink),
	CHECK(timestamps, of_fifo),
	CHECK(timestamps, missing_names),
	CHECK(timestamps, write_replaces_set_time),
	CHECK(timestamps, set_time_survives_close_and_sync),
	CHECK(timestamps, reading_keeps_modification_time),
	CHECK(timestamps, microseconds),
	CHECK(timestamps, owner_needs_no_permission, .needs = NEED_USERS),
	CHECK(timestamps, stranger_can_not_set, .needs = NEED_USERS),
	CHECK(timestamps, stranger_needs_write_permission_for_now, .needs = NEED_USERS),
	CHECK(timestamps, stranger_may_omit_both, .needs = NEED_USERS),
	CHECK_END,
};
