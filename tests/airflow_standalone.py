"""A real Airflow on loopback, all of its processes, asked through its REST API."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psutil

Json = dict[str, Any]
STANDALONE = ("airflow", "standalone")
T = TypeVar("T")


class Refused(Exception):
    """What the API answered instead of doing what was asked."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail = status, detail


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all differ, as each is held until the last is found."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


def settings(home: Path, dags: Path, ports: list[int]) -> dict[str, str]:
    """The environment of an Airflow that sees new files, lost tasks and dead schedulers within seconds."""
    api, task_logs, trigger_logs = (str(port) for port in ports)
    options = {
        "CORE__DAGS_FOLDER": dags,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 4,  # processes that LocalExecutor forks at once; 32 unless told
        "CORE__LOAD_EXAMPLES": False,
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,  # whoever comes is logged in
        "CORE__DEFAULT_TASK_RETRY_DELAY": 1,  # 300 unless told
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "API__HOST": "127.0.0.1",
        "API__PORT": api,
        "API__BASE_URL": f"http://127.0.0.1:{api}",  # the execution API's address follows from it
        "API__WORKERS": 1,
        "LOGGING__WORKER_LOG_SERVER_PORT": task_logs,
        "LOGGING__TRIGGER_LOG_SERVER_PORT": trigger_logs,
        "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": home / "bundles",
        "DAG_PROCESSOR__REFRESH_INTERVAL": 1,  # 300 unless told: new files
        "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": 1,
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 5,  # 30 unless told: changed files
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.3,
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 1,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": 6,  # after which a silent scheduler is dead; 30 unless told
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 2,  # its tasks are then given to another; 300 unless told
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 15,  # after which a silent task is dead; 300 unless told
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 2,
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,  # how soon a task hears that it is to end; 5 unless told
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",  # standalone calls `airflow`
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",  # what was said last is what matters after a failure
        **{f"AIRFLOW__{name}": str(value) for name, value in options.items()},
    }


