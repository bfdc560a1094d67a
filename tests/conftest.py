"""What holds for every test: no skip in CI, async tests, repeatable properties in CI."""

import asyncio
import inspect
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

END_TO_END = Path(__file__).parent / "e2e"
IN_CI = os.environ.get("CI") == "true"

# No deadline: a busy machine is not a bug; pytest's own timeout ends what hangs. CI draws the
# same examples each time, so that a failure there is the change's own; developers explore.
settings.register_profile("hinomi", deadline=None, print_blob=True, derandomize=IN_CI)
settings.load_profile("hinomi")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is end to end: `make test` runs the others side by side before it."""
    for item in items:
        if item.path.is_relative_to(END_TO_END):
            item.add_marker("alone")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test in a loop of its own, as the MicroPython runner does."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what was skipped, in CI; an expected failure is no skip."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a file that was skipped as a whole, in CI."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"With CI=true nothing may be skipped. {report.longrepr}"
