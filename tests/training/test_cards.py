"""Accelerators by the names that torch gives them."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from lightning.fabric.utilities.throughput import get_available_flops

from training.cards import CARDS, card_of

AS_TORCH_SAYS = {
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H100 NVL": "h100-nvl",
    "NVIDIA H200": "h200",
    "NVIDIA GH200 480GB": "gh200",
    "NVIDIA B200": "b200",
    "NVIDIA GB200": "gb200",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80",
    "A100-SXM4-40GB": "a100-sxm-40",
    "NVIDIA A100 80GB PCIe": "a100-pcie-80",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40",
    "NVIDIA L40S": "l40s",
    "NVIDIA L4": "l4",
    "NVIDIA A10": "a10",
    "NVIDIA A10G": "a10g",
    "Tesla T4": "t4",
    "Tesla V100-SXM2-16GB": "v100-sxm-16",
    "NVIDIA Tesla V100-PCIE-32GB": "v100-pcie-32",
    "NVIDIA GeForce RTX 3090": "rtx-3090",
    "GeForce RTX 3090": "rtx-3090",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "NVIDIA RTX 6000 Ada Generation": "rtx-6000-ada",
    "AMD Instinct MI300X": "mi300x",
}


@pytest.mark.parametrize(("device", "name"), AS_TORCH_SAYS.items())
def test_a_card_is_known_by_its_device_s_name(device, name):
    assert card_of(device) == CARDS[name]


@pytest.mark.parametrize(
    "device", ["", "cpu", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", "NVIDIA GeForce RTX 3090 Ti", "NVIDIA H100"]
)
def test_another_name_is_not_guessed_at(device):
    assert card_of(device) is None


@pytest.mark.parametrize(
    "device",
    [
        "NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA A100-SXM4-80GB", "NVIDIA A100-PCIE-40GB", "NVIDIA L4",
        "Tesla T4", "Tesla V100-SXM2-16GB", "Tesla V100-PCIE-32GB",
    ],
)  # fmt: skip
def test_peaks_are_those_that_lightning_knows(device, monkeypatch):
    """Of the cards whose dense tensor cores its table has, too."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: device)
    card = card_of(device)
    assert card.flops == get_available_flops(SimpleNamespace(type="cuda"), getattr(torch, card.dtype))


def test_every_device_names_one_card():
    assert all(name == card.name for name, card in CARDS.items())
    devices = [device for card in CARDS.values() for device in card.devices]
    assert len(devices) == len(set(devices))


def test_no_torch_is_imported():
    code = "import sys, training.cards; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
