"""An object store as one meets it, before moto's: slow to answer, now and then refusing or hanging up, and counted.

Who is refused depends on the request and on how often it was made, not on the order in which requests come in.
"""

import hashlib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
SLOW_DOWN = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message><RequestId>0</RequestId></Error>"""
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "expect"})


@contextmanager
def moto() -> Iterator[int]:
    """The port of a moto server in a process of its own."""
    command = [sys.executable, "-c", MOTO]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def aws_environment(port: int) -> dict[str, str]:
    """The variables that send s3:// to a server on this machine."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Seconds that a request waits, the share that is refused with 503, and the share that is carried out and then
    hung up on: in the middle of the answer where it has a body, before it otherwise."""

    delay: float = 0.05
    refused: float = 0.01
    dropped: float = 0.0
    seed: int = 0


FAIR = Weather(delay=0.0, refused=0.0)


@dataclass(frozen=True)
class Request:
    """What was asked: the method, what S3 calls it, bucket/key (or the bucket/prefix of a listing), the byte range."""

    method: str
    kind: str
    key: str
    range: str


@dataclass
class SlowStore:
    """A running proxy: its port, its weather (may be changed at any time), what it was asked, refusals included, and
    the most requests that it had at one time."""

    port: int
    weather: Weather
    most_at_once: int = 0
    _open: int = 0
    _asked: Counter[Request] = field(default_factory=Counter)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, request: Request) -> str:
        """Counts a request; its fate: "answered", "refused" or "dropped"."""
        with self._lock:
            self._asked[request] += 1
            luck = f"{self.weather.seed} {request} {self._asked[request]}"
            share = int.from_bytes(hashlib.blake2b(luck.encode(), digest_size=8).digest(), "big") / 2**64
            refused, dropped = self.weather.refused, self.weather.dropped
            fate = "refused" if share < refused else "dropped" if share < refused + dropped else "answered"
            self._outcomes[fate] += 1
            return fate

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Counts the requests that are in here at one time."""
        with self._lock:
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1

    @property
    def requests(self) -> Counter[Request]:
        """Everything that was asked since the last `forget`."""
        with self._lock:
            return self._asked.copy()

    @property
    def outcomes(self) -> Counter[str]:
        """How many requests were answered, refused, dropped."""
        with self._lock:
            return self._outcomes.copy()

    def counted(self, by: Callable[[Request], Any] = lambda request: (request.method, request.kind)) -> Counter[Any]:
        """Numbers of requests, by (method, kind) or by what else of a request."""
        counts: Counter[Any] = Counter()
        for request, number in self.requests.items():
            counts[by(request)] += number
        return counts

    def forget(self) -> None:
        """Begins the counts anew."""
        with self._lock:
            self._asked.clear()
            self._outcomes.clear()
            self.most_at_once = self._open


@contextmanager
def slow_store(behind: int, weather: Weather = FAIR) -> Iterator[SlowStore]:
    """A proxy on 127.0.0.1 before the store on port `behind`."""

    class Handler(_Proxy):
        upstream, store = behind, SlowStore(0, weather)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False  # clients keep connections open
        Handler.store.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Handler.store
        finally:
            server.shutdown()
            thread.join()


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body leave together: Nagle's algorithm would hold a second small packet back
    upstream: int
    store: SlowStore

    def setup(self) -> None:
        super().setup()
        self._behind = HTTPConnection("127.0.0.1", self.upstream)

    def finish(self) -> None:
        super().finish()
        self._behind.close()

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.store.at_work():
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        fate = self.store.note(_request(self.command, self.path, self.headers.get("Range", "")))
        time.sleep(self.store.weather.delay)
        if fate == "refused":
            return self._answer(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        self._behind.request(self.command, self.path, body, headers)
        answer = self._behind.getresponse()
        content = answer.read()
        if fate == "dropped":
            return self._hang_up(answer, content)
        return self._answer(answer.status, dict(answer.getheaders()), content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _answer(self, status: int, headers: dict[str, str], content: bytes, n_sent: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        told = headers.get("Content-Length", "0") if self.command == "HEAD" and status < 400 else str(len(content))
        self.send_header("Content-Length", told)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:n_sent])
        self.wfile.flush()

    def _hang_up(self, answer: HTTPResponse, content: bytes) -> None:
        if self.command == "GET" and content:
            self._answer(answer.status, dict(answer.getheaders()), content, len(content) // 2)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests are counted."""


def _request(method: str, target: str, span: str) -> Request:
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    key = unquote(parts.path.strip("/"))
    if "delete" in query or method == "DELETE":
        kind = "delete"
    elif "uploads" in query or "uploadId" in query:
        kind = "multipart"
    elif method == "GET" and ("/" not in key or "list-type" in query):
        kind, key = "list", f"{key}/{query.get('prefix', [''])[0]}"
    else:
        kind = method.lower()
    return Request(method, kind, key, span)
