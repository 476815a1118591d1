"""What kind of message a kernel sent, for the people who read the meter; the room writes it, so nothing rests on it."""

import struct

import orjson

PROTOCOL = "v1.kernel.websocket.jupyter.org"
_LONGEST_HEADER = 4096
_CHANNELS = frozenset({b"shell", b"iopub", b"stdin", b"control"})
_TYPES = frozenset(
    {
        "stream", "display_data", "update_display_data", "execute_result", "execute_input", "error", "status",
        "execute_reply", "kernel_info_reply", "complete_reply", "inspect_reply", "is_complete_reply", "debug_reply",
        "debug_event", "comm_open", "comm_msg", "comm_close", "comm_info_reply", "clear_output", "input_request",
        "history_reply", "interrupt_reply", "shutdown_reply",
    }
)  # fmt: skip


def label(frame: bytes) -> str:
    """Name a frame `channel.type`; `bad` if it is not what the protocol says."""
    try:
        (count,) = struct.unpack_from("<Q", frame)
        if not 3 <= count <= 64:  # noqa: PLR2004 -- a channel, a header and what follows them
            return "bad"
        first, second, third = struct.unpack_from("<3Q", frame, 8)
        if not 8 * (count + 1) <= first <= second <= third <= len(frame) or third - second > _LONGEST_HEADER:
            return "bad"
        kind = orjson.loads(frame[second:third])["msg_type"]
        named = kind in _TYPES
    except (struct.error, orjson.JSONDecodeError, KeyError, TypeError):
        return "bad"
    channel = frame[first:second]
    if channel not in _CHANNELS or not named:
        return "other"
    return f"{channel.decode()}.{kind}"
