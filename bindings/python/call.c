/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Run one method: at once, as a coroutine, or to be answered later.
 */
#include "fbpy.h"

#include <errno.h>

struct fbpy_known fbpy_known;

static _Thread_local struct fbpy_call *current;

static void drop(struct fbpy_args *args)
{
	while (args->count > 1)
		Py_DECREF(args->values[--args->count]);
}

static int give_up(struct fbpy_call *call, struct fbpy_args *args)
{
	drop(args);
	return fbpy_error(call->fs, call->op);
}

/* Have the server take the first step of a coroutine, and perhaps the last. */
static PyObject *start(struct fbpy_call *call, PyObject *coroutine)
{
	/* Operations without an answer, such as release, have no request. */
	PyObject *request = call->req ? fbpy_request_make(call) : Py_NewRef(Py_None);
	PyObject *result;

	if (!request)
		return NULL;
	result = PyObject_CallMethod(call->fs->server, "_spawn", "OO", coroutine, request);
	Py_DECREF(request);
	return result;
}

static bool is_coroutine(PyObject *result)
{
	return PyCoro_CheckExact(result) || PyAsyncGen_CheckExact(result);
}

static bool is_taken(const struct fbpy_call *call)
{
	return call->request && ((struct fbpy_request *)call->request)->taken;
}

/*
 * A handler that took its request answers it through that, whatever it returns; when it failed, its error
 * is the answer unless there is one already.
 */
static int taken(struct fbpy_call *call, PyObject *result)
{
	struct fbpy_request *request = (struct fbpy_request *)call->request;
	int r;

	if (result)
		return FB_PENDING;
	r = fbpy_error(call->fs, call->op);
	if (!request->call.req)
		return FB_PENDING;
	request->taken = false;
	return r;
}

/* PENDING without take(): nobody would ever answer. */
static int settle(struct fbpy_call *call, PyObject *result)
{
	int r;

	if (is_taken(call)) {
		r = taken(call, result);
	} else if (!result) {
		r = fbpy_error(call->fs, call->op);
	} else if (result == fbpy_known.PENDING && call->lower_pending) {
		r = FB_PENDING;
	} else if (result == fbpy_known.PENDING && !call->req) {
		r = 0; /* release goes on as a task: nobody waits for its answer */
	} else if (result == fbpy_known.PENDING) {
		PyErr_SetString(PyExc_RuntimeError,
				"PENDING was returned, but the request was not taken: "
				"call libfb.take() first");
		r = fbpy_error(call->fs, call->op);
	} else {
		r = call->finish(call, result);
	}
	return r;
}

/*
 * A file that has lost its name, for a method that takes count values, not the handle which it still
 * has among them.
 */
static bool lost(const struct fbpy_call *call, const struct fbpy_args *args, int count)
{
	return call->req && call->fs->layer == FBPY_PATHS && args->values[1] == Py_None &&
	       args->file >= count;
}

int fbpy_run(struct fbpy_call *call, struct fbpy_args *args)
{
	const struct fbpy_method *method = &call->fs->methods[call->op];
	PyObject *result, *coroutine = NULL;
	int count = args->count, r;

	if (args->failed)
		return give_up(call, args);
	if (count > method->argc + 1)
		count = method->argc + 1;
	if (lost(call, args, count)) {
		drop(args);
		return -ESTALE;
	}
	call->outer = current;
	current = call;
	result = PyObject_VectorcallMethod(method->name, args->values, (size_t)count, NULL);
	if (result && is_coroutine(result)) {
		coroutine = result;
		result = start(call, coroutine);
	}
	current = call->outer;
	r = settle(call, result);
	fbpy_request_drop(call, r);
	Py_XDECREF(coroutine);
	Py_XDECREF(result);
	drop(args);
	return r;
}

struct fbpy_call *fbpy_current(void)
{
	return current;
}

PyObject *fbpy_request_current(void)
{
	if (!current) {
		PyErr_SetString(PyExc_RuntimeError, "no request is being handled in this thread");
		return NULL;
	}
	return fbpy_request_make(current);
}
