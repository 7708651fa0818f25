# SPDX-License-Identifier: BSD-3-Clause
"""The page that leads from pyfuse3 and fusepy names all that libfb.compat knows of them, and methods and
names of libfb's that are there. The package's sources are read, not run: SWIG need not be installed."""

import ast
import re

import pytest
from migrate_page import page, pairs, section, words
from pages import SOURCE

PAGE = "pyfuse3.md"
PACKAGE = SOURCE / "bindings" / "python" / "libfb"
NOT_OF_FUSEPY = {"init_with_config", "readdir_with_offset", "flock", "fallocate", "poll", "read_buf",
                 "write_buf", "use_ns"}


def tree(name):
    return ast.parse((PACKAGE / name).read_text(encoding="utf-8"))


def members(name, title):
    """Methods and attributes of a class, without those that begin with _."""
    body = next(node.body for node in tree(name).body
                if isinstance(node, ast.ClassDef) and node.name == title)
    found = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets)
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
    return {member for member in found if not member.startswith("_")}


def assigned(name, variable):
    """The value that a module gives a variable."""
    return next(node.value for node in tree(name).body
                if isinstance(node, (ast.Assign, ast.AnnAssign))
                and getattr(node.target if isinstance(node, ast.AnnAssign) else node.targets[0],
                            "id", "") == variable)


def exported(name):
    return set(ast.literal_eval(assigned(name, "__all__")))


def keys(name, variable):
    return {key.value for key in assigned(name, variable).keys}


def test_handlers_of_pyfuse3_are_complete():
    theirs = dict(pairs(PAGE, "Handlers of pyfuse3.Operations"))
    assert theirs.keys() == members("compat/pyfuse3/_operations.py", "Operations")


def test_handlers_are_those_of_the_installed_pyfuse3():
    pyfuse3 = pytest.importorskip("pyfuse3", reason="pyfuse3 is not installed: its handlers can not "
                                  "be compared")
    theirs = {name for name in vars(pyfuse3.Operations) if not name.startswith("_")}
    assert theirs - dict(pairs(PAGE, "Handlers of pyfuse3.Operations")).keys() == set()


def test_names_of_pyfuse3_are_complete():
    text = words(section(page(PAGE), "Functions and types of pyfuse3"))
    assert exported("compat/pyfuse3/__init__.py") - text == set()


def test_methods_of_fusepy_are_complete():
    theirs = dict(pairs(PAGE, "Methods of fusepy.Operations"))
    ours = members("compat/fusepy/_operations.py", "Operations")
    assert ours <= theirs.keys()
    assert theirs.keys() - ours == NOT_OF_FUSEPY


def test_names_and_options_of_fusepy_are_complete():
    text = words(section(page(PAGE), "Functions and options of fusepy"))
    assert exported("compat/fusepy/__init__.py") - {"WORKERS"} - text == set()
    for options in ("_SESSION", "_SETTINGS"):
        assert keys("compat/_options.py", options) - text == set()


def test_modules_that_are_replaced_are_all_there():
    table = section(page(PAGE), "Unchanged, on libfb.compat")
    assert {word for code in keys("compat/__init__.py", "_STANDS_FOR") for word in code.split(".")} \
        <= words(table)


@pytest.mark.parametrize("title,file,protocol", [
    ("Handlers of pyfuse3.Operations", "_node_operations.py", "NodeOperations"),
    ("Methods of fusepy.Operations", "_protocols.py", "PathOperations")])
def test_they_lead_to_methods_of_ours(title, file, protocol):
    ours = set(dict(pairs(PAGE, title)).values()) - {None}
    assert len(ours) > 20
    assert ours <= members(file, protocol)


def test_names_of_libfb_are_there():
    known = exported("__init__.py") | {"compat", "testing"}
    assert set(re.findall(r"\blibfb\.(\w+)", page(PAGE))) <= known


def test_methods_of_a_mount_are_there():
    used = set(re.findall(r"\bm\.(\w+)\(", page(PAGE)))
    there = (members("_mount.py", "Mount") | members("_server.py", "Server")
             | members("_notify.py", "Notifications"))
    assert len(used) > 5 and used <= there
