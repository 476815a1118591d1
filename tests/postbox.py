"""A real SMTP server on loopback that keeps what it is given; it can be told to refuse a person, or to hang up."""

import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Talk)
        self.mails, self.refused, self.hangs_up = [], set(), False


class _Talk(socketserver.StreamRequestHandler):
    def handle(self):
        if self.server.hangs_up:
            return None
        self._say("220 post.hortus.example")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "QUIT":
                return self._say("221 bye")
            self._answer(word, line)
        return None

    def _answer(self, word, line):
        if word == "RCPT" and any(name in line for name in self.server.refused):
            self._say("550 no such person")
        elif word == "DATA":
            self._say("354 go on")
            self.server.mails.append(message_from_bytes(self._data(), policy=policy.default))
            self._say("250 kept")
        else:
            self._say("250 ok")

    def _data(self):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def postbox():
    """Give `.mails` (parsed), `.address` (host:port), `.refused` (names), `.hangs_up`."""
    with _Server() as server:
        server.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
