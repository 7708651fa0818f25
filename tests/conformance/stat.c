/* SPDX-License-Identifier: BSD-3-Clause */
/* stat, lstat, fstat and statx. */
#include "groups.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static void inode_is_stable(void)
{
	struct stat before;
	int fd = file_open_new("f");

	before = file_stat("f");
	EXPECT_EQ(file_stat_fd(fd).st_ino, before.st_ino);
	file_put(fd, "text", 4, 0);
	EXPECT_OK(close(fd));
	EXPECT_OK(rename("f", "g"));
	EXPECT_OK(chmod("g", 0600));
	EXPECT_EQ(file_inode("g"), before.st_ino);
	EXPECT_EQ(file_stat("g").st_dev, before.st_dev);
	EXPECT(before.st_ino != 0);
}

static void inodes_are_unique(void)
{
	enum { COUNT = 200 };
	ino_t inodes[COUNT];
	char name[16];

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		file_make(name, "");
		inodes[i] = file_inode(name);
		for (int j = 0; j < i; j++)
			EXPECT(inodes[j] != inodes[i]);
	}
}

static void one_device(void)
{
	dir_make("d", 0755);
	file_make("d/f", "");
	EXPECT_EQ(file_stat("d").st_dev, file_stat(".").st_dev);
	EXPECT_EQ(file_stat("d/f").st_dev, file_stat(".").st_dev);
}

static void types(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "s" };
	int fd = EXPECT_OK(socket(AF_UNIX, SOCK_STREAM, 0));

	file_make("f", "");
	dir_make("d", 0755);
	EXPECT_OK(symlink("x", "l"));
	EXPECT_OK(mkfifo("p", 0644));
	EXPECT_OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	EXPECT_MODE(file_stat("f").st_mode & S_IFMT, S_IFREG);
	EXPECT_MODE(file_stat("d").st_mode & S_IFMT, S_IFDIR);
	EXPECT_MODE(file_stat("l").st_mode & S_IFMT, S_IFLNK);
	EXPECT_MODE(file_stat("p").st_mode & S_IFMT, S_IFIFO);
	EXPECT_MODE(file_stat("s").st_mode & S_IFMT, S_IFSOCK);
}

static void follows_symlink(void)
{
	struct stat status;

	file_make("f", "text");
	EXPECT_OK(symlink("f", "l"));
	EXPECT_OK(stat("l", &status));
	EXPECT(S_ISREG(status.st_mode));
	EXPECT_EQ(status.st_ino, file_inode("f"));
	EXPECT_OK(fstatat(AT_FDCWD, "l", &status, AT_SYMLINK_NOFOLLOW));
	EXPECT(S_ISLNK(status.st_mode));
	EXPECT(status.st_ino != file_inode("f"));
}

static void missing_names(void)
{
	struct stat status;

	file_make("f", "");
	EXPECT_ERR(stat("missing", &status), ENOENT);
	EXPECT_ERR(stat("f/x", &status), ENOTDIR);
	EXPECT_ERR(stat("f/", &status), ENOTDIR);
	EXPECT_ERR(stat("", &status), ENOENT);
	EXPECT_ERR(stat("missing/..", &status), ENOENT);
}

static void missing_name_appears(void)
{
	for (int i = 0; i < 20; i++) {
		EXPECT_GONE("f");
		file_make("f", "");
		EXPECT(file_exists("f"));
		EXPECT_OK(unlink("f"));
	}
}

static void empty_path_with_descriptor(void)
{
	struct stat status;
	int fd = file_open_new("f");

	EXPECT_OK(fstatat(fd, "", &status, AT_EMPTY_PATH));
	EXPECT_EQ(status.st_ino, file_inode("f"));
	EXPECT_ERR(fstatat(fd, "", &status, 0), ENOENT);
	EXPECT_ERR(fstatat(fd, "x", &status, 0), ENOTDIR);
}

