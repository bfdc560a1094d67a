"""A file that is skipped while it is collected; run by tests/test_no_skip.py only."""

import pytest

pytest.skip("not this file", allow_module_level=True)
