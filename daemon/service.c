/* SPDX-License-Identifier: BSD-3-Clause */
#include "service.h"

#ifdef FB_HAVE_SYSTEMD

#include <stdbool.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

void service_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s\nMAINPID=%d", status, (int)getpid());
}

/* Whether descriptor fd listens at path; NULL: anywhere. */
static bool listens_at(int fd, const char *path)
{
	return sd_is_socket_unix(fd, SOCK_STREAM, 1, path, 0) > 0;
}

int service_sockets(void)
{
	int count = sd_listen_fds(0);

	return count > 0 ? count : 0;
}

int service_socket(const char *path)
{
	int count = service_sockets();

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++)
		if (listens_at(fd, path))
			return fd;
	return -1;
}

void service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

#else

void service_ready(const char *status)
{
	(void)status;
}

int service_sockets(void)
{
	return 0;
}

int service_socket(const char *path)
{
	(void)path;
	return -1;
}

void service_stopping(void)
{
}

#endif
