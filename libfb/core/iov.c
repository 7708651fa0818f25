/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/iov.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

void fb_iov_skip(struct iovec **iov, size_t *count, size_t size)
{
	while (*count > 0 && size >= (*iov)->iov_len) {
		size -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (size == 0)
		return;
	assert(*count > 0);
	(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + size;
	(*iov)->iov_len -= size;
}

void fb_iov_take(struct iovec **iov, size_t *count, void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t part;

		assert(*count > 0);
		part = (*iov)->iov_len < size - done ? (*iov)->iov_len : size - done;
		memcpy((uint8_t *)to + done, (*iov)->iov_base, part);
		done += part;
		fb_iov_skip(iov, count, part);
	}
	/* The copy is what counts from here on: it must not be read again from where it came. */
	__asm__ volatile("" ::: "memory");
}

void fb_iov_put(const struct iovec *iov, const void *from, size_t size)
{
	for (size_t done = 0; done < size; iov++) {
		size_t part = iov->iov_len < size - done ? iov->iov_len : size - done;

		memcpy(iov->iov_base, (const uint8_t *)from + done, part);
		done += part;
	}
}

size_t fb_iov_cut(struct iovec *iov, size_t count, size_t size)
{
	size_t left = 0;

	for (; left < count && size > 0; left++) {
		if (iov[left].iov_len > size)
			iov[left].iov_len = size;
		size -= iov[left].iov_len;
	}
	return left;
}
