"""Every case of the categories that are run, judged by the operation it names."""

from tests.cases.judges import JUDGES


def test_the_case_holds(case) -> None:
    assert case.op in JUDGES, f"nothing here knows the operation {case.op!r}"

    JUDGES[case.op](case.given, case.expect)
