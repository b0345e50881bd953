# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The folded prior gives the density of the one that was trained."""

import pytest

torch = pytest.importorskip('torch', reason='export needs torch')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.export.compact_prior import CompactPrior  # noqa: E402
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig  # noqa: E402


@pytest.mark.parametrize('components', [5, 8])
@pytest.mark.parametrize('hidden_layers', [1, 2])
def test_density_is_that_of_the_trained_prior(components: int, hidden_layers: int) -> None:
    torch.manual_seed(3)
    config = PriorConfig(components=components, blocks=3, width=16, hidden_layers=hidden_layers)
    prior = FlowPrior(config, VIEW_CONDITIONS)
    prior.fit_components(torch.randn(200, 34) @ torch.randn(34, 34) + 0.5)
    for parameter in prior.parameters():  # away from the near-identity it starts as
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn_like(parameter)
    poses, condition = 20 * torch.randn(50, 34), torch.randn(50, VIEW_CONDITIONS)
    compact = CompactPrior(prior)
    with torch.no_grad():
        wanted = prior.negative_log_likelihood(prior.whitened(poses), condition)
        found = compact.negative_log_likelihood(compact.whitened(poses), condition)
    assert wanted.std() > 1.0
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)
