/* SPDX-License-Identifier: BSD-3-Clause */
/* Short words for what checks do all the time; each fails the check when it can not do it. */
#ifndef CONFORMANCE_FILE_H
#define CONFORMANCE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Create a new file, mode 0644, holding this text. */
void file_make(const char *path, const char *text);

/* Create a new empty file with exactly this mode, whatever the umask. */
void file_make_mode(const char *path, mode_t mode);

/* Create a new file, mode 0644, open for reading and writing. */
int file_open_new(const char *path);

/* Create a directory with exactly this mode. */
void dir_make(const char *path, mode_t mode);

/* The number of entries, "." and ".." left out. */
size_t dir_count(const char *path);

/* Attributes of the name itself, symlinks not followed. */
struct stat file_stat(const char *path);
struct stat file_stat_fd(int fd);
mode_t file_mode(const char *path); /* the 07777 bits */
ino_t file_inode(const char *path);
nlink_t file_links(const char *path);
off_t file_size(const char *path);
bool file_exists(const char *path);

/* Set the mode exactly. */
void file_chmod(const char *path, mode_t mode);

/* Write or read all bytes at an offset; fewer fail the check. */
void file_put(int fd, const void *data, size_t size, off_t offset);
void file_take(int fd, void *data, size_t size, off_t offset);

/* Bytes that differ from seed to seed and from place to place. */
void data_fill(void *data, size_t size, unsigned seed);

/* Fail unless these bytes of the file are zero. */
void file_expect_zeros(int fd, size_t size, off_t offset);

/* Sleep long enough for every file system's clock to advance. */
void pause_tick(void);
void pause_ms(unsigned duration_ms);

#endif
