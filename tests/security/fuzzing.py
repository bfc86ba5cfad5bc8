"""Nonsense and near-sense for every operation of the OpenAPI document, asked as each role, every answer checked."""

from collections import Counter
from typing import Any

import msgspec
import schemathesis.checks
import schemathesis.openapi
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

LEFT_OUT = {
    "positive_data_acceptance": "a well-formed body may still not make sense: overlapping hours, a day that is over",
    "use_after_free": "is for chains of calls",
    "ensure_resource_availability": "is for chains of calls",
    "object_level_authorization": "the matrix of test_authorisation tries this for everybody",
}
"""Checks of schemathesis that do not apply, and why."""
# Their types are known in part only.
READ: Any = schemathesis.openapi.from_dict  # pyright: ignore[reportUnknownVariableType]
REGISTRY: Any = schemathesis.checks.CHECKS  # pyright: ignore[reportUnknownVariableType]
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example)


class Outcome(msgspec.Struct):
    """`statuses`: how many answers of each. `problems`: what was wrong, once each."""

    cases: int = 0
    statuses: Counter[int] = msgspec.field(default_factory=Counter)
    problems: list[str] = msgspec.field(default_factory=list)


def fuzz(
    url: str, documents: dict[GenerationMode, dict[str, Any]], token: str | None, *, cases: int, number: int, only: str
) -> Outcome:
    """So many cases that fit the document (POSITIVE) and so many that do not (NEGATIVE), for each operation; `only` for
    those whose method and path hold it. Blocks. `number` decides what is tried.
    """
    outcome = Outcome()
    for mode, document in documents.items():
        for result in READ(document).get_all_operations():
            operation = result.ok()
            if only in f"{operation.method.upper()} {operation.path}":
                _fuzz_operation(url, operation, mode, token, cases, number, outcome)
    return outcome


def _fuzz_operation(
    url: str, operation: Any, mode: GenerationMode, token: str | None, cases: int, number: int, outcome: Outcome
) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    left_out = REGISTRY.get_by_names([*LEFT_OUT])  # known once a document was read

    @seed(number)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        suppress_health_check=SLOW,
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(base_url=url, headers=headers, timeout=30)
        outcome.cases += 1
        outcome.statuses[response.status_code] += 1
        case.validate_response(response, excluded_checks=left_out, headers=headers)

    try:
        ask()
    except Unsatisfiable:
        return  # nothing can be wrong with a request that has no parts
    except BaseExceptionGroup as problems:
        outcome.problems += [f"{operation.method} {operation.path}: {each}" for each in problems.exceptions]
    except Exception as problem:
        outcome.problems.append(f"{operation.method} {operation.path}: {problem}")
