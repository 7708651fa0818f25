/* SPDX-License-Identifier: BSD-3-Clause */
/* Several processes at once: what must be atomic, and what must not be lost. */
#include "groups.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { WORKERS = 4 };

/*
 * Run body(0) to body(WORKERS - 1) in processes that start together; the sum of their exit statuses.
 */
static int run_workers(void (*body)(int number))
{
	struct gate ready;
	struct gate start;
	pid_t pids[WORKERS];
	int sum = 0;

	gate_init(&ready);
	gate_init(&start);
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = EXPECT_OK(fork());
		if (pids[i] == 0) {
			gate_open(&ready, 1);
			gate_wait(&start);
			body(i);
			_exit(0);
		}
	}
	for (int i = 0; i < WORKERS; i++)
		gate_wait(&ready);
	gate_open(&start, WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		int status;

		EXPECT_EQ(waitpid(pids[i], &status, 0), pids[i]);
		EXPECT(WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	gate_close(&ready);
	gate_close(&start);
	return sum;
}

/* What workers race for: win returns true, or false and sets the errno of a loser. */
static struct {
	bool (*win)(int number);
	int loser_errno;
} contest;

static void compete(int number)
{
	if (contest.win(number))
		_exit(1);
	EXPECT_EQ(errno, contest.loser_errno);
}

/* Repeat the contest; each time exactly one worker must win. */
static void expect_one_winner(void (*prepare)(void), bool (*win)(int number), int loser_errno)
{
	enum { ROUNDS = 25 };

	contest.win = win;
	contest.loser_errno = loser_errno;
	for (int round = 0; round < ROUNDS; round++) {
		prepare();
		EXPECT_EQ(run_workers(compete), 1);
	}
}

static void remove_target(void)
{
	if (unlink("target") < 0 && errno == EISDIR)
		EXPECT_OK(rmdir("target"));
}

static bool win_create(int number)
{
	int fd = open("target", O_RDWR | O_CREAT | O_EXCL, 0644);

	(void)number;
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void exclusive_create_has_one_winner(void)
{
	expect_one_winner(remove_target, win_create, EEXIST);
}

static bool win_mkdir(int number)
{
	(void)number;
	return mkdir("target", 0755) == 0;
}

static void mkdir_has_one_winner(void)
{
	expect_one_winner(remove_target, win_mkdir, EEXIST);
}

static bool win_symlink(int number)
{
	return symlink(number % 2 ? "odd" : "even", "target") == 0;
}

static void symlink_has_one_winner(void)
{
	expect_one_winner(remove_target, win_symlink, EEXIST);
}

static void prepare_link(void)
{
	remove_target();
	if (!file_exists("source"))
		file_make("source", "");
}

static bool win_link(int number)
{
	(void)number;
	return link("source", "target") == 0;
}

static void link_has_one_winner(void)
{
	expect_one_winner(prepare_link, win_link, EEXIST);
	EXPECT_EQ(file_links("source"), 2);
}

static void prepare_file(void)
{
	if (!file_exists("source"))
		file_make("source", "");
}

static bool win_unlink(int number)
{
	(void)number;
	return unlink("source") == 0;
}

static void unlink_has_one_winner(void)
{
	expect_one_winner(prepare_file, win_unlink, ENOENT);
}

static bool win_rename(int number)
{
	char name[16];

	snprintf(name, sizeof(name), "to%d", number);
	return rename("source", name) == 0;
}

static void rename_has_one_winner(void)
{
	expect_one_winner(prepare_file, win_rename, ENOENT);
}

static bool win_noreplace(int number)
{
	char name[16];

	snprintf(name, sizeof(name), "from%d", number);
	return renameat2(AT_FDCWD, name, AT_FDCWD, "target", RENAME_NOREPLACE) == 0;
}

static void prepare_noreplace(void)
{
	remove_target();
	for (int i = 0; i < WORKERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "from%d", i);
		if (!file_exists(name))
			file_make(name, "");
	}
}

static void noreplace_has_one_winner(void)
{
	expect_one_winner(prepare_noreplace, win_noreplace, EEXIST);
}

static void churn_in_one_directory(int number)
{
	char name[32];
	char other[32];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "w%d.%d", number, i % 10);
		snprintf(other, sizeof(other), "w%d.moved", number);
		file_make(name, name);
		EXPECT_TEXT(name, name);
		EXPECT_OK(rename(name, other));
		EXPECT_TEXT(other, name);
		EXPECT_OK(unlink(other));
		EXPECT_GONE(name);
	}
	snprintf(name, sizeof(name), "w%d.last", number);
	file_make(name, "");
}

