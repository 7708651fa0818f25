/* SPDX-License-Identifier: BSD-3-Clause */
#include "service.h"

#ifdef FB_HAVE_SYSTEMD

#include <systemd/sd-daemon.h>
#include <unistd.h>

void service_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s\nMAINPID=%d", status, (int)getpid());
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

void service_stopping(void)
{
}

#endif
