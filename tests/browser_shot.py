"""Pictures of web pages as a person sees them, drawn by chromium without a window."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GRAPH = "document.querySelectorAll('.react-flow__node').length > 0"  # what Airflow draws a DAG's tasks with


def shoot(
    url: str,
    path: Path,
    size: tuple[int, int] = (1600, 1000),
    token: str | None = None,
    storage: Mapping[str, str] | None = None,
    ready: str = "true",
    timeout: float = 30,
) -> str:
    """The page's text; its picture is written to `path` once the JavaScript in `ready` is true and the text rests.

    `token` is put into Airflow's cookie, `storage` into the local storage, where its pages keep what they show.
    """
    with _page(size) as page:
        if token:
            _call(page, "Network.setCookie", name="_token", value=token, url=url)
        if storage:
            where = urlsplit(url)
            lines = "".join(f"localStorage.setItem({json.dumps(k)}, {json.dumps(v)});" for k, v in storage.items())
            _call(page, "Page.enable")  # without it the next call does nothing
            only = f"if (location.host === {json.dumps(where.netloc)}) {{ {lines} }}"
            _call(page, "Page.addScriptToEvaluateOnNewDocument", source=only)
        _call(page, "Page.navigate", url=url)
        end, texts = time.monotonic() + timeout, [""]
        # spinners are no sign: some of Airflow's are always there, unseen
        while len(texts[-1]) < 40 or set(texts[-4:]) != {texts[-1]} or not _value(page, ready):
            if time.monotonic() > end:
                path.write_bytes(_picture(page))
                raise TimeoutError(f"{url} is not ready after {timeout} s; {path} shows what it came to")
            time.sleep(0.4)
            texts.append(str(_value(page, "document.body?.innerText ?? ''")))
        path.write_bytes(_picture(page))
        return texts[-1]


@contextmanager
def _page(size: tuple[int, int]) -> Iterator[ClientConnection]:
    if CHROMIUM is None:
        raise FileNotFoundError("no chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        words = [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]
        words += [f"--window-size={size[0]},{size[1]}", f"--user-data-dir={folder}", "--remote-debugging-port=0"]
        browser = subprocess.Popen([*words, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(Path(folder) / "DevToolsActivePort"), max_size=None, proxy=None) as page:
                width, height = size
                _call(
                    page,
                    "Emulation.setDeviceMetricsOverride",
                    width=width,
                    height=height,
                    deviceScaleFactor=1,
                    mobile=False,
                )
                yield page
        finally:
            browser.terminate()
            try:
                browser.wait(timeout=10)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait(timeout=10)


def _address(port_file: Path) -> str:
    """The first page's DevTools socket, whose port chromium writes to a file in its profile."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if port_file.exists() and (lines := port_file.read_text().splitlines()):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{lines[0]}/json/list", timeout=10) as answer:
                pages = [one for one in json.load(answer) if one["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise TimeoutError("chromium did not open a page within 20 s")


_numbers = count(1)


def _call(page: ClientConnection, method: str, **params: Any) -> dict[str, Any]:
    number = next(_numbers)
    page.send(json.dumps({"id": number, "method": method, "params": params}))
    while (answer := json.loads(page.recv(timeout=30))).get("id") != number:
        pass  # events, and there are many
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']['message']}")
    return dict(answer["result"])


def _value(page: ClientConnection, script: str) -> Any:
    return _call(page, "Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")


def _picture(page: ClientConnection) -> bytes:
    return base64.b64decode(_call(page, "Page.captureScreenshot", format="png")["data"])
