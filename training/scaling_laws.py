"""How large a model and how many tokens make the lowest loss of a given number of FLOPs: C = 6 N D.

The laws were fitted to decoders that saw each token once. Legend: C FLOPs, N parameters, D tokens.
"""

from dataclasses import dataclass

TOKENS_PER_PARAM = 20.0
"""Hoffmann et al. 2022 ("Chinchilla"), approaches 1 and 2: N and D grow alike with C; table 3 has 20 to 22."""
NEAR = 2.0
"""Within this factor of the rule a run counts as near it: from 1e20 FLOPs on, its loss is there within 0.01 nats of the
lowest, by Besiroglu et al.'s fit."""


@dataclass(frozen=True)
class Optimal:
    """What a law says of a number of FLOPs."""

    law: str
    n_params: float
    tokens: float


@dataclass(frozen=True)
class Fit:
    """loss = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, section 3.3, approach 3)."""

    name: str
    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, n_params: float, tokens: float) -> float:
        """Nats a token."""
        return float(self.E + self.A / n_params**self.alpha + self.B / tokens**self.beta)

    def optimal(self, flops: float) -> Optimal:
        """The minimum of the loss where 6 N D = flops (equation 4)."""
        both = self.alpha + self.beta
        ratio = (self.alpha * self.A / (self.beta * self.B)) ** (1 / both)
        n_params = ratio * (flops / 6) ** (self.beta / both)
        return Optimal(self.name, n_params, flops / 6 / n_params)


HOFFMANN = Fit("Hoffmann et al. 2022, approach 3", 1.69, 406.4, 410.7, 0.34, 0.28)  # equation 10
BESIROGLU = Fit("Besiroglu et al. 2024", 1.8172, 482.01, 2085.43, 0.3478, 0.3658)  # the same data, fitted again


def optima(flops: float) -> list[Optimal]:
    """What the laws say: the rule of thumb first."""
    n_params = (flops / (6 * TOKENS_PER_PARAM)) ** 0.5
    rule = Optimal("20 tokens a parameter", n_params, TOKENS_PER_PARAM * n_params)
    return [rule, HOFFMANN.optimal(flops), BESIROGLU.optimal(flops)]


def verdict(n_params: float, tokens: float) -> str:
    """Whether a model of so many parameters sees few or many tokens for its size."""
    share = tokens / n_params / TOKENS_PER_PARAM
    if share < 1 / NEAR:
        return "under-trained for its size: a smaller model on more tokens would be better for these FLOPs"
    if share > NEAR:
        return "trained beyond the optimum: a larger model would be better for these FLOPs, but dearer to use"
    return "near the optimum for these FLOPs"
