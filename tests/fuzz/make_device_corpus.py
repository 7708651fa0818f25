#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the first inputs of vhost_fuzz and ring_fuzz: usage: make_device_corpus.py CORPUS"""
import pathlib
import struct
import sys

NEED_REPLY = 8
(GET_FEATURES, SET_FEATURES, SET_OWNER, _, SET_MEM_TABLE, SET_LOG_BASE, _, NUM, ADDR, BASE, GET_BASE, KICK, CALL,
 ERR, GET_PROTOCOL, SET_PROTOCOL, QUEUE_NUM, ENABLE) = range(1, 19)  # fmt: skip
BACKEND_FD, GET_CONFIG, RESET, SLOTS, ADD, REMOVE = 21, 24, 34, 36, 37, 38
STATE, CHECK = 42, 43
SAVE, LOAD = 0, 1
MEMORY, EVENT = 0, 1  # which descriptor comes first


def step(request, payload=b"", fds=0, first=MEMORY, flags=NEED_REPLY):
    return struct.pack("BBBBB", request, flags, fds | first << 4, len(payload), 0) + payload


def handshake(protocol):
    return b"".join([
        step(GET_FEATURES), step(GET_PROTOCOL), step(SET_PROTOCOL, struct.pack("Q", protocol)), step(QUEUE_NUM),
        step(SLOTS), step(BACKEND_FD, fds=1, first=EVENT), step(SET_OWNER), step(GET_FEATURES),
        step(SET_FEATURES, struct.pack("Q", 0x170000000)),
    ])  # fmt: skip


def region(request, fds=1):
    return step(request, struct.pack("5Q", 0, 0, 1 << 20, 1 << 30, 0), fds)


def ring(index, user):
    return b"".join([
        step(NUM, struct.pack("II", index, 16)), step(BASE, struct.pack("II", index, 0)),
        step(ADDR, struct.pack("IIQQQQ", index, 0, user, user + 0x400, user + 0x200, 0)),
        step(KICK, struct.pack("Q", index), 1, EVENT), step(CALL, struct.pack("Q", index), 1, EVENT),
        step(ERR, struct.pack("Q", index), 1, EVENT), step(ENABLE, struct.pack("II", index, 1)),
    ])  # fmt: skip


def vhost():
    protocol = 0xA42B | 1 << 9
    start = handshake(protocol) + region(ADD) + ring(0, 1 << 30) + ring(1, (1 << 30) + 0x1000)
    yield "start", start
    yield "stop", start + b"".join(step(GET_BASE, struct.pack("II", i, 0)) for i in range(3))
    yield "reset", start + step(RESET) + step(SET_OWNER) + region(ADD) + ring(1, 1 << 30)
    yield "remove", start + region(REMOVE, 0) + region(ADD)
    table = struct.pack("II4Q", 1, 0, 0, 1 << 20, 1 << 30, 0)
    yield "table", handshake(protocol) + step(SET_MEM_TABLE, table, 1) + ring(2, 1 << 30)
    log = step(SET_LOG_BASE, struct.pack("QQ", 4096, 0), 1) + step(SET_FEATURES, struct.pack("Q", 0x174000000))
    yield "log", start + log + ring(2, (1 << 30) + 0x2000)
    moving = handshake(protocol | 1 << 19)
    save, load = (step(STATE, struct.pack("II", way, 0), 1) for way in (SAVE, LOAD))
    stuck = step(STATE, struct.pack("II", LOAD, 0), 1, EVENT)
    yield "save", moving + save + step(CHECK) + region(ADD) + ring(1, 1 << 30) + save
    yield "load", moving + load + step(CHECK) + step(CHECK) + ring(1, 1 << 30)
    yield "stuck", moving + stuck + save + step(GET_FEATURES) + step(RESET) + step(CHECK) + stuck
    yield "config", handshake(protocol) + step(GET_CONFIG, struct.pack("III", 0, 40, 1) + bytes(40))


def rings():
    desc, avail, request, table, offer, kick = range(6)
    yield "plain", bytes([0, offer, 0, 0, kick, 0, 0])
    yield "no_features", bytes([3, offer, 0, 0, kick, 0, 0])
    yield "indirect", bytes([0, offer, 2, 0, kick, 0, 0])
    yield "twice", bytes([4, offer, 0, 0, offer, 0, 0, kick, 0, 0])
    yield "idx", bytes([0, avail, 0, 4, 0, 0, 17, 0])
    yield "loop", bytes([0, desc, 0, 16]) + struct.pack("QIHH", 0, 0, 1, 0) + bytes([offer, 0, 0])
    read = struct.pack("IIQQIIIHH", 80, 15, 2, 2, 0, 0, 0, 0, 0) + struct.pack("QQIIQII", 0, 0, 4000, 0, 0, 0, 0)
    size = struct.pack("I", 80)
    yield "read", bytes([0, request, 0, 80]) + read + bytes([desc, 1, 4]) + size + bytes([offer, 0, 0])
    write = struct.pack("IIQQIIIHH", 90, 16, 2, 2, 0, 0, 0, 0, 0) + struct.pack("QQIIQII", 0, 0, 10, 0, 0, 0, 0) + bytes(10)
    yield "write", bytes([0, request, 0, 90]) + write + bytes([desc, 1, 4]) + struct.pack("I", 90) + bytes([offer, 0, 0])
    yield "table", bytes([0, table, 2, 16]) + struct.pack("QIHH", 0, 16, 4, 0) + bytes([offer, 2, 0])


def main(corpus):
    for folder, inputs in (("vhost", vhost()), ("ring", rings())):
        (corpus / folder).mkdir(parents=True, exist_ok=True)
        for name, data in inputs:
            (corpus / folder / name).write_bytes(data)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
