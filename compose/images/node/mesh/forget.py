"""Make the kernel forget connections: `python3 -m mesh.forget MARK…`.

The kernel chooses a task for the first packet of a connection and remembers the
choice (conntrack), for udp as long as packets keep coming. When a task is gone
that memory must go too, or its callers would talk to nobody for ever. After it
the next packet counts as a new connection: udp finds another task, and a tcp
caller learns at once that its peer is lost, since the new task resets it.
"""

import socket
import struct
import sys
from collections.abc import Iterable

NETLINK_NETFILTER = 12
DELETE_CONNECTIONS = (1 << 8) | 2  # subsystem ctnetlink, command delete
NLM_F_REQUEST, NLM_F_ACK = 1, 4
CTA_MARK, CTA_MARK_MASK = 8, 21
ALL_BITS = 0xFFFFFFFF


def forget(marks: Iterable[int]) -> None:
    """Delete every connection of this network namespace that has one of the marks.

    Raises OSError when the kernel refuses.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.settimeout(5)
        kernel.bind((0, 0))
        for mark in marks:
            kernel.send(request(mark))
            (error,) = struct.unpack_from("=i", kernel.recv(4096), 16)
            if error:
                raise OSError(-error, "the kernel does not forget connections")


def request(mark: int) -> bytes:
    """A delete that names no connection but a mark: the kernel deletes all that match."""
    body = struct.pack("=BBH", socket.AF_INET, 0, 0)
    for kind, value in ((CTA_MARK, mark), (CTA_MARK_MASK, ALL_BITS)):
        body += struct.pack("=HH", 8, kind) + struct.pack("!I", value)
    flags = NLM_F_REQUEST | NLM_F_ACK
    return struct.pack("=IHHII", 16 + len(body), DELETE_CONNECTIONS, flags, 1, 0) + body


if __name__ == "__main__":
    forget(int(argument) for argument in sys.argv[1:])
