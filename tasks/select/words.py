"""What free text in a header says about contrast and body region; silent or contradictory text says nothing.

Descriptions and agents are typed by people in many languages. Only words that leave no doubt decide here;
the image itself is asked later.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Contrast(StrEnum):
    """What the header says about intravenous contrast."""

    ENHANCED = "enhanced"
    UNENHANCED = "unenhanced"
    UNKNOWN = "unknown"


class Region(StrEnum):
    """Which part of the body the header names."""

    CHEST = "chest"
    OTHER = "other"
    UNKNOWN = "unknown"


_NEGATION = r"(?:NONE|NON(?!\W*IONIC)|NO|NIL|NOT|WITHOUT|W\s?/?\s?O(?:UT)?|SANS|OHNE|SENZA|SIN|ZONDER)"
_MEDIUM = (
    r"(?:CONTRAST\w*|CONTR|CONT|CON|CE|C|KM|KONTRAST\w*|IV|I\.V\.?|MDC|CIV|MEDIUM|MEDIA|AGENT|INJECTION)"
)
_UNENHANCED = re.compile(
    rf"\b{_NEGATION}[\s/&+-]*(?:{_MEDIUM}[\s-]*)+\b"
    r"|\bNON\w*CON\w*|\bNON[\s-]*ENH\w*|\bUN[\s-]?ENH\w*|\bNATIVE?\b|\bNATIF\b|\bNATIVO\b|\bPLAIN\b"
    r"|\bNCCT\b|\bNECT\b|\bPRE[\s-]*(?:CONTRAST|CON|IV|KM|INJ\w*)\b|(?<![A-Z0-9])C-(?![A-Z0-9])"
    r"|(?<![A-Z0-9])-C(?![A-Z0-9])|\bW\s?/?\s?O\s*$"
)
_ENHANCED = re.compile(
    rf"\b(?:WITH|MIT|AVEC|CON|MET)\s+(?:IV\s+)?{_MEDIUM}\b|\bW\s?/?\s?(?:IV\s*)?(?:CONTRAST|CONTR?|CON|C|IV)\b"
    r"|(?<![A-Z0-9])C\+|\+C(?![A-Z0-9])|\bCE\b|\bCE-?CT\b|\bCTP?A\b|\bCTPE\b|\bANGIO\w*|\bPORTAL\w*"
    r"|\bART(?:ERIAL|ERIELL?E?)\b|\bVENO?US\b|\bVEN[OÖ]S\w*|\bPE\b|\bPULMONARY EMBOL\w*|\bLUNG EMBOL\w*"
    r"|\bPOST[\s-]*(?:CONTRAST|CON|IV|KM|INJ\w*)\b|\bENHANCED\b|\bNEPHROGRAPH\w*|\bRUN[\s-]?OFF\b|\bBOLUS\b"
    r"|\bOMNI\w*|\bISOVUE\b|\bVISIPAQUE\b|\bULTRAVIST\b|\bIO(?:HEX|PAM|DIX|MEP|VER|PRO|BIT)\w*|\bKM\b"
)
# Stands where a denial was taken out: 'with and without contrast' leaves 'with and' before it.
_DENIED = " ~ "
_BOTH = re.compile(r"\bW(?:ITH)?\W*(?:AND\W*)?~")
# An agent that was swallowed or given as an enema does not reach the bone.
_ENTERAL = re.compile(
    r"\b(?:ORAL\w*|PO|P\.O\.|PER\s*OS|RECTAL\w*|ENEMA|BARIUM|GASTRO\w*|READI[\s-]*CAT\S*|VOLUMEN|WATER|H2O)\b"
    r"(?:[\s-]*(?:CONTRAST\w*|CONT|ONLY|PREP\w*|MEDIA|AGENT))*"
)
_NO_AGENT = re.compile(
    rf"\b{_NEGATION}\b(?:[\s/&+-]*{_MEDIUM}\b)*(?:[\s-]*(?:GIVEN|USED|ADMINISTERED|ENHANCE\w*))*"
    r"|\bUN[\s-]?ENH\w*|\bNON[\s-]?CON\w*|\bNATIVE?\b|\bPLAIN\b|\bNEG\w*|\bFALSE\b|\bOFF\b"
    r"|^\s*(?:N|NC|NA|N/A|0|NULL)\s*$"
)
_FILLER = re.compile(r"\b(?:AND|WITH)\b")
# What de-identification leaves in a field says nothing of the patient.
_ERASED = re.compile(r"\b(?:UNKNOWN|REMOVED|ANON\w*|DE-?IDENT\w*|UNSPECIFIED|CLEARED)\b")

_CHEST = re.compile(
    r"\bCHEST|\bTHORA|\bTHORX|\bTHX\b|\bLUNG|\bPULMO|\bMEDIASTIN|\bRIBS?\b|\bSTERN|\bCARDI|\bHEART|\bCORONARY"
    r"|\bCAP\b|\bTAP\b|\bBRUST|\bTORA[XC]|\bPOUMON|\bTRUNK|\bWHOLE\s?BODY|\bWB\b|\bHRCT\b|\bNECK\s?CHEST|\bT\W?SPINE"
)
_OTHER = re.compile(
    r"\bHEAD|\bBRAIN|\bSKULL|\bSCHAEDEL|\bCRANI|\bCEREBR|\bNECK|\bSINUS|\bORBIT|\bFACE|\bFACIAL|\bTEMPORAL"
    r"|\bPETROUS|\bMAXILL|\bMANDIB|\bDENTAL|\bEAR\b|\bIAC\b|\bSELLA|\bKNEE|\bANKLE|\bFOOT|\bFEET|\bTOES?\b"
    r"|\bHAND|\bFINGER|\bWRIST|\bELBOW|\bFOREARM|\bHUMERUS|\bSHOULDER|\bCLAVICLE|\bHIPS?\b|\bLEGS?\b|\bFEMUR"
    r"|\bTIBIA|\bEXTREMIT|\bCALCAN|\bPELVI|\bABD|\bLIVER|\bKIDNEY|\bRENAL|\bPANCREA|\bUROGR|\bCOLON"
    r"|\b[CL]\W?SPINE|\bLUMBAR|\bCERVICAL|\bSACR|\bLSP\b|\bCSP\b"
)


def _plain(text: str) -> str:
    return text.upper().replace("_", " ").replace("^", " ")


def contrast_of_agent(agent: str) -> Contrast:
    """What ContrastBolusAgent says; an agent for the gut alone is `unenhanced`, an empty field `unknown`."""
    text = _plain(agent)
    if _ERASED.search(text) or not re.search(r"\w", text):
        return Contrast.UNKNOWN
    rest = _ENTERAL.sub(" ", _NO_AGENT.sub(" ", _UNENHANCED.sub(" ", text)))
    if rest != text:
        rest = _FILLER.sub(" ", rest)
    return Contrast.ENHANCED if re.search(r"\w", rest) else Contrast.UNENHANCED


def contrast_of_description(text: str) -> Contrast:
    """What a study or series description says; 'with and without' says nothing of one series."""
    upper = _ENTERAL.sub(" ; ", _plain(text))
    rest, denials = _UNENHANCED.subn(_DENIED, upper)
    claims = bool(_ENHANCED.search(rest) or _BOTH.search(rest))
    if claims == bool(denials):
        return Contrast.UNKNOWN
    return Contrast.ENHANCED if claims else Contrast.UNENHANCED


def region_of(text: str) -> Region:
    """Which region a description or a body part names; the chest wins where several are named."""
    plain = _plain(text)
    if _CHEST.search(plain):
        return Region.CHEST
    return Region.OTHER if _OTHER.search(plain) else Region.UNKNOWN
