/* SPDX-License-Identifier: BSD-3-Clause */
#include "identity.h"

#include "expect.h"
#include "file.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

static uid_t chosen_uid = 65534;
static gid_t chosen_gid = 65534;

void identity_init(uid_t uid, gid_t gid)
{
	chosen_uid = uid;
	chosen_gid = gid;
}

uid_t user_uid(void)
{
	return chosen_uid;
}

gid_t user_gid(void)
{
	return chosen_gid;
}

uid_t stranger_uid(void)
{
	return chosen_uid - 1;
}

gid_t stranger_gid(void)
{
	return chosen_gid - 1;
}

gid_t club_gid(void)
{
	return chosen_gid - 2;
}

/* Groups first: once the effective uid has left 0, they can not be changed. */
static int try_become(uid_t uid, gid_t gid, size_t group_count, const gid_t *groups)
{
	if (geteuid() != 0 && setresuid(0, 0, 0) < 0)
		return -1;
	if (setgroups(group_count, groups) < 0 || setresgid(gid, gid, 0) < 0)
		return -1;
	return setresuid(uid, uid, 0);
}

int identity_try_user(void)
{
	return try_become(chosen_uid, chosen_gid, 0, NULL);
}

void become_user(void)
{
	EXPECT_OK(identity_try_user());
}

void become_stranger(void)
{
	EXPECT_OK(try_become(stranger_uid(), stranger_gid(), 0, NULL));
}

void become_member(void)
{
	gid_t club = club_gid();

	EXPECT_OK(try_become(chosen_uid, chosen_gid, 1, &club));
}

void become_root(void)
{
	EXPECT_OK(try_become(0, 0, 0, NULL));
}

void file_make_for(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	file_make_mode(path, 0600);
	EXPECT_OK(lchown(path, uid, gid));
	file_chmod(path, mode);
}

void dir_make_for(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	EXPECT_OK(mkdir(path, 0700));
	EXPECT_OK(lchown(path, uid, gid));
	file_chmod(path, mode);
}
