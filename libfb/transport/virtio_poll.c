/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtio_poll.h"

#include "core/stats.h"
#include "transport/virtio_ring.h"

/* As KVM has it (halt_poll_ns). */
#define LENGTH_MAX_NS 200000u
#define LENGTH_START_NS 12500u
/* After it has turned out to be in the guest's way. */
#define PAUSE_NS 10000000u
#define SPINS 16u

/* Leave the processor's other thread some room. */
static void spin(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void fb_virtio_poll(struct fb_virtio_poll *poll, struct fb_virtio_ring *ring)
{
	uint64_t end;

	poll->failed = false;
	if (poll->length_ns == 0 || fb_ring_waits(ring))
		return;
	end = fb_now_ns() + poll->length_ns;
	do {
		for (unsigned i = 0; i < SPINS; i++)
			spin();
		if (fb_ring_waits(ring))
			return;
	} while (fb_now_ns() < end);
	poll->failed = true;
}

void fb_virtio_poll_asleep(struct fb_virtio_poll *poll)
{
	poll->asleep_ns = fb_now_ns();
}

void fb_virtio_poll_woken(struct fb_virtio_poll *poll)
{
	uint64_t now, slept;

	if (poll->asleep_ns == 0)
		return;
	now = fb_now_ns();
	slept = now - poll->asleep_ns;
	poll->asleep_ns = 0;
	if (slept > LENGTH_MAX_NS) {
		poll->length_ns = 0;
	} else if (poll->failed && poll->length_ns >= LENGTH_MAX_NS) {
		poll->length_ns = 0;
		poll->not_before_ns = now + PAUSE_NS;
	} else if (poll->length_ns > 0 && poll->length_ns < LENGTH_MAX_NS) {
		poll->length_ns *= 2;
	} else if (poll->length_ns == 0 && now >= poll->not_before_ns) {
		poll->length_ns = LENGTH_START_NS;
	}
}
