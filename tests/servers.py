"""A web server and an FTP server on this machine that misbehave as real ones do."""

from __future__ import annotations

import http.server
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Files(dict):
    """What a server holds, path -> content, and how it behaves; `asked` notes (path, Range) of each request."""

    def __init__(self, **contents: bytes) -> None:
        super().__init__({f"/{name}": content for name, content in contents.items()})
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""
        self.ranges = True          # whether it knows them
        self.etag: str | None = '"1"'
        self.replies: list[tuple[int, int, bytes]] = []  # (status, claimed length, body), given before any file
        self.dies_after: list[int] = []  # bytes that the next answers send before the connection is cut
        self.pause_s = 0.0          # between blocks of 64 kB
        self.moved: dict[str, str] = {}
        self.login: tuple[str, str] | None = None  # of FTP


class _Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        files = self.server.files
        wanted = self.headers.get("Range")
        files.asked.append((self.path, wanted))
        if files.replies:
            return self._send(*files.replies.pop(0))
        if self.path in files.moved:
            return self._send(302, 0, b"", Location=files.moved[self.path])
        if self.path not in files:
            return self._send(404, 4, b"none")
        body, start = files[self.path], 0
        if wanted and files.ranges and self.headers.get("If-Range", files.etag) == files.etag:
            start = int(re.match(r"bytes=(\d+)-", wanted)[1])
            if start >= len(body):
                return self._send(416, 0, b"", **{"Content-Range": f"bytes */{len(body)}"})
        headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        if files.etag:
            headers["ETag"] = files.etag
        rest = body[start:]
        self._send(206 if start else 200, len(rest), rest[: files.dies_after.pop(0)] if files.dies_after else rest, **headers)

    def _send(self, status: int, length: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for first in range(0, len(body), 1 << 16):
            self.wfile.write(body[first : first + (1 << 16)])
            self.server.stopped.wait(self.server.files.pause_s)

    def log_message(self, *_: object) -> None:
        pass


class _Ftp(socketserver.StreamRequestHandler):
    """As much of FTP as a passive download needs: USER, PASS, TYPE, SIZE, MDTM, PASV, REST, RETR, QUIT."""

    def handle(self) -> None:
        files, user, start = self.server.files, "", 0
        self._say("220 hello")
        for line in self.rfile:
            command, _, argument = line.decode().strip().partition(" ")
            if command == "USER":
                user = argument
                self._say("331 password?")
            elif command == "PASS":
                self._say("230 in" if files.login in (None, (user, argument)) else "530 Login incorrect.")
            elif command == "TYPE":
                self._say("200 ok")
            elif command in ("SIZE", "MDTM"):
                there = argument in files
                self._say(f"213 {len(files[argument]) if command == 'SIZE' else 20200101000000}" if there else "550 No such file.")
            elif command == "PASV":
                data = socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
                high, low = divmod(data.server_address[1], 256)
                self._say(f"227 Entering Passive Mode (127,0,0,1,{high},{low}).")
            elif command == "REST":
                start = int(argument)
                self._say("350 from there")
            elif command == "RETR":
                files.asked.append((argument, str(start)))
                connection, _ = data.get_request()
                self._say("150 coming")
                rest = files[argument][start:]
                connection.sendall(rest[: files.dies_after.pop(0)] if files.dies_after else rest)
                connection.close()
                data.server_close()
                self._say("226 done")
                start = 0
            elif command == "QUIT":
                return self._say("221 bye")
            else:
                self._say("502 unknown")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _FtpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def serve(files: Files, *, ftp: bool = False) -> Iterator[Files]:
    """Answer for the files while the block runs, at `files.url`."""
    kind = _FtpServer if ftp else http.server.ThreadingHTTPServer
    with kind(("127.0.0.1", 0), _Ftp if ftp else _Web) as running:
        running.files, running.stopped = files, threading.Event()
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        files.url = f"{'ftp' if ftp else 'http'}://127.0.0.1:{running.server_address[1]}"
        try:
            yield files
        finally:
            running.stopped.set()
            running.shutdown()
