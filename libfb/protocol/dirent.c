/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/dirent.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "protocol/pack.h"

static size_t align8(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static size_t head_size(bool plus)
{
	return plus ? sizeof(struct fb_wire_direntplus) : sizeof(struct fb_wire_dirent);
}

static bool is_dot_name(const char *name, size_t len)
{
	return (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
}

static bool is_name(const char *name, size_t len)
{
	return len > 0 && len <= FB_NAME_MAX && !memchr(name, '/', len) && !memchr(name, 0, len);
}

size_t fb_dirent_size(size_t name_len, bool plus)
{
	return align8(head_size(plus) + name_len);
}

bool fb_dirent_valid(const struct fb_dirent *dirent)
{
	return dirent->ino != 0 && is_name(dirent->name, dirent->name_len);
}

int fb_dirent_add(void *to, size_t room, bool plus, const struct fb_dirent *dirent,
		  const struct fb_entry *entry)
{
	struct fb_wire_direntplus head = {
		.dirent = {
			.ino = dirent->ino,
			.off = dirent->cookie,
			.namelen = (uint32_t)dirent->name_len,
			.type = dirent->type,
		},
	};
	size_t before = head_size(plus), size;
	uint8_t *at = to;

	if (!fb_dirent_valid(dirent))
		return -EINVAL;
	size = fb_dirent_size(dirent->name_len, plus);
	if (size > room)
		return -ENOBUFS;
	if (plus && entry && entry->node != 0 && !is_dot_name(dirent->name, dirent->name_len))
		fb_pack_entry(entry, &head.entry_out);
	memcpy(at, plus ? (const void *)&head : &head.dirent, before);
	memcpy(at + before, dirent->name, dirent->name_len);
	memset(at + before + dirent->name_len, 0, size - before - dirent->name_len);
	assert(size % 8 == 0 && size <= room);
	return (int)size;
}

int fb_dirent_next(const void *stream, size_t size, bool plus, size_t *at,
		   struct fb_dirent_view *ret_view)
{
	struct fb_wire_direntplus head = { .dirent = { .ino = 0 } };
	const uint8_t *from = (const uint8_t *)stream + *at;
	size_t before = head_size(plus), left = size - *at;
	const char *name;

	assert(*at <= size);
	if (left == 0)
		return 0;
	if (left < before)
		return -EINVAL;
	memcpy(plus ? (void *)&head : &head.dirent, from, before);
	if (head.dirent.namelen > FB_NAME_MAX || fb_dirent_size(head.dirent.namelen, plus) > left)
		return -EINVAL;
	name = (const char *)from + before;
	if (head.dirent.ino == 0 || !is_name(name, head.dirent.namelen))
		return -EINVAL;
	*ret_view = (struct fb_dirent_view){
		.dirent = {
			.ino = head.dirent.ino,
			.cookie = head.dirent.off,
			.type = head.dirent.type,
			.name = name,
			.name_len = head.dirent.namelen,
		},
		.node = is_dot_name(name, head.dirent.namelen) ? 0 : head.entry_out.nodeid,
		.entry = head.entry_out,
	};
	*at += fb_dirent_size(head.dirent.namelen, plus);
	return 1;
}
