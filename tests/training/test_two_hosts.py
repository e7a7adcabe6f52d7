"""A training on two hosts loses one of them, and ends as if nothing had been."""

import signal
from pathlib import Path

import pytest
from hosts import two_hosts
from small_run import outside
from two_host_run import SECONDS, STEPS, Training, copied, script, written
from waiting import soon

QUICKER = {
    "host0": "alpha",
    "--nproc-per-node 8": "--nproc-per-node 1",
    "--rdzv-id my_run": "--rdzv-id my_run --rdzv-conf keep_alive_interval=1,keep_alive_max_attempt=5",
    "sleep 10": "sleep 1",
}


def test_a_host_is_alone_but_for_the_other(tmp_path: Path) -> None:
    with two_hosts(tmp_path) as (alpha, beta):
        assert alpha.do("hostname") == "alpha\n"
        assert [route.split()[0] for route in beta.do("ip", "route").splitlines()] == ["10.77.0.0/24"]
        log = tmp_path / "log"
        sleeping = [host.start(["sh", "-c", "echo there; exec sleep 600"], log) for host in (alpha, beta)]
        soon(lambda: log.read_text().count("there") == 2, "both hosts at work")
        beta.kill()
        assert [process.poll() for process in sleeping] == [None, -signal.SIGKILL]
    assert sleeping[0].returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def together(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Two hosts, and nothing happens."""
    folder = tmp_path_factory.mktemp("together")
    run = copied(recipe, folder)
    with two_hosts(folder) as hosts:
        run.ends(*[run.start(host, script("torchrun", QUICKER | run.instead)) for host in hosts])
    return run


def test_two_hosts_train_as_one_process(recipe: Path, together: Training, tmp_path: Path) -> None:
    alone = copied(recipe, tmp_path)
    said = outside("train", recipe, "--root", alone.root)
    assert said.returncode == 0, said.stderr
    assert len(together.steps()) == STEPS
    for one, two in zip(alone.steps(), together.steps(), strict=True):
        assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.slow
def test_a_host_is_lost_and_comes_back(recipe: Path, together: Training, tmp_path: Path) -> None:
    run = copied(recipe, tmp_path)
    command = script("torchrun", QUICKER | run.instead)
    with two_hosts(tmp_path) as (alpha, beta):
        first, _ = run.start(alpha, command), run.start(beta, command)
        run.amid()
        beta.kill()
        run.ends(first, run.start(beta, command))
    said = (run.logs / "alpha").read_text()
    assert "Connection" in said
    assert "DistStoreError" not in said  # torchrun itself went on, not the loop around it
    same(run, together)


@pytest.mark.slow
def test_a_host_that_nobody_was_told_about(recipe: Path, together: Training, tmp_path: Path) -> None:
    """The other one waits for it, no longer than the recipe says."""
    run = copied(recipe, tmp_path)
    command = script("torchrun", QUICKER | run.instead | {"my.yaml": f"{recipe} --set training.run.timeout=20"})
    with two_hosts(tmp_path) as (alpha, beta):
        first, _ = run.start(alpha, command), run.start(beta, command)
        run.amid()
        beta.lose_power()
        soon(lambda: "Look at rank 1 first" in (run.logs / "alpha").read_text(), "the timeout", SECONDS)
        beta.boot()
        run.ends(first, run.start(beta, command))
    same(run, together)


@pytest.mark.slow
def test_the_host_that_keeps_the_list_is_lost(recipe: Path, together: Training, tmp_path: Path) -> None:
    """torchrun ends on the other one too, and the loop around it begins anew."""
    run = copied(recipe, tmp_path)
    command = script("torchrun", QUICKER | run.instead)
    with two_hosts(tmp_path) as (alpha, beta):
        _, second = run.start(alpha, command), run.start(beta, command)
        run.amid()
        alpha.kill()
        run.ends(second, run.start(alpha, command))
    assert "RendezvousConnectionError" in (run.logs / "beta").read_text()
    same(run, together)


def same(run: Training, other: Training) -> None:
    """Each step once, with the same figures, and the same weights, to the last bit."""
    assert run.steps() == other.steps()
    for name in ("model.safetensors", "manifest.json"):
        assert (run.model / name).read_bytes() == (other.model / name).read_bytes()
