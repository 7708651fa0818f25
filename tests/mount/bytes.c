/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: bytes append|mixed FILE SECONDS THREADS
 *
 * append: threads with a descriptor each append records with O_APPEND; at the end every record must
 *   be there once, whole, and those of one thread in their order.
 * mixed: threads write, truncate, punch holes into and map one file. The byte at an offset is always
 *   made from the offset, so whoever reads must find that byte or 0. SIGBUS behind the end is normal.
 *
 * Prints "operations N violations N"; the exit status is 1 if there was one.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	THREADS_MAX = 64,
	FILE_MAX = 1 << 20,
	PIECE_MAX = 16384,
	COMPLAINTS_MAX = 20,
	RECORDS_MAX = 1 << 20,
};

struct record {
	uint32_t thread, sequence;
	uint64_t filler[6];
	uint64_t check;
};

struct thread {
	pthread_t id;
	uint32_t number;
	unsigned seed;
	uint32_t written;
};

static const char *path;
static atomic_bool stop;
static atomic_ulong operations, violations;
static _Thread_local sigjmp_buf behind_the_end;

#define COMPLAIN(...)                                                                              \
	do {                                                                                       \
		if (atomic_fetch_add(&violations, 1) < COMPLAINTS_MAX) {                           \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
		}                                                                                  \
	} while (0)

static unsigned draw(struct thread *self, unsigned limit)
{
	return (unsigned)rand_r(&self->seed) % limit;
}

/* ---- append ----------------------------------------------------------------------------------------- */

static void make_record(struct record *record, uint32_t thread, uint32_t sequence)
{
	record->thread = thread;
	record->sequence = sequence;
	for (size_t i = 0; i < 6; i++)
		record->filler[i] = ((uint64_t)sequence << 32 | thread) * (i + 3);
	record->check = record->filler[0] ^ record->filler[5] ^ UINT64_C(0x5aa55aa5);
}

static void *append(void *arg)
{
	struct thread *self = arg;
	struct record record;
	int fd = open(path, O_WRONLY | O_APPEND);

	if (fd < 0) {
		COMPLAIN("open: %s", strerror(errno));
		return NULL;
	}
	while (!stop && self->written < RECORDS_MAX) {
		make_record(&record, self->number, self->written);
		if (write(fd, &record, sizeof(record)) != (ssize_t)sizeof(record))
			COMPLAIN("append: %s", strerror(errno));
		else
			self->written++;
		operations++;
		if (self->written % 1000 == 0) {
			close(fd);
			fd = open(path, O_WRONLY | O_APPEND);
		}
	}
	close(fd);
	return NULL;
}

static void check_records(const struct thread *threads, unsigned count)
{
	uint32_t next[THREADS_MAX] = { 0 };
	struct record found, wanted;
	FILE *file = fopen(path, "r");

	while (file && fread(&found, sizeof(found), 1, file) == 1) {
		if (found.thread >= count) {
			COMPLAIN("a record is of no thread: %u", found.thread);
			break;
		}
		make_record(&wanted, found.thread, next[found.thread]++);
		if (memcmp(&found, &wanted, sizeof(found)) != 0)
			COMPLAIN("thread %u: record %u where %u was expected", found.thread,
				 found.sequence, wanted.sequence);
	}
	for (unsigned i = 0; i < count; i++) {
		if (next[i] != threads[i].written)
			COMPLAIN("thread %u: %u records of %u", i, next[i], threads[i].written);
	}
	if (file)
		fclose(file);
}

/* ---- mixed ------------------------------------------------------------------------------------------- */

static unsigned char byte_at(size_t offset)
{
	return (unsigned char)(1 + offset * 31 % 251);
}

static void check_bytes(const volatile unsigned char *bytes, size_t size, size_t offset)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = bytes[i];

		if (byte != 0 && byte != byte_at(offset + i)) {
			COMPLAIN("byte %zu is %d, neither 0 nor %d", offset + i, byte,
				 byte_at(offset + i));
			return;
		}
	}
}

static void catch_bus(int signal)
{
	(void)signal;
	siglongjmp(behind_the_end, 1);
}

static void touch_mapping(struct thread *self, unsigned char *map, bool writes)
{
	size_t offset = draw(self, FILE_MAX - PIECE_MAX), size = draw(self, PIECE_MAX);

	if (sigsetjmp(behind_the_end, 1) != 0)
		return;
	if (!writes)
		return check_bytes(map + offset, size, offset);
	for (size_t i = 0; i < size; i++)
		((volatile unsigned char *)map)[offset + i] = byte_at(offset + i);
}

static void one_piece(struct thread *self, int fd, unsigned char *map)
{
	unsigned char piece[PIECE_MAX];
	size_t offset = draw(self, FILE_MAX - PIECE_MAX), size = draw(self, PIECE_MAX);
	ssize_t got;

	switch (draw(self, 8)) {
	case 0:
		if (ftruncate(fd, draw(self, FILE_MAX)) < 0)
			COMPLAIN("ftruncate: %s", strerror(errno));
		break;
	case 1:
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			      (off_t)size + 1) < 0 &&
		    errno != EOPNOTSUPP)
			COMPLAIN("fallocate: %s", strerror(errno));
		break;
	case 2:
	case 3:
	case 4:
		for (size_t i = 0; i < size; i++)
			piece[i] = byte_at(offset + i);
		got = pwrite(fd, piece, size, (off_t)offset);
		if (got != (ssize_t)size)
			COMPLAIN("pwrite of %zu gave %zd: %s", size, got, strerror(errno));
		break;
	case 5:
		got = pread(fd, piece, size, (off_t)offset);
		if (got < 0)
			COMPLAIN("pread: %s", strerror(errno));
		else
			check_bytes(piece, (size_t)got, offset);
		break;
	default:
		touch_mapping(self, map, draw(self, 2));
	}
}

static void *mixed(void *arg)
{
	struct thread *self = arg;
	int fd = open(path, O_RDWR);
	void *map = mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || map == MAP_FAILED) {
		COMPLAIN("open, mmap: %s", strerror(errno));
		return NULL;
	}
	while (!stop) {
		one_piece(self, fd, map);
		operations++;
	}
	munmap(map, FILE_MAX);
	close(fd);
	return NULL;
}

static void check_file(void)
{
	unsigned char *bytes = malloc(FILE_MAX);
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, bytes, FILE_MAX);

	if (got < 0)
		COMPLAIN("the last read: %s", strerror(errno));
	else
		check_bytes(bytes, (size_t)got, 0);
	close(fd);
	free(bytes);
}

int main(int argc, char **argv)
{
	static struct thread threads[THREADS_MAX];
	struct sigaction action = { .sa_handler = catch_bus };
	bool appends = argc > 1 && !strcmp(argv[1], "append");
	unsigned count;
	int fd;

	if (argc != 5 || (count = (unsigned)atoi(argv[4])) == 0 || count > THREADS_MAX)
		errx(2, "usage: bytes append|mixed FILE SECONDS THREADS");
	path = argv[2];
	sigaction(SIGBUS, &action, NULL);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
	if (fd < 0 || close(fd) < 0)
		err(2, "%s", path);
	for (unsigned i = 0; i < count; i++) {
		threads[i].number = i;
		threads[i].seed = i + 1;
		if (pthread_create(&threads[i].id, NULL, appends ? append : mixed, &threads[i]))
			errx(2, "no thread");
	}
	sleep((unsigned)atoi(argv[3]));
	stop = true;
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i].id, NULL);
	if (appends)
		check_records(threads, count);
	else
		check_file();
	printf("operations %lu violations %lu\n", operations, violations);
	return violations ? 1 : 0;
}
