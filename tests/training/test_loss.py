import pytest
import torch
import torch.nn.functional as F

from training import loss
from training.loss import fusible_nats, nats, softmax_nats, token_nats
from training.objective import IGNORED


@pytest.fixture
def case(monkeypatch):
    """hidden_ND, output_VD, targets_N of 11 tokens in pieces of 4, two of them ignored."""
    monkeypatch.setitem(loss.PIECE_TOKENS, "cpu", 4)
    torch.manual_seed(0)
    targets_N = torch.randint(0, 50, (11,))
    targets_N[[2, 9]] = IGNORED
    return torch.randn(11, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True), targets_N


def test_equals_the_plain_loss_and_its_gradient(case):
    hidden_ND, output_VD, targets_N = case
    plain = F.cross_entropy(hidden_ND @ output_VD.T, targets_N, reduction="sum") / 9
    expected = torch.autograd.grad(plain, (hidden_ND, output_VD))
    ours = nats(hidden_ND, output_VD, targets_N) / 9
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(torch.autograd.grad(ours, (hidden_ND, output_VD)), expected)


@pytest.mark.parametrize("biased", [False, True])
def test_both_forms_agree(biased):
    torch.manual_seed(0)
    logits_CV, targets_C = 30 * torch.randn(9, 40), torch.randint(0, 40, (9,))
    targets_C[4], logits_CV[2, 7] = IGNORED, 1e4
    bias_V = torch.randn(40) if biased else None
    for ours, theirs in zip(
        softmax_nats(logits_CV, targets_C, bias_V), fusible_nats(logits_CV, targets_C, bias_V), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_bias_of_the_output_is_learnt(case):
    hidden_ND, output_VD, targets_N = case
    bias_V = torch.randn(50, requires_grad=True)
    of = (hidden_ND, output_VD, bias_V)
    plain = F.cross_entropy(hidden_ND @ output_VD.T + bias_V, targets_N, reduction="sum")
    ours = nats(hidden_ND, output_VD, targets_N, bias_V)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(torch.autograd.grad(ours, of), torch.autograd.grad(plain, of))
    torch.testing.assert_close(token_nats(hidden_ND, output_VD, targets_N, bias_V).sum(), plain)


def test_equals_the_plain_loss_in_bfloat16(case):
    hidden_ND, output_VD, targets_N = case
    plain = nats(hidden_ND, output_VD, targets_N)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = nats(hidden_ND, output_VD, targets_N)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, plain, rtol=0.02, atol=0.1)
    for ours, expected in zip(torch.autograd.grad(mixed, case[:2]), torch.autograd.grad(plain, case[:2]), strict=True):
        assert ours.dtype == torch.float32
        assert (ours - expected).norm() < 0.03 * expected.norm()


def test_token_nats_add_up_and_leave_out_the_ignored(case):
    hidden_ND, output_VD, targets_N = case
    each_N = token_nats(hidden_ND, output_VD, targets_N)
    torch.testing.assert_close(each_N.sum(), nats(hidden_ND, output_VD, targets_N))
    assert each_N[[2, 9]].tolist() == [0, 0]


def test_a_certain_mistake_stays_finite():
    hidden_ND, output_VD = torch.tensor([[1000.0]], requires_grad=True), torch.tensor([[1.0], [-1.0]])
    total = nats(hidden_ND, output_VD, torch.tensor([1]))
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(hidden_ND.grad).all()
