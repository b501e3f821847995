"""The fixed tensors of an assignment, as pytest fixtures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from safetensors.torch import load_file

from grader.assignment import Assignment
from grader.errors import UsageError


def fixed_tensors(assignment: Assignment) -> object:
    """A plug-in with one fixture per fixed tensor, by its name; each check gets a clone."""
    tensors: dict[str, torch.Tensor] = {}
    for path in (assignment.public_tensors, assignment.hidden_tensors):
        if path.is_file():
            found = load_file(path)
            if twice := sorted(set(found) & set(tensors)):
                raise UsageError(f"{path}: the tensor {twice[0]!r} is also in {assignment.public_tensors.name}")
            tensors.update(found)

    def fixture(tensor: torch.Tensor) -> Callable[..., torch.Tensor]:
        return lambda self: tensor.clone()  # noqa: ARG005 - pytest binds it to the plug-in

    made: Mapping[str, object] = {name: pytest.fixture(name=name)(fixture(tensor)) for name, tensor in tensors.items()}
    return type("FixedTensors", (), dict(made))()