def until(met: Callable[[], T | None], what: str, timeout: float) -> T:
    """What `met` gives as soon as it gives something true."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.2)
    raise TimeoutError(f"{what}: not within {timeout} s")


class Standalone:
    """`airflow standalone` in a folder of its own, from `with` to its end; afterwards none of its processes is left."""

    def __init__(
        self, home: Path, dags: Path, env: Mapping[str, str] | None = None, start: Sequence[str] = STANDALONE
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._start_words = start
        self.home, self.output = home, home / "standalone.log"
        ports = free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.env = settings(home, dags, ports) | dict(env or {})
        self._started: list[subprocess.Popen[bytes]] = []
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        try:
            self._start(self._start_words)
            until(self._healthy, "airflow standalone is not healthy", timeout=120)
            self.token: str = self._ask("GET", "/auth/token")["access_token"]
            self._client.headers["Authorization"] = f"Bearer {self.token}"
        except BaseException as error:
            self._end()
            error.add_note(f"the last of {self.output}:\n{self.tail()}")
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._end()
        if error is not None:
            error.add_note(f"the last of {self.output}:\n{self.tail()}")

    # ---- processes

    def processes(self) -> list[psutil.Process]:
        """All that live of this Airflow: its sessions, and whatever left them with its AIRFLOW_HOME."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def kill_scheduler(self) -> int:
        """The id of the scheduler, killed with no chance to do anything; its tasks' processes live on."""
        (scheduler,) = [one for one in self.processes() if _words(one)[-1:] == ["scheduler"]]
        scheduler.kill()
        until(lambda: not scheduler.is_running() or scheduler.status() == psutil.STATUS_ZOMBIE, "killed", timeout=10)
        return int(scheduler.pid)

    def start_scheduler(self) -> None:
        """Starts a scheduler again (`airflow standalone` does not) and waits until it is healthy."""
        started = datetime.now(UTC).isoformat()  # a heartbeat of the dead one counts as healthy for a while
        self._start(("airflow", "scheduler"))
        until(lambda: self._healthy(since=started), "the new scheduler is not healthy", timeout=60)

    def tail(self, lines: int = 60) -> str:
        """The last lines that Airflow's processes wrote, without those that only tell of their health."""
        written = self.output.read_text(errors="replace").splitlines()
        return "\n".join([line for line in written if "[info " not in line][-lines:])

    # ---- what the API tells

    def dags(self) -> dict[str, Json]:
        """DAGs by name."""
        return {dag["dag_id"]: dag for dag in self._ask("GET", "/api/v2/dags")["dags"]}

    def import_errors(self) -> dict[str, str]:
        """Why files give no DAG, by file name."""
        return {
            Path(e["filename"]).name: e["stack_trace"]
            for e in self._ask("GET", "/api/v2/importErrors")["import_errors"]
        }

    def dag_runs(self, dag_id: str) -> list[Json]:
        """Runs of a DAG, the newest last."""
        return list(self._ask("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"order_by": "id"})["dag_runs"])

    def task_instances(self, dag_id: str, run_id: str) -> list[Json]:
        """Tasks of a run with `task_id`, `map_index`, `state`, `try_number`, by name and number."""
        found = self._ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return sorted(found, key=lambda task: (task["task_id"], task["map_index"]))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Json:
        """One task of a run."""
        wanted = (task_id, map_index)
        return next(t for t in self.task_instances(dag_id, run_id) if (t["task_id"], t["map_index"]) == wanted)

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """A task's log, one line an event."""
        where = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        events = self._ask("GET", where, params={"map_index": map_index, "full_content": True})["content"]
        return "\n".join(event if isinstance(event, str) else _line(event) for event in events)

    def asset_events(self) -> list[Json]:
        """Events of assets with `uri`, `extra`, `source_dag_id` and the runs that they started, the oldest first."""

        def told() -> Json | None:
            try:
                answer: Json = self._ask("GET", "/api/v2/assets/events", params={"order_by": "timestamp"})
            except Refused as refused:
                if (
                    refused.status != 500
                ):  # 3.3 fails while a run that an event made has not begun: it has no start date
                    raise
                return None
            return answer

        return list(until(told, "the API gives no asset events", timeout=30)["asset_events"])

    # ---- what the API does

    def unpause(self, dag_id: str) -> None:
        """Lets a DAG run; new ones are paused."""
        self._ask("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Json | None = None, logical_date: str | None = None) -> str:
        """The id of a new run; `Refused` where the parameters are not what the DAG allows."""
        asked = {"conf": conf or {}, "logical_date": logical_date}
        return str(self._ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=asked)["dag_run_id"])

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Marks a task as "failed", "success" or "skipped", as the button does; what runs of it is ended."""
        where = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        at = {"map_index": map_index} if map_index >= 0 else {}
        self._ask("PATCH", where, params=at, json={"new_state": state})

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Has tasks and what comes after them done again, as the button does; what runs of them is ended."""
        how = {"dry_run": False, "only_failed": False, "include_downstream": True}
        asked = {**how, "dag_run_id": run_id, "task_ids": list(task_ids)}
        self._ask("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=asked)

    def wait(self, dag_id: str, run_id: str, states: Collection[str] = ("success",), timeout: float = 180) -> Json:
        """The run once it has one of `states`; where it ends otherwise, an error with its tasks' states."""

        def ended() -> Json | None:
            run: Json = self._ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
            if run["state"] in states:
                return run
            if run["state"] in ("success", "failed"):
                raise AssertionError(f"{dag_id} {run_id} is {run['state']}: {self._states(dag_id, run_id)}")
            return None

        try:
            return until(ended, f"{dag_id} {run_id} is not {' or '.join(states)}", timeout)
        except TimeoutError as error:
            error.add_note(self._states(dag_id, run_id))
            raise

    def wait_task(
        self, dag_id: str, run_id: str, task_id: str, states: Collection[str], map_index: int = -1, timeout: float = 120
    ) -> Json:
        """The task once it has one of `states`."""

        def there() -> Json | None:
            task = self.task(dag_id, run_id, task_id, map_index)
            return task if task["state"] in states else None

        return until(there, f"{dag_id} {run_id} {task_id} is not {' or '.join(states)}", timeout)

    # ---- inside

    def _start(self, words: Sequence[str]) -> None:
        with self.output.open("ab") as output:
            self._started.append(
                subprocess.Popen(
                    words,
                    env=self.env,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _healthy(self, since: str = "") -> bool:
        if all(process.poll() is not None for process in self._started):
            raise RuntimeError(f"airflow ended with {self._started[-1].returncode}")
        try:
            parts = self._client.get("/api/v2/monitor/health").raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return False
        beat = parts["scheduler"]["latest_scheduler_heartbeat"] or ""  # ISO 8601 sorts by time
        wanted = (parts[name]["status"] for name in ("metadatabase", "scheduler", "dag_processor"))
        return all(status == "healthy" for status in wanted) and beat > since

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            in_session = os.getsid(process.pid) in {one.pid for one in self._started}
            ours = in_session or process.environ().get("AIRFLOW_HOME") == str(self.home)
            return bool(ours and process.status() != psutil.STATUS_ZOMBIE)
        except (psutil.Error, OSError):
            return False

    def _end(self) -> None:
        self._client.close()
        # by process, not by group: Airflow gives every task a process group of its own
        for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
            for process in self.processes():
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                until(lambda: not self.processes(), "ended", patience)
        for one in self._started:
            one.wait(timeout=10)
        if left := self.processes():
            raise AssertionError(f"processes of Airflow that outlive SIGKILL: {[_words(one) for one in left]}")

    def _states(self, dag_id: str, run_id: str) -> str:
        return ", ".join(
            f"{t['task_id']}[{t['map_index']}] {t['state']} (try {t['try_number']})"
            for t in self.task_instances(dag_id, run_id)
        )

    def _ask(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = self._client.request(method, path, **kwargs)
        if answer.is_success:
            return answer.json()
        try:
            detail = answer.json()["detail"]
        except (ValueError, KeyError):
            detail = answer.text
        raise Refused(answer.status_code, detail if isinstance(detail, str) else str(detail))


def _words(process: psutil.Process) -> list[str]:
    try:
        return " ".join(process.cmdline()).split()
    except psutil.Error:
        return []


def _line(event: Json) -> str:
    causes = [f"{cause['exc_type']}: {cause['exc_value']}" for cause in event.get("error_detail") or ()]
    return " ".join([str(event.get("event")), *causes])
