"""Names of readers and data sets without the folders of this machine."""

from __future__ import annotations

import pytest

from reader.names import plain_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("embedded", "embedded"),
        ("deepset/bert-base-uncased-squad2@main", "deepset/bert-base-uncased-squad2@main"),
        ("rajpurkar/squad_v2:validation (first 100)", "rajpurkar/squad_v2:validation (first 100)"),
        ("the held-out part of the training data", "the held-out part of the training data"),
        ("/home/ada/dev-v2.0.json", "dev-v2.0.json"),
        ("data/dev-v2.0.json (first 1,000)", "dev-v2.0.json (first 1,000)"),
        ("data/questions.csv (50 of 200)", "questions.csv (50 of 200)"),
        ("~/questions.csv", "questions.csv"),
        ("../my-reader", "my-reader"),
        ("work/readers/mine", "mine"),
        ("/runs/jobs/20260101-1/reader", "job 20260101-1"),
        ("/", "/"),
    ],
)
def test_of_a_file_or_folder_its_name_only(source: str, name: str) -> None:
    assert plain_name(source) == name
