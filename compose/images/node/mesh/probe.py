"""Does the kernel have IPVS?

The engine asks the kernel by generic netlink for the family called "IPVS"; we
ask the very same question, so that engine and fallback cannot disagree. The
question is also a request: a kernel that has IPVS as a module loads it now.
"""

import socket
import struct
from pathlib import Path

DATA_PLANE = Path("/run/swarmlab/data-plane")

NETLINK_GENERIC = 16
GENL_ID_CTRL = 16  # the one family with a fixed number: it knows all the others
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_NAME = 2
NLM_F_REQUEST = 1
NLMSG_ERROR = 2


def ipvs_available() -> bool:
    """True when the kernel knows the generic netlink family IPVS."""
    return family_known("IPVS")


def family_known(name: str) -> bool:
    """Ask the kernel for a generic netlink family by its name.

    Raises OSError when the kernel does not speak generic netlink or stays silent
    for five seconds.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as kernel:
        kernel.settimeout(5)
        kernel.bind((0, 0))
        kernel.send(family_request(name))
        answer = kernel.recv(65536)
    (message_type,) = struct.unpack_from("=H", answer, 4)
    return bool(message_type != NLMSG_ERROR)


def family_request(name: str) -> bytes:
    """The netlink message: a header, the command, and the name as one attribute."""
    text = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(text), CTRL_ATTR_FAMILY_NAME) + text
    attribute += b"\0" * (-len(attribute) % 4)
    body = struct.pack("=BBH", CTRL_CMD_GETFAMILY, 1, 0) + attribute
    return struct.pack("=IHHII", 16 + len(body), GENL_ID_CTRL, NLM_F_REQUEST, 1, 0) + body


def record(data_plane: str) -> None:
    """Write which data plane is in force, `ipvs` or `nftables`, for others to read."""
    DATA_PLANE.parent.mkdir(parents=True, exist_ok=True)
    draft = DATA_PLANE.with_suffix(".new")
    draft.write_text(data_plane + "\n")
    draft.replace(DATA_PLANE)
