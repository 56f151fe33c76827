"""All faults of all declarations at once, before a run meets them."""

import ast
import importlib
import inspect as signatures
from collections.abc import Iterator

from pydantic import BaseModel

from ml import specfile
from ml.settings import Settings
from ml.spec import ModelSpec


class CheckedFault(BaseModel):
    """One fault: where it is, what it is, and its cure. `line` counts from 1."""

    model: str
    file: str
    line: int
    key: str
    problem: str
    cure: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {key}{self.problem}. {self.cure}"


class CheckResult(BaseModel):
    """The models that were looked at, and every fault."""

    models: list[str]
    faults: list[CheckedFault]


def check(settings: Settings, model: str | None = None) -> CheckResult:
    """Looks at the declaration, the suite, the candidates' classes and the DAG file of one model, or of all. Changes nothing."""
    if model is not None:
        specfile.spec_path(settings, model)
    names = [model] if model is not None else specfile.model_names(settings)
    return CheckResult(models=names, faults=[fault for name in names for fault in _faults(settings, name)])


def _faults(settings: Settings, model: str) -> Iterator[CheckedFault]:
    spec, faults = specfile.inspect(specfile.spec_path(settings, model))
    for fault in faults:
        yield CheckedFault(model=model, file=fault.file, line=fault.line, key=fault.key, problem=fault.problem, cure=fault.cure)
    yield from _dag_faults(settings, model)
    if spec is not None:
        yield from _class_faults(settings, spec)
        yield from _secret_faults(settings, spec)
    from ml.validation import suites

    for problem in suites.inspect(settings, model):
        what, _, cure = problem.partition(". ")
        yield CheckedFault(model=model, file=f"expectations/{model}.json", line=1, key="", problem=what, cure=cure or "Correct it")


def _dag_faults(settings: Settings, model: str) -> Iterator[CheckedFault]:
    path = settings.dags / model / "dag.py"

    def fault(line: int, problem: str, cure: str) -> CheckedFault:
        return CheckedFault(model=model, file=f"dags/{model}/dag.py", line=line, key="", problem=problem, cure=cure)

    cure = "Make it: a docstring with the words Airflow and DAG, `from perennial_airflow.builder import build`, and `build(__file__)`"
    if not path.is_file():
        yield fault(1, "is missing, so Airflow shows no DAG of this model", cure)
        return
    text = path.read_text(encoding="utf-8")
    try:
        ast.parse(text)
    except SyntaxError as error:
        yield fault(error.lineno or 1, f"is not valid Python: {error.msg}", "Correct it")
        return
    missing = [word for word in ("dag", "airflow") if word not in text.lower()]
    if missing:
        yield fault(1, f"does not contain the word {missing[0]!r}: Airflow passes over such a file in silence", cure)
    if "build(__file__)" not in text:
        yield fault(1, "does not call build(__file__), so it makes no DAG", cure)


def _secret_faults(settings: Settings, spec: ModelSpec) -> Iterator[CheckedFault]:
    from ml.data.deliveries import has_secret

    source = spec.data.source
    urls = source.urls if source.kind == "files" else (source.url,)
    if any(has_secret(url) for url in urls):
        yield CheckedFault(
            model=spec.model,
            file=f"dags/{spec.model}/{specfile.FILE_NAME}",
            line=specfile.line_of(specfile.spec_path(settings, spec.model), "data", "source"),
            key="data.source",
            problem="a password or token seems to stand in the URL",
            cure="Write ${VARIABLE} in its place and set the variable in the environment",
        )


def _class_faults(settings: Settings, spec: ModelSpec) -> Iterator[CheckedFault]:
    for index, candidate in enumerate(spec.training.candidates):
        module, _, name = candidate.class_.rpartition(".")
        problem = None
        try:
            made = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            problem = f"{candidate.class_!r} cannot be imported: {error}"
        else:
            accepted = signatures.signature(made).parameters
            takes_any = any(one.kind is one.VAR_KEYWORD for one in accepted.values())
            unknown = sorted({*candidate.params, *candidate.search} - set(accepted)) if not takes_any else []
            if unknown:
                problem = f"{candidate.class_} takes no parameter {unknown[0]!r}"
        if problem is not None:
            yield CheckedFault(
                model=spec.model,
                file=f"dags/{spec.model}/{specfile.FILE_NAME}",
                line=specfile.line_of(specfile.spec_path(settings, spec.model), "training", "candidates", index),
                key=f"training.candidates.{index}",
                problem=problem,
                cure="Check the spelling, or install the package that has it",
            )
