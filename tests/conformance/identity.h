/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other people. Real and effective ids change, the saved id stays 0, so a check may come back to
 * root. Only for checks with NEED_USERS.
 */
#ifndef CONFORMANCE_IDENTITY_H
#define CONFORMANCE_IDENTITY_H

#include <stddef.h>
#include <sys/types.h>

/* Choose the ids of the user; the stranger and the third group follow from them. */
void identity_init(uid_t uid, gid_t gid);

uid_t user_uid(void);
gid_t user_gid(void);
uid_t stranger_uid(void);
gid_t stranger_gid(void);
gid_t club_gid(void); /* a group that nobody has unless a check says so */

void become_user(void);     /* no supplementary groups */
void become_stranger(void); /* another uid and gid */
void become_member(void);   /* the user with the club as supplementary group */
void become_root(void);

/* -1 if the process can not do it. */
int identity_try_user(void);

/* Create a file or directory with exactly this mode, and give it away. */
void file_make_for(const char *path, mode_t mode, uid_t uid, gid_t gid);
void dir_make_for(const char *path, mode_t mode, uid_t uid, gid_t gid);

#endif
