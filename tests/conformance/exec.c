/* SPDX-License-Identifier: BSD-3-Clause */
/* Running programs. The program is a copy of this one, told to end at once with a status. */
#include "groups.h"
#include "program.h"

#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { NOT_STARTED = 77 };

static pid_t start(const char *path, const char *word)
{
	pid_t pid = EXPECT_OK(fork());

	if (pid == 0) {
		char *const environment[] = { NULL };
		char *const arguments[] = { (char *)"program", (char *)word, NULL };

		execve(path, arguments, environment);
		_exit(NOT_STARTED);
	}
	return pid;
}

static int try_exec(const char *path)
{
	char *const none[] = { (char *)"program", (char *)PROGRAM_SUCCEED, NULL };

	return execve(path, none, none + 2);
}

static void make_script(const char *path, const char *first_line)
{
	file_make(path, first_line);
	EXPECT_OK(chmod(path, 0755));
}

static void binary(void)
{
	program_copy("program", 0755);
	EXPECT_STATUS(start("./program", PROGRAM_SUCCEED), PROGRAM_STATUS);
	EXPECT_OK(rename("program", "moved"));
	EXPECT_STATUS(start("./moved", PROGRAM_SUCCEED), PROGRAM_STATUS);
}

static void script(void)
{
	program_copy("program", 0755);
	make_script("script", "#!./program " PROGRAM_SUCCEED "\n");
	EXPECT_STATUS(start("./script", NULL), PROGRAM_STATUS);
}

static void script_without_interpreter(void)
{
	make_script("script", "#!./missing\n");
	EXPECT_ERR(try_exec("./script"), ENOENT);
}

static void unknown_format(void)
{
	make_script("text", "neither binary nor script\n");
	EXPECT_ERR(try_exec("./text"), ENOEXEC);
}

static void needs_execute_bit(void)
{
	program_copy("program", 0644);
	EXPECT_ERR(try_exec("./program"), EACCES);
	EXPECT_OK(chmod("program", 0744));
	EXPECT_STATUS(start("./program", PROGRAM_SUCCEED), PROGRAM_STATUS);
}

static void needs_execute_bit_of_own_class(void)
{
	program_copy("program", 0766);
	become_user();
	EXPECT_ERR(try_exec("./program"), EACCES);
	become_root();
	EXPECT_OK(chmod("program", 0701));
	become_user();
	EXPECT_STATUS(start("./program", PROGRAM_SUCCEED), PROGRAM_STATUS);
}

static void directory_and_fifo_refused(void)
{
	dir_make("d", 0755);
	EXPECT_OK(mkfifo("p", 0755));
	EXPECT_ERR(try_exec("./d"), EACCES);
	EXPECT_ERR(try_exec("./p"), EACCES);
	EXPECT_ERR(try_exec("./missing"), ENOENT);
}

static void by_descriptor(void)
{
	char *const arguments[] = { (char *)"program", (char *)PROGRAM_SUCCEED, NULL };
	pid_t pid;
	int fd;

	program_copy("program", 0755);
	fd = EXPECT_OK(open("program", O_RDONLY | O_CLOEXEC));
	EXPECT_OK(unlink("program"));
	pid = EXPECT_OK(fork());
	if (pid == 0) {
		execveat(fd, "", arguments, arguments + 2, AT_EMPTY_PATH);
		_exit(NOT_STARTED);
	}
	EXPECT_STATUS(pid, PROGRAM_STATUS);
}

static void open_for_writing_refused(void)
{
	int fd;

	program_copy("program", 0755);
	fd = EXPECT_OK(open("program", O_WRONLY | O_CLOEXEC));
	EXPECT_ERR(try_exec("./program"), ETXTBSY);
	EXPECT_OK(close(fd));
	EXPECT_STATUS(start("./program", PROGRAM_SUCCEED), PROGRAM_STATUS);
}

/* A copy of the program that runs until somebody kills it. */
static pid_t start_endless(void)
{
	pid_t pid;

	program_copy("program", 0755);
	EXPECT_OK(mkfifo("never", 0600));
	pid = start("./program", PROGRAM_WAIT);
	/* The program opens the FIFO once it runs, which lets this open return. */
	EXPECT_OK(close(EXPECT_OK(open("never", O_RDONLY))));
	return pid;
}

static void stop_endless(pid_t pid)
{
	int status;

	EXPECT_OK(kill(pid, SIGKILL));
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFSIGNALED(status));
}

static void running_program_can_not_be_written(void)
{
	pid_t pid = start_endless();

	EXPECT_ERR(open("program", O_WRONLY), ETXTBSY);
	EXPECT_ERR(open("program", O_RDWR | O_TRUNC), ETXTBSY);
	EXPECT_ERR(truncate("program", 0), ETXTBSY);
	EXPECT_OK(open("program", O_RDONLY));
	EXPECT(file_size("program") > 0);
	stop_endless(pid);
	EXPECT_OK(open("program", O_WRONLY));
}

static void running_program_can_be_replaced(void)
{
	pid_t pid = start_endless();

	file_make("new", "text");
	EXPECT_OK(rename("new", "program"));
	EXPECT_TEXT("program", "text");
	EXPECT_OK(unlink("program"));
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	stop_endless(pid);
}

static void setuid_program(void)
{
	struct statvfs status;

	EXPECT_OK(statvfs(".", &status));
	if (status.f_flag & ST_NOSUID)
		expect_skip("mounted nosuid");
	program_copy("program", 0755);
	EXPECT_OK(chown("program", stranger_uid(), stranger_gid()));
	EXPECT_OK(chmod("program", 06755));
	EXPECT_OK(chmod(".", 0777));
	become_user();
	EXPECT_STATUS(start("./program", PROGRAM_MAKE), 0);
	EXPECT_EQ(file_stat("made").st_uid, stranger_uid());
	EXPECT_EQ(file_stat("made").st_gid, stranger_gid());
}

const struct check exec_checks[] = {
	CHECK(exec, binary, .needs = NEED_EXEC),
	CHECK(exec, script, .needs = NEED_EXEC),
	CHECK(exec, script_without_interpreter, .needs = NEED_EXEC),
	CHECK(exec, unknown_format, .needs = NEED_EXEC),
	CHECK(exec, needs_execute_bit, .needs = NEED_EXEC),
	CHECK(exec, needs_execute_bit_of_own_class, .needs = NEED_EXEC | NEED_USERS),
	CHECK(exec, directory_and_fifo_refused, .needs = NEED_EXEC),
	CHECK(exec, by_descriptor, .needs = NEED_EXEC),
	CHECK(exec, open_for_writing_refused, .needs = NEED_EXEC),
	CHECK(exec, running_program_can_not_be_written, .needs = NEED_EXEC),
	CHECK(exec, running_program_can_be_replaced, .needs = NEED_EXEC),
	CHECK(exec, setuid_program, .needs = NEED_EXEC | NEED_USERS),
	CHECK_END,
};
