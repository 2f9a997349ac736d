"""What free text says: only words that leave no doubt decide."""

from __future__ import annotations

import pytest

from tasks.select.words import Contrast, Region, contrast_of_agent, contrast_of_description, region_of


@pytest.mark.parametrize(
    "agent",
    [
        "OMNI",
        "Omnipaque 350",
        "CONTRAST",
        "IV",
        "Y",
        "YES",
        "APPLIED",
        "ORAL & IV",
        "ORAL/IV",
        "PO/IV",
        "with",
        "NON-IONIC",
        "NONIONIC",
        "CONTRAST AGENT",
        "Ultravist 300",
        "oral and i.v. contrast",
    ],
)
def test_an_agent_that_reaches_the_blood_is_contrast(agent: str) -> None:
    assert contrast_of_agent(agent) is Contrast.ENHANCED


@pytest.mark.parametrize(
    "agent",
    [
        "NONE",
        "No",
        "N",
        "NATIVE",
        "nativ",
        "WITHOUT",
        "W/O",
        "UNENHANCED",
        "No IV contrast",
        "NON CONTRAST",
        "C-",
        "ORAL",
        "oral contrast",
        "PO",
        "Gastrografin",
        "BARIUM",
        "RECTAL",
        "ORAL, NO IV",
        "water oral",
    ],
)
def test_no_agent_and_one_for_the_gut_alone_are_no_contrast(agent: str) -> None:
    assert contrast_of_agent(agent) is Contrast.UNENHANCED


@pytest.mark.parametrize("agent", ["", "  ", "-", "?", "UNKNOWN", "Removed by CTP", "ANONYMIZED"])
def test_an_empty_or_erased_agent_says_nothing(agent: str) -> None:
    assert contrast_of_agent(agent) is Contrast.UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        "CT CHEST W/ CONT",
        "CT CHEST WITH CONTRAST",
        "CHEST WITH IV CON",
        "Thorax C+",
        "chest +c",
        "CTA chest",
        "CT CHEST R/O PE",
        "Thorax mit KM",
        "CECT",
        "Abd portal venous",
        "CT THORAX W/CONTRAST",
        "PE_CHEST",
        "pulmonary angio",
        "arterial 1.0",
        "contrast enhanced",
        "post contrast",
        "CT TORACE CON MDC",
    ],
)
def test_words_for_contrast(text: str) -> None:
    assert contrast_of_description(text) is Contrast.ENHANCED


@pytest.mark.parametrize(
    "text",
    [
        "TH CT CHEST WO C",
        "2 Chest C-/Thorax",
        "ROUTINE CHEST NON-CON",
        "CT CHEST WITHOUT CONTRAST",
        "Thorax nativ",
        "unenhanced",
        "non-enhanced",
        "CT CHEST WO",
        "CHEST W/O",
        "Thorax ohne KM",
        "TC TORACE SENZA MDC",
        "NCCT",
        "pre contrast",
        "noncontrast chest",
        "CHEST_WO_CONTRAST",
    ],
)
def test_words_against_contrast(text: str) -> None:
    assert contrast_of_description(text) is Contrast.UNENHANCED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Thorax 1.0 B30f",
        "CT CHEST W AND WO CONTRAST",
        "CT Chest W/WO CON",
        "with/without contrast",
        "HRCT",
        "CT CAP W ORAL",
        "CHEST W/O ORAL CONTRAST",
        "LOW DOSE CHEST",
        "C-SPINE",
        "non contrast angio",
    ],
)
def test_silent_and_contradictory_words_say_nothing(text: str) -> None:
    assert contrast_of_description(text) is Contrast.UNKNOWN


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("CHEST", Region.CHEST),
        ("CT THORAX", Region.CHEST),
        ("CHEST_ABDOMEN", Region.CHEST),
        ("NECK/CHEST/ABD", Region.CHEST),
        ("WHOLEBODY", Region.CHEST),
        ("LUNG 1.0 B70f", Region.CHEST),
        ("HEAD", Region.OTHER),
        ("BRAIN", Region.OTHER),
        ("ABDOMEN", Region.OTHER),
        ("ABDOMENPELVIS", Region.OTHER),
        ("KNEE", Region.OTHER),
        ("C-SPINE", Region.OTHER),
        ("LSPINE", Region.OTHER),
        ("", Region.UNKNOWN),
        ("5mm", Region.UNKNOWN),
        ("SPINE", Region.UNKNOWN),
    ],
)
def test_regions(text: str, region: Region) -> None:
    assert region_of(text) is region