static void create_and_unlink_in_one_directory(void)
{
	EXPECT_EQ(run_workers(churn_in_one_directory), 0);
	EXPECT_EQ(dir_count("."), WORKERS);
}

static void make_tree(int number)
{
	char path[64];

	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "a%d", i);
		if (mkdir(path, 0755) < 0)
			EXPECT_EQ(errno, EEXIST);
		snprintf(path, sizeof(path), "a%d/b", i);
		if (mkdir(path, 0755) < 0)
			EXPECT_EQ(errno, EEXIST);
		snprintf(path, sizeof(path), "a%d/b/f%d", i, number);
		file_make(path, "");
	}
}

static void trees_made_together(void)
{
	char path[64];

	EXPECT_EQ(run_workers(make_tree), 0);
	EXPECT_EQ(dir_count("."), 20);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "a%d/b", i);
		EXPECT_EQ(dir_count(path), WORKERS);
	}
}

enum { RECORD = 100, RECORDS = 100 };

static void append_records(int number)
{
	char record[RECORD];
	int fd = EXPECT_OK(open("log", O_WRONLY | O_APPEND));

	memset(record, 'a' + number, sizeof(record));
	for (int i = 0; i < RECORDS; i++)
		EXPECT_EQ(EXPECT_OK(write(fd, record, sizeof(record))), RECORD);
}

static void appends_never_overlap(void)
{
	static char data[WORKERS * RECORDS * RECORD];
	unsigned counts[WORKERS] = { 0 };

	file_make("log", "");
	EXPECT_EQ(run_workers(append_records), 0);
	EXPECT_EQ(file_size("log"), sizeof(data));
	file_take(EXPECT_OK(open("log", O_RDONLY)), data, sizeof(data), 0);
	for (size_t at = 0; at < sizeof(data); at += RECORD) {
		EXPECT(data[at] >= 'a' && data[at] < 'a' + WORKERS);
		for (size_t i = 1; i < RECORD; i++)
			EXPECT_EQ(data[at + i], data[at]);
		counts[data[at] - 'a']++;
	}
	for (int i = 0; i < WORKERS; i++)
		EXPECT_EQ(counts[i], RECORDS);
}

enum { STRIPE = 3000, STRIPES = 20 };

static void write_stripes(int number)
{
	char stripe[STRIPE];
	int fd = EXPECT_OK(open("data", O_RDWR));

	memset(stripe, 'a' + number, sizeof(stripe));
	for (off_t i = 0; i < STRIPES; i++)
		file_put(fd, stripe, STRIPE, (i * WORKERS + number) * STRIPE);
}