static void blocks_count_data(void)
{
	static char data[256 * 1024];
	int fd = file_open_new("f");
	blkcnt_t blocks;

	data_fill(data, sizeof(data), 1);
	file_put(fd, data, sizeof(data), 0);
	EXPECT_OK(fsync(fd));
	blocks = file_stat("f").st_blocks;
	EXPECT(blocks > 0);
	EXPECT(blocks < 8 * (blkcnt_t)(sizeof(data) / 512));
	EXPECT(file_stat("f").st_blksize > 0);
}

static void blocks_leave_out_holes(void)
{
	int fd = file_open_new("f");

	file_put(fd, "x", 1, (off_t)100 << 20);
	EXPECT_OK(fsync(fd));
	EXPECT(file_stat("f").st_blocks < (100 << 20) / 512 / 2);
}

static void new_file_times_agree(void)
{
	struct stat file;
	struct stat directory;

	dir_make("d", 0755);
	pause_tick();
	file_make_mode("d/f", 0644);
	file = file_stat("d/f");
	directory = file_stat("d");
	EXPECT(file.st_mtim.tv_sec - directory.st_mtim.tv_sec <= 1);
	EXPECT(directory.st_mtim.tv_sec - file.st_mtim.tv_sec <= 1);
	EXPECT_EQ(file.st_atim.tv_sec, file.st_mtim.tv_sec);
	EXPECT_EQ(file.st_atim.tv_nsec, file.st_mtim.tv_nsec);
}

static void times_never_go_back(void)
{
	struct timespec before = { 0, 0 };
	char name[16];

	for (int i = 0; i < 50; i++) {
		struct timespec now;

		snprintf(name, sizeof(name), "f%d", i);
		file_make_mode(name, 0644);
		now = file_stat(name).st_ctim;
		EXPECT(now.tv_sec > before.tv_sec ||
		       (now.tv_sec == before.tv_sec && now.tv_nsec >= before.tv_nsec));
		before = now;
	}
}

static void device_numbers(void)
{
	EXPECT_OK(mknod("a", S_IFCHR | 0600, makedev(1, 3)));
	EXPECT_OK(mknod("b", S_IFBLK | 0600, makedev(259, 70000)));
	EXPECT(S_ISCHR(file_stat("a").st_mode));
	EXPECT_EQ(file_stat("a").st_rdev, makedev(1, 3));
	EXPECT(S_ISBLK(file_stat("b").st_mode));
	EXPECT_EQ(file_stat("b").st_rdev, makedev(259, 70000));
}

static void needs_search_permission(void)
{
	struct stat status;

	dir_make("d", 0700);
	file_make("d/f", "");
	become_user();
	EXPECT_ERR(stat("d/f", &status), EACCES);
	EXPECT_ERR(stat("d/missing", &status), EACCES);
	EXPECT_OK(stat("d", &status));
}

static void needs_no_permission_on_file(void)
{
	file_make_mode("f", 0);
	become_user();
	EXPECT_EQ(file_mode("f"), 0);
}

static struct statx statx_of(const char *path, unsigned mask)
{
	struct statx status;

	EXPECT_OK(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, mask, &status));
	return status;
}

static void statx_agrees_with_stat(void)
{
	struct statx extended;
	struct stat plain;

	file_make("f", "text");
	extended = statx_of("f", STATX_BASIC_STATS);
	plain = file_stat("f");
	EXPECT_EQ(extended.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	EXPECT_EQ(extended.stx_ino, plain.st_ino);
	EXPECT_EQ(extended.stx_mode, plain.st_mode);
	EXPECT_EQ(extended.stx_nlink, plain.st_nlink);
	EXPECT_EQ(extended.stx_uid, plain.st_uid);
	EXPECT_EQ(extended.stx_gid, plain.st_gid);
	EXPECT_EQ(extended.stx_size, plain.st_size);
	EXPECT_EQ(extended.stx_blocks, plain.st_blocks);
	EXPECT_EQ(extended.stx_mtime.tv_sec, plain.st_mtim.tv_sec);
	EXPECT_EQ(extended.stx_mtime.tv_nsec, plain.st_mtim.tv_nsec);
	EXPECT_EQ(extended.stx_ctime.tv_nsec, plain.st_ctim.tv_nsec);
	EXPECT_EQ(makedev(extended.stx_dev_major, extended.stx_dev_minor), plain.st_dev);
}

static void statx_synchronisation_flags(void)
{
	struct statx status;
	int fd = file_open_new("f");

	file_put(fd, "text", 4, 0);
	EXPECT_OK(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_SIZE, &status));
	EXPECT_EQ(status.stx_size, 4);
	EXPECT_OK(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &status));
	EXPECT_EQ(status.stx_size, 4);
	EXPECT_OK(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &status));
	EXPECT_EQ(status.stx_size, 4);
}

