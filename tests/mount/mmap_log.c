/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Usage: mmap_log FILE SECONDS PROCESSES
 *
 * A small store in the manner of lmdb: processes map one file, take a lock that lies in it, grow the
 * file, and append records through the mapping. Each process also reads the records of the others,
 * through its mapping and with pread, and checks them. At the end the number of records must be the
 * sum of what the processes wrote. Prints "operations N violations N"; 1 if there was a violation.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAP_SIZE = 64 << 20, GROWTH = 256 << 10, COMPLAINTS_MAX = 20 };

struct record {
	uint64_t number, author, filler[5], check;
};

struct head {
	pthread_mutex_t lock;
	uint64_t count; /* of records */
	uint64_t size;  /* of the file */
	_Atomic uint64_t written, violations;
};

static const size_t first_record = 4096;

static struct head *head;

#define COMPLAIN(...)                                                                              \
	do {                                                                                       \
		if (atomic_fetch_add(&head->violations, 1) < COMPLAINTS_MAX) {                     \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
		}                                                                                  \
	} while (0)

static uint64_t check_of(const struct record *record)
{
	uint64_t sum = record->number * 3 + record->author * 5;

	for (size_t i = 0; i < 5; i++)
		sum = sum * 31 + record->filler[i];
	return sum;
}

static struct record *record_at(uint64_t number)
{
	return (struct record *)((char *)head + first_record) + number;
}

static void check_record(const struct record *record, uint64_t number, const char *way)
{
	if (record->number != number || record->check != check_of(record))
		COMPLAIN("record %ju read by %s is damaged", (uintmax_t)number, way);
}

/* With the lock held. False when the file is as large as it may become. */
static bool append(int fd, uint64_t author)
{
	struct record *record = record_at(head->count);
	size_t end = first_record + (head->count + 1) * sizeof(*record);

	if (end > MAP_SIZE)
		return false;
	if (end > head->size) {
		if (ftruncate(fd, (off_t)(head->size + GROWTH)) < 0) {
			COMPLAIN("ftruncate: %s", strerror(errno));
			return false;
		}
		head->size += GROWTH;
	}
	record->number = head->count;
	record->author = author;
	for (size_t i = 0; i < 5; i++)
		record->filler[i] = head->count * 7 + i;
	record->check = check_of(record);
	head->count++;
	return true;
}

static void check_some(int fd, unsigned *seed)
{
	struct record copy;
	uint64_t number = head->count ? (uint64_t)rand_r(seed) % head->count : 0;
	off_t offset = (off_t)(first_record + number * sizeof(copy));

	if (!head->count)
		return;
	check_record(record_at(number), number, "mapping");
	if (pread(fd, &copy, sizeof(copy), offset) != (ssize_t)sizeof(copy))
		COMPLAIN("pread: %s", strerror(errno));
	else
		check_record(&copy, number, "pread");
}

static void work(const char *path, int seconds, unsigned author)
{
	time_t end = time(NULL) + seconds;
	unsigned seed = author;
	bool room = true;
	int fd = open(path, O_RDWR);

	head = fd < 0 ? MAP_FAILED :
			mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED)
		err(2, "%s", path);
	for (unsigned turn = 1; room && time(NULL) < end; turn++) {
		pthread_mutex_lock(&head->lock);
		room = append(fd, author);
		if (room)
			head->written++;
		check_some(fd, &seed);
		pthread_mutex_unlock(&head->lock);
		if (turn % 2000 == 0 && msync(head, first_record, MS_SYNC) < 0)
			COMPLAIN("msync: %s", strerror(errno));
	}
	close(fd);
}

static void make(const char *path)
{
	pthread_mutexattr_t attributes;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);

	if (fd < 0 || ftruncate(fd, GROWTH) < 0)
		err(2, "%s", path);
	head = mmap(NULL, first_record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED)
		err(2, "mmap");
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&head->lock, &attributes);
	head->size = GROWTH;
	close(fd);
}

static void check_all(const char *path)
{
	struct record record;
	FILE *file = fopen(path, "r");
	uint64_t count = head->count;

	if (!file || fseek(file, (long)first_record, SEEK_SET) < 0)
		err(2, "%s", path);
	if (count != head->written)
		COMPLAIN("%ju records, %ju were written", (uintmax_t)count,
			 (uintmax_t)head->written);
	for (uint64_t i = 0; i < count; i++) {
		if (fread(&record, sizeof(record), 1, file) != 1)
			COMPLAIN("the file ends before record %ju", (uintmax_t)i);
		else
			check_record(&record, i, "read");
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	int status;

	if (argc != 4)
		errx(2, "usage: mmap_log FILE SECONDS PROCESSES");
	make(argv[1]);
	for (int i = 0; i < atoi(argv[3]); i++) {
		if (fork() == 0) {
			work(argv[1], atoi(argv[2]), (unsigned)i + 1);
			_exit(0);
		}
	}
	while (wait(&status) > 0) {
		if (status != 0)
			COMPLAIN("a process ended with status %#x", status);
	}
	check_all(argv[1]);
	printf("operations %ju violations %ju\n", (uintmax_t)head->written,
	       (uintmax_t)head->violations);
	return head->violations ? 1 : 0;
}
