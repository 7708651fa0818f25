/* SPDX-License-Identifier: BSD-3-Clause */
#include "program.h"

#include "expect.h"
#include "file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int program_fd = -1;

static int make_file(void)
{
	return mknod("made", S_IFREG | 0644, 0) < 0 ? 1 : 0;
}

static int wait_for_signal(void)
{
	int fd = open("never", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return 1;
	for (;;)
		pause();
}

void program_act(int argc, char **argv)
{
	if (argc < 2)
		return;
	if (strcmp(argv[1], PROGRAM_SUCCEED) == 0)
		_exit(PROGRAM_STATUS);
	if (strcmp(argv[1], PROGRAM_MAKE) == 0)
		_exit(make_file());
	if (strcmp(argv[1], PROGRAM_WAIT) == 0)
		_exit(wait_for_signal());
}

void program_init(const char *path)
{
	program_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (program_fd < 0)
		program_fd = open(path, O_RDONLY | O_CLOEXEC);
}

void program_copy(const char *path, mode_t mode)
{
	int fd = file_open_new(path);
	off_t offset = 0;
	char data[65536];
	ssize_t size;

	while ((size = EXPECT_OK(pread(program_fd, data, sizeof(data), offset))) > 0) {
		file_put(fd, data, (size_t)size, offset);
		offset += size;
	}
	EXPECT(offset > 0);
	EXPECT_OK(fchmod(fd, mode));
	EXPECT_OK(close(fd));
}