static void writes_side_by_side(void)
{
	static char data[WORKERS * STRIPES * STRIPE];

	file_make("data", "");
	EXPECT_EQ(run_workers(write_stripes), 0);
	EXPECT_EQ(file_size("data"), sizeof(data));
	file_take(EXPECT_OK(open("data", O_RDONLY)), data, sizeof(data), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		EXPECT_EQ(data[i], 'a' + (char)(i / STRIPE % WORKERS));
}

static void count_under_lock(int number)
{
	struct flock lock = { .l_whence = SEEK_SET, .l_len = 1 };
	int fd = EXPECT_OK(open("counter", O_RDWR));

	(void)number;
	for (int i = 0; i < 50; i++) {
		int value;

		lock.l_type = F_WRLCK;
		EXPECT_OK(fcntl(fd, F_SETLKW, &lock));
		file_take(fd, &value, sizeof(value), 0);
		value++;
		file_put(fd, &value, sizeof(value), 0);
		lock.l_type = F_UNLCK;
		EXPECT_OK(fcntl(fd, F_SETLK, &lock));
	}
}

static void counter_under_lock(void)
{
	int value = 0;
	int fd = file_open_new("counter");

	file_put(fd, &value, sizeof(value), 0);
	EXPECT_EQ(run_workers(count_under_lock), 0);
	file_take(fd, &value, sizeof(value), 0);
	EXPECT_EQ(value, WORKERS * 50);
}

static void replace_or_look(int number)
{
	char name[16];
	char text[16];
	struct stat status;

	snprintf(name, sizeof(name), "new%d", number);
	for (int i = 0; i < 200; i++) {
		if (number == 0) {
			int fd = EXPECT_OK(open("target", O_RDONLY));
			int size = EXPECT_OK(read(fd, text, sizeof(text)));

			EXPECT_EQ(size, 8);
			EXPECT_OK(close(fd));
			EXPECT_OK(stat("target", &status));
		} else {
			file_make(name, "complete");
			EXPECT_OK(rename(name, "target"));
		}
	}
}

static void rename_never_loses_the_name(void)
{
	file_make("target", "complete");
	EXPECT_EQ(run_workers(replace_or_look), 0);
	EXPECT_TEXT("target", "complete");
	EXPECT_EQ(dir_count("."), 1);
	EXPECT_EQ(file_links("target"), 1);
}

static void exchange_or_look(int number)
{
	struct stat status;

	for (int i = 0; i < 200; i++) {
		if (number == 0)
			EXPECT_OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
		else
			EXPECT_OK(stat(number % 2 ? "a" : "b", &status));
	}
}

static void exchange_never_loses_a_name(void)
{
	file_make("a", "A");
	dir_make("b", 0755);
	EXPECT_EQ(run_workers(exchange_or_look), 0);
	EXPECT_TEXT("a", "A");
}

static void list_or_churn(int number)
{
	char name[32];

	for (int i = 0; i < 30; i++) {
		DIR *stream;
		struct dirent *entry;
		int permanent = 0;

		snprintf(name, sizeof(name), "passing%d", number);
		if (number > 0) {
			for (int j = 0; j < 10; j++) {
				file_make_mode(name, 0644);
				EXPECT_OK(unlink(name));
			}
			continue;
		}
		stream = EXPECT_POINTER(opendir("."));
		while ((entry = readdir(stream)) != NULL)
			permanent += strncmp(entry->d_name, "stays", 5) == 0;
		EXPECT_OK(closedir(stream));
		EXPECT_EQ(permanent, 100);
	}
}

static void listing_keeps_permanent_entries(void)
{
	char name[32];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "stays%d", i);
		file_make_mode(name, 0644);
	}
	EXPECT_EQ(run_workers(list_or_churn), 0);
	EXPECT_EQ(dir_count("."), 100);
}

static void fill_or_remove(int number)
{
	char name[16];

	snprintf(name, sizeof(name), "d/f%d", number);
	for (int i = 0; i < 200; i++) {
		int fd;

		if (number == 0) {
			if (rmdir("d") < 0)
				EXPECT(errno == ENOTEMPTY || errno == ENOENT);
			if (mkdir("d", 0755) < 0)
				EXPECT_EQ(errno, EEXIST);
			continue;
		}
		fd = open(name, O_RDWR | O_CREAT, 0644);
		if (fd < 0) {
			EXPECT_EQ(errno, ENOENT);
			continue;
		}
		/* A directory with a file in it can not have gone. */
		EXPECT_EQ(file_stat_fd(fd).st_nlink, 1);
		EXPECT_OK(unlink(name));
		EXPECT_OK(close(fd));
	}
}

static void rmdir_never_takes_a_file_along(void)
{
	EXPECT_EQ(run_workers(fill_or_remove), 0);
}

const struct check race_checks[] = {
	CHECK(race, exclusive_create_has_one_winner),
	CHECK(race, mkdir_has_one_winner),
	CHECK(race, symlink_has_one_winner),
	CHECK(race, link_has_one_winner),
	CHECK(race, unlink_has_one_winner),
	CHECK(race, rename_has_one_winner),
	CHECK(race, noreplace_has_one_winner, .needs = NEED_NOREPLACE),
	CHECK(race, create_and_unlink_in_one_directory),
	CHECK(race, trees_made_together),
	CHECK(race, appends_never_overlap),
	CHECK(race, writes_side_by_side),
	CHECK(race, counter_under_lock),
	CHECK(race, rename_never_loses_the_name),
	CHECK(race, exchange_never_loses_a_name, .needs = NEED_EXCHANGE),
	CHECK(race, listing_keeps_permanent_entries),
	CHECK(race, rmdir_never_takes_a_file_along),
	CHECK_END,
};
