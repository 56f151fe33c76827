"""What Airflow shows about a DAG: the declaration in words, with its hash, so that every change of it makes a new DAG version."""

from ml.spec import ModelSpec
from perennial_airflow.links import PREFIX

_TASKS = {
    "ingest": "`find` lists deliveries that were not judged yet; `ingest` accepts or **quarantines** each whole (each copy says which); "
    "`announce` wakes the other DAGs if rows were accepted. A quarantined delivery does not fail "
    "the run: `perennial quarantine list {model}` shows it.",
    "train": "`freeze` claims the open decisions and keeps declaration and dataset version for this run; `tune` searches each candidate, "
    "`combine` makes the declared ensembles of them; `gate` lets the best meet the champion on the same recent rows; `register` follows; "
    "`approve` waits for a person where `promotion.approval` is manual (Required Actions, or the task's own page) and is skipped "
    "otherwise; `promote` makes the winner champion; `give_back` opens the decisions again if the training failed.",
    "monitor": "`watch` scores the former champion beside a new one and rolls back if the new one is worse (it is skipped when the "
    "champion stays); `take_window` takes the rows since the last look; `measure` writes the Evidently report; `decide` writes the "
    "decision into the ledger; `announce` opens the claims of dead runs again and wakes the training while any "
    "decision is open, also when measuring failed (`announce_suggestion` wakes the question to a person); `keep_house` writes the "
    "[history]({prefix}/reports/{model}/history) anew and removes old reports; `alert` tells people what has begun and what is over "
    "(`monitoring.alerts`); `finish` makes the run fail if a step has. A window "
    "that cannot be measured is given up with a decision that says why.",
    "confirm": "`confirm` waits for a person (Required Actions, or the task's own page): shall a training that the policy suggests start? "
    "Without an answer within `retraining.answer_within` it is no; `announce` wakes the training after a yes. `perennial confirm {model}` "
    "answers by hand.",
    "replay": "`replay` plays retraining policies over the accepted history as `perennial replay {model}` does, and writes its "
    "[page]({prefix}/reports/{model}/replay); a second try goes on where the first one was. `suggest` asks a person (Required Actions, or "
    "the task's own page) where another policy than the declared one would have cost less. Without an answer within "
    "`retraining.answer_within` it is no; a yes is written down and changes nothing: `perennial replay {model} --apply` changes "
    "`model.yaml`.",
    "score": "`score` adds the champion's predictions for accepted rows that it has not scored.",
}


def doc_md(spec: ModelSpec, step: str, purpose: str) -> str:
    """Markdown for one DAG of the model."""
    facts = {
        "task": f"{spec.task}, target `{spec.target}`",
        "features": f"{len(spec.features.used)} columns",
        "candidates": ", ".join(f"`{candidate.name}`" for candidate in spec.training.candidates),
        "judged by": f"`{spec.metric}`, approval {spec.promotion.approval}",
        "retraining": spec.retraining.mode,
        "owner": spec.owner,
        "declaration": f"`dags/{spec.model}/model.yaml`, hash `{spec.hash()}`",
    }
    rows = "\n".join(f"| {name} | {_cell(text)} |" for name, text in facts.items())
    return (
        f"### {spec.model}: {purpose}\n\n{spec.description}\n\n{_TASKS[step].format(model=spec.model, prefix=PREFIX)}\n\n"
        f"| | |\n| --- | --- |\n{rows}\n\n"
        f"[Latest report]({PREFIX}/reports/{spec.model}/latest), [history]({PREFIX}/reports/{spec.model}/history)\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