static void statx_bad_arguments(void)
{
	struct statx status;

	file_make("f", "");
	EXPECT_ERR(statx(AT_FDCWD, "f", 0x100000, STATX_BASIC_STATS, &status), EINVAL);
	EXPECT_ERR(statx(AT_FDCWD, "f", 0, 0x80000000u, &status), EINVAL);
	EXPECT_ERR(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_BASIC_STATS,
			 &status),
		   EINVAL);
	EXPECT_ERR(statx(AT_FDCWD, "missing", 0, STATX_BASIC_STATS, &status), ENOENT);
}

static void birth_time_never_changes(void)
{
	struct statx before;
	struct statx after;
	int fd = file_open_new("f");

	before = statx_of("f", STATX_BTIME | STATX_CTIME);
	EXPECT(before.stx_btime.tv_sec > 0);
	EXPECT(before.stx_btime.tv_sec <= before.stx_ctime.tv_sec);
	pause_tick();
	file_put(fd, "text", 4, 0);
	EXPECT_OK(chmod("f", 0600));
	EXPECT_OK(rename("f", "g"));
	after = statx_of("g", STATX_BTIME | STATX_CTIME);
	EXPECT_EQ(after.stx_btime.tv_sec, before.stx_btime.tv_sec);
	EXPECT_EQ(after.stx_btime.tv_nsec, before.stx_btime.tv_nsec);
}

static void birth_times_in_order(void)
{
	struct statx first;
	struct statx second;

	file_make("f", "");
	pause_tick();
	dir_make("d", 0755);
	first = statx_of("f", STATX_BTIME);
	second = statx_of("d", STATX_BTIME);
	EXPECT(second.stx_mask & STATX_BTIME);
	EXPECT_LATER(((struct timespec){ second.stx_btime.tv_sec, second.stx_btime.tv_nsec }),
		     ((struct timespec){ first.stx_btime.tv_sec, first.stx_btime.tv_nsec }));
}

const struct check stat_checks[] = {
	CHECK(stat, inode_is_stable),
	CHECK(stat, inodes_are_unique),
	CHECK(stat, one_device),
	CHECK(stat, types),
	CHECK(stat, follows_symlink),
	CHECK(stat, missing_names),
	CHECK(stat, missing_name_appears),
	CHECK(stat, empty_path_with_descriptor),
	CHECK(stat, blocks_count_data),
	CHECK(stat, blocks_leave_out_holes),
	CHECK(stat, new_file_times_agree),
	CHECK(stat, times_never_go_back),
	CHECK(stat, device_numbers, .needs = NEED_DEVICE),
	CHECK(stat, needs_search_permission, .needs = NEED_USERS),
	CHECK(stat, needs_no_permission_on_file, .needs = NEED_USERS),
	CHECK(stat, statx_agrees_with_stat),
	CHECK(stat, statx_synchronisation_flags),
	CHECK(stat, statx_bad_arguments),
	CHECK(stat, birth_time_never_changes, .needs = NEED_BTIME),
	CHECK(stat, birth_times_in_order, .needs = NEED_BTIME),
	CHECK_END,
};
