"""Known accelerators: how fast they multiply, how much they hold, what an hour of one costs. No torch.

FLOP/s are peaks of dense matrices in bfloat16 with float32 sums, as the data sheets have them (half of what these print
"with sparsity"); float16 where a card has no bfloat16. GiB are what the driver shows. Sources, of NVIDIA unless said:
data sheets; for H100 SXM and PCIe the H100 architecture white paper, table 2; for B200 and GB200 the Blackwell
architecture brief (1 kW and 1.2 kW a card); for RTX 3090, 4090 and 5090 the GA102, Ada and RTX Blackwell white papers,
appendices; for MI250X, MI300X and MI325X AMD's data sheets, MI250X as one of its two dies, which torch shows apart.

Dollars an hour are assumptions: round figures of what clouds for such work asked for one card on demand in 2025.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Card:
    """One accelerator; `devices` are its names in `torch.cuda.get_device_name`, without the makers' words before."""

    name: str
    devices: tuple[str, ...]
    flops: float  # FLOP/s
    memory_gib: float
    dollars_per_hour: float
    dtype: Literal["bfloat16", "float16"] = "bfloat16"


_ALL = (
    Card("gb200", ("GB200",), 2500e12, 184, 6.0),
    Card("b200", ("B200",), 2250e12, 179, 5.0),
    Card("gh200", ("GH200 480GB",), 989.4e12, 95.6, 2.0),
    Card("h200", ("H200",), 989.4e12, 140.4, 3.5),
    Card("h200-nvl", ("H200 NVL",), 835.5e12, 140.4, 3.0),
    Card("h100-sxm", ("H100 80GB HBM3",), 989.4e12, 79.6, 2.5),
    Card("h100-nvl", ("H100 NVL",), 835.5e12, 93.6, 2.5),
    Card("h100-pcie", ("H100 PCIe", "H100 80GB HBM2e"), 756e12, 79.6, 2.0),
    Card("a100-sxm-80", ("A100-SXM4-80GB",), 312e12, 80, 1.6),
    Card("a100-sxm-40", ("A100-SXM4-40GB",), 312e12, 40, 1.3),
    Card("a100-pcie-80", ("A100 80GB PCIe",), 312e12, 80, 1.5),
    Card("a100-pcie-40", ("A100-PCIE-40GB",), 312e12, 40, 1.2),
    Card("l40s", ("L40S",), 362e12, 45, 1.0),
    Card("l40", ("L40",), 181e12, 45, 0.9),
    Card("l4", ("L4",), 121e12, 22.5, 0.6),
    Card("a40", ("A40",), 149.7e12, 45, 0.5),
    Card("a30", ("A30",), 165e12, 24, 0.5),
    Card("a10", ("A10",), 125e12, 22.5, 0.7),
    Card("a10g", ("A10G",), 70e12, 22.5, 1.0),
    Card("t4", ("T4",), 65e12, 15, 0.4, "float16"),
    Card("v100-sxm-32", ("V100-SXM2-32GB", "V100-SXM3-32GB"), 125e12, 32, 0.8, "float16"),
    Card("v100-sxm-16", ("V100-SXM2-16GB",), 125e12, 16, 0.6, "float16"),
    Card("v100-pcie-32", ("V100-PCIE-32GB",), 112e12, 32, 0.7, "float16"),
    Card("v100-pcie-16", ("V100-PCIE-16GB",), 112e12, 16, 0.5, "float16"),
    Card("rtx-6000-ada", ("RTX 6000 Ada Generation",), 364.2e12, 48, 0.8),
    Card("rtx-a6000", ("RTX A6000",), 154.8e12, 48, 0.5),
    Card("rtx-5090", ("RTX 5090",), 209.5e12, 31.8, 0.7),
    Card("rtx-4090", ("RTX 4090",), 165.2e12, 24, 0.4),
    Card("rtx-3090", ("RTX 3090",), 71e12, 24, 0.25),
    Card("mi325x", ("MI325X",), 1307.4e12, 256, 3.0),
    Card("mi300x", ("MI300X",), 1307.4e12, 192, 2.5),
    Card("mi250x", ("MI250X",), 191.5e12, 64, 0.7),
)
CARDS = {card.name: card for card in _ALL}
_BY_DEVICE = {device: card for card in _ALL for device in card.devices}
_MAKERS = ("NVIDIA ", "AMD ", "Tesla ", "GeForce ", "Instinct ")


def card_of(device_name: str) -> Card | None:
    """The card that `torch.cuda.get_device_name` calls so; None for one that is not known, and for a slice of one,
    whose share of the peak its name does not tell.

    "NVIDIA A100-SXM4-80GB" -> a100-sxm-80, "Tesla T4" -> t4, "NVIDIA A100-SXM4-80GB MIG 1g.10gb" -> None
    """
    for maker in _MAKERS:
        device_name = device_name.removeprefix(maker)
    return _BY_DEVICE.get(device_name)
