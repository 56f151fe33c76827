"""`perennial check`: all faults of all models at once."""

from ml.jobs.check import check
from ml.settings import Settings
from tests.test_specfile import GOOD, write

DAG = '"""The Airflow DAGs of m."""\n\nfrom perennial_airflow.builder import build\n\nbuild(__file__)\n'


def test_faults_of_all_models_are_reported_together(settings: Settings) -> None:
    write(settings, GOOD.replace("LogisticRegression", "LogisticRegresion"), "m")
    write(settings, "model: [", "n")
    (settings.dags / "m" / "dag.py").write_text(DAG)
    found = check(settings)
    assert found.models == ["m", "n"]
    shown = [str(fault) for fault in found.faults]
    assert any(
        "dags/m/model.yaml:11: training.candidates.0: 'sklearn.linear_model.LogisticRegresion' cannot be imported" in one for one in shown
    )
    assert any("dags/n/model.yaml:1: not valid YAML" in one for one in shown)
    assert any("dags/n/dag.py:1: is missing" in one for one in shown)
    assert any("expectations/m.json" in one for one in shown)


def test_a_dag_file_that_airflow_would_pass_over_is_a_fault(settings: Settings) -> None:
    write(settings, GOOD)
    (settings.dags / "m" / "dag.py").write_text(DAG.split("\n", 2)[2].replace("perennial_airflow", "x"))
    assert any("Airflow passes over such a file in silence" in fault.problem for fault in check(settings, "m").faults)


def test_an_unknown_parameter_of_a_candidate_is_a_fault(settings: Settings) -> None:
    write(settings, GOOD + "      params: {colour: red}\n")
    assert any("takes no parameter 'colour'" in fault.problem for fault in check(settings, "m").faults)


def test_a_password_in_a_url_is_a_fault_and_a_variable_is_none(settings: Settings) -> None:
    def shown(url: str) -> list[str]:
        write(settings, GOOD.replace("urls: [m/*.csv]", f"urls: ['{url}']"))
        return [fault.problem for fault in check(settings, "m").faults if fault.key == "data.source"]

    assert shown("https://user:secret@host/in/*.csv") == ["a password or token seems to stand in the URL"]
    assert shown("https://user:${PASSWORD}@host/in/*.csv") == []
