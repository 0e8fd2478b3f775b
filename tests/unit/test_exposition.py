"""Prometheus' text format, read back by Prometheus' own library."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from redisjobs.wire.exposition import Family, render

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("label", ["plain", "", 'quo"te', "back\\slash", "new\nline", "\\n", "ü ⌘", "a{b}=,c", "\x00"])
def test_a_label_is_read_back_as_it_was(label: str) -> None:
    family = Family("size", "gauge", "How many")
    family.add(3, queue=label, other="x")

    (read,) = text_string_to_metric_families(render([family]))

    assert (read.name, read.type, read.documentation) == ("size", "gauge", "How many")
    assert [(sample.labels, sample.value) for sample in read.samples] == [({"queue": label, "other": "x"}, 3.0)]


@pytest.mark.parametrize("value", [0, 2**60, 0.1, 1e-9, 1e300, math.inf, -math.inf])
def test_a_number_is_read_back_as_it_was(value: float) -> None:
    family = Family("value_total", "counter", "It")
    family.add(value)

    (read,) = text_string_to_metric_families(render([family]))

    assert [sample.value for sample in read.samples] == [value]


def test_a_name_of_any_bytes_is_shown_and_equal_labels_are_told_once() -> None:
    family = Family("size", "gauge", "How many")
    family.add(1, queue=b"\xff".decode("utf-8", "surrogateescape"))
    family.add(2, queue="\\xff")

    assert render([family]).encode().count(b"\nsize{") == 1


def test_a_family_without_samples_is_told_of() -> None:
    assert render([Family("size", "gauge", "How many")]) == "# HELP size How many\n# TYPE size gauge\n"
