"""No test is left out in silence."""

from pathlib import Path

TESTS = Path(__file__).parent


def test_every_file_with_tests_has_a_name_that_pytest_collects() -> None:
    lost = [
        path
        for path in TESTS.rglob("*.py")
        if not path.name.startswith("test_")
        and any(line.startswith(("def test_", "class Test", "async def test_")) for line in path.read_text().splitlines())
    ]
    assert lost == []


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in TESTS.rglob("test_*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
