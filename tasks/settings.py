"""The one configuration: `osteoscreen.toml`, then the environment, then flags; the later wins.

Nested settings are written `[eligibility] min_age_years = 50` in the file and
`OSTEOSCREEN_ELIGIBILITY__MIN_AGE_YEARS=50` in the environment. Every clinical number of the product stands
here with its source. `docs/configuration.md` is generated from this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from tasks.environment import DELIMITER, PREFIX, not_json, unknown_variables
from tasks.exposed import exposed_secrets
from tasks.outcomes import ConfigurationError

CONFIG_FILE = "osteoscreen.toml"
_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Eligibility(_Section):
    """Who may be screened."""

    min_age_years: int = Field(
        50, ge=0, le=120, description="Youngest age to score. Source: HealthOST clearance (age ≥ 50)."
    )
    unknown_age: Literal["exclude", "warn"] = Field(
        "exclude", description="What to do when no age can be derived: refuse, or score with a warning."
    )
    known_osteoporosis: Path | None = Field(
        None,
        description="CSV file of patients whose osteoporosis is known, who are not screened again: a line of "
        "headings, patient_id and, where numbers repeat, issuer.",
    )


class Selection(_Section):
    """Which series of a study may be measured."""

    max_axial_tilt_deg: float = Field(5.0, description="Largest angle between slice normal and body axis.")
    max_slice_thickness_mm: float = Field(
        5.0, description="Thickest slice to measure. Our choice: the slab about the middle of a vertebra."
    )
    max_spacing_deviation: float = Field(
        0.02, description="Largest relative deviation of a slice gap from the median gap."
    )
    min_slices: int = Field(10, description="Fewest slices that can show a vertebra whole.")
    min_coverage_mm: float = Field(100.0, description="Least length of the body that must be covered.")
    max_pixel_anisotropy: float = Field(0.01, description="Largest relative difference of the pixel edges.")
    max_pixels_per_side: int = Field(
        4096, description="Largest rows or columns to accept; a header that claims more is refused unread."
    )


class Contrast(_Section):
    """When blood is taken to be enhanced, from the image, whatever the tags say."""

    max_blood_hu: float = Field(
        70.0,
        description="Aortic blood above this is enhanced. Source: none of 166 unenhanced patients had venous "
        "blood above 70 HU (PMC7966032); the unenhanced aorta is 29 to 50 HU (quartiles, n = 325, "
        "researchsquare rs-1420003); portal-venous and late phases are above 80.",
    )
    max_blood_over_muscle_hu: float = Field(
        25.0,
        description="Aortic blood this much above lean paraspinal muscle is enhanced; unenhanced it is at or "
        "below muscle. Found on real CT: -10 to +4 unenhanced, +195 enhanced.",
    )
    max_heart_hu: float = Field(
        80.0,
        description="Heart and great vessels brighter than this, smoothed, count as enhanced: 10 HU above "
        "`max_blood_hu`, for myocardium and beam hardening.",
    )
    min_heart_area_cm2: float = Field(
        10.0,
        description="Bright area in one slice that is a heart chamber or great vessel. Found on real CT: at "
        "most 7 unenhanced; from 10 upwards in three slices with 40 HU added to the blood.",
    )
    max_kidney_hu: float = Field(
        100.0,
        description="Beside the spine, larger than a rib and brighter than this: enhanced kidney, spleen or "
        "liver. Unenhanced kidney is 20 to 45 HU, liver 45 to 70.",
    )
    min_kidney_area_cm2: float = Field(
        6.0, description="Bright area in one slice that is an organ, not a rib."
    )


class Levels(_Section):
    """When a vertebra is given a name."""

    min_confidence: float = Field(
        0.5, ge=0, le=1, description="Least posterior probability of a level; below it the level is null."
    )


class Vertebrae(_Section):
    """Which vertebrae are measured."""

    levels: tuple[str, ...] = Field(
        ("T8", "T9", "T10", "T11", "T12", "L1", "L2"),
        description="Levels that may be measured. Our choice: what chest CT shows near published cut-offs.",
    )
    reserve_levels: tuple[str, ...] = Field(
        ("L2",),
        description="Of those, measured only where fewer than `max_bodies` others are whole: no cut-off of "
        "their own is published, L1's stands in.",
    )
    max_bodies: int = Field(
        4, ge=1, description="Most vertebrae of a study, each read in a slab of its own. Our choice."
    )
    min_bodies: int = Field(2, ge=1, description="Fewest vertebrae that make a study; one alone is no train.")
    min_confidence: float = Field(
        0.6, ge=0, le=1, description="Least confidence that a body is one whole vertebra. Our choice."
    )
    fracture_height_ratio: float = Field(
        0.75,
        ge=0,
        le=1,
        description="A body lower than this part of its neighbours' height is passed over as compressed. "
        "Source: Genant 1993, grade 2 from 25 % loss of height.",
    )
    max_brighter_hu: float = Field(
        44.0,
        gt=0,
        description="A body this much brighter than the median of the others is passed over as compacted or "
        "sclerotic. Source: ISCD leaves out a vertebra more than 1 SD from its neighbours; SD at L1 is 44 HU "
        "(Jang 2019).",
    )
    noisy_sd_hu: float = Field(
        80.0,
        gt=0,
        description="Where the pixels of most regions vary by more (standard deviation), a score carries "
        "`noisy`. Our choice: a region holds about 50 independent points, so that its mean is then good to "
        "11 HU, which is what contrast agent adds. On real CT 20 to 60, in 1 mm slices of a sharp kernel 87.",
    )


class Metal(_Section):
    """When metal or cement spoils a vertebra."""

    metal_hu: float = Field(
        2500.0, description="Brighter is metal: the densest cortex stays below about 2,000 HU."
    )
    cement_hu: float = Field(
        900.0,
        description="A solid part of a vertebral body brighter than this is cement or an implant: "
        "endplates and bony bridges reach it in thin lines only.",
    )
    min_cement_mm2: float = Field(80.0, description="Least solid area of that; a disc of 10 mm.")
    min_bodies: int = Field(2, ge=1, description="Fewest clean vertebrae with which a study goes on.")


class TubeVoltage(_Section):
    """Mean L1 attenuation by tube voltage, for converting HU to 120 kVp equivalents."""

    mean_hu: dict[int, float] = Field(
        {100: 148.1, 120: 140.9, 140: 131.3},
        description="kVp: mean L1 HU. Source: opportunistic CT screening cohort, n = 16,747.",
    )
    usable_kvp: tuple[float, float] = Field(
        (70.0, 150.0), description="Tube voltages of CT scanners; any other in a header is not believed."
    )


class MuscleArea(_Section):
    """What counts as skeletal muscle."""

    low_hu: float = Field(-29.0, description="Source: usual CT muscle range, -29 to 150 HU (PMC6063941).")
    high_hu: float = Field(150.0, description="As `low_hu`.")


_PICKHARDT_2013 = "Pickhardt 2013, L1, n = 1,867: ≤ 110 HU over 90 % specific, ≤ 160 HU 90 % sensitive"
_CHEST_CT_2023 = (
    "10.31616/asj.2023.0438, chest CT, n = 470: osteoporosis against osteopenia, osteopenia against normal"
)
_AS_L1 = f"no published cut-off for this level on chest CT; L1's stands in ({_PICKHARDT_2013})"
_AS_T11 = (
    "no published pair of cut-offs for this level; T11's stands in although HU rises towards the upper "
    f"spine, so that it may call a low density intermediate ({_CHEST_CT_2023})"
)


class LevelCutoff(_Section):
    """Attenuation cut-offs of one vertebral level, in HU at 120 kVp, unenhanced."""

    level: str = Field(
        description="T1 to L5, or `unknown` for any level without a row, or without a sure name."
    )
    high_hu: float = Field(description="At or below it the tier is high.")
    intermediate_hu: float = Field(
        description="At or below it, and above the other, intermediate; above, low."
    )
    source: str = Field(description="Where the numbers come from.")


LEVEL_CUTOFFS = (
    LevelCutoff(level="L2", high_hu=110.0, intermediate_hu=160.0, source=_AS_L1),
    LevelCutoff(level="L1", high_hu=110.0, intermediate_hu=160.0, source=_PICKHARDT_2013),
    LevelCutoff(level="T12", high_hu=85.7, intermediate_hu=135.7, source=_CHEST_CT_2023),
    LevelCutoff(level="T11", high_hu=105.1, intermediate_hu=146.7, source=_CHEST_CT_2023),
    LevelCutoff(level="T10", high_hu=105.1, intermediate_hu=146.7, source=_AS_T11),
    LevelCutoff(level="T9", high_hu=105.1, intermediate_hu=146.7, source=_AS_T11),
    LevelCutoff(level="T8", high_hu=105.1, intermediate_hu=146.7, source=_AS_T11),
    LevelCutoff(level="unknown", high_hu=105.1, intermediate_hu=146.7, source=_AS_T11),
)


class Scoring(_Section):
    """How measurements become tiers."""

    cutoffs: tuple[LevelCutoff, ...] = Field(
        LEVEL_CUTOFFS, description="Attenuation cut-offs by level; one row must be for `unknown`."
    )
    min_level_confidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Below it a level's name is not trusted and the cut-offs are `unknown`'s.",
    )
    min_vertebrae: int = Field(3, ge=1, description="With fewer vertebrae a score carries `few_vertebrae`.")
    max_vertebra_deviation_hu: float = Field(
        60.0,
        gt=0,
        description="A vertebra further than this from the study's median brings `vertebrae_disagree`. Our "
        "choice: half as much again as the largest deviation measured by hand in healthy spines (40 HU).",
    )

    tier_source: Literal["attenuation", "model", "either"] = Field(
        "attenuation",
        description="What sets `risk_tier`. Attenuation while the active weights are not clinically "
        "validated (phantom-reference); `either` takes the more severe of the two.",
    )
    model_high: float = Field(0.5, ge=0, le=1, description="Probability from which the model's tier is high.")
    model_intermediate: float = Field(
        0.2, ge=0, le=1, description="Probability from which the model's tier is intermediate."
    )

    @model_validator(mode="after")
    def _cutoffs_make_sense(self) -> Self:
        levels = [row.level for row in self.cutoffs]
        if "unknown" not in levels or len(set(levels)) != len(levels):
            raise ValueError("cutoffs need each level once, and a row for `unknown`")
        if any(row.high_hu > row.intermediate_hu for row in self.cutoffs):
            raise ValueError("a level's high_hu must not lie above its intermediate_hu")
        if self.model_high < self.model_intermediate:
            raise ValueError("model_high must not lie below model_intermediate")
        return self

    def cutoff(self, level: str | None, confidence: float) -> LevelCutoff:
        """The row of a level, or that of `unknown` where there is none or the name is not trusted."""
        rows = {row.level: row for row in self.cutoffs}
        trusted = level is not None and confidence >= self.min_level_confidence
        return rows.get(level or "", rows["unknown"]) if trusted else rows["unknown"]


class Inference(_Section):
    """How crops reach Triton."""

    timeout_s: float = Field(30.0, gt=0, description="Longest wait for one answer.")
    retries: int = Field(3, ge=0, description="Further tries after a failed request, with growing pauses.")
    ready_timeout_s: float = Field(120.0, gt=0, description="Longest wait for the server to become ready.")
    shared_memory: Literal["auto", "on", "off"] = Field(
        "auto",
        description="System shared memory instead of gRPC bodies; auto: when the server is on this host.",
    )
    max_in_flight: int = Field(
        4, ge=1, le=64, description="Requests that one process may have under way or prepared; more wait."
    )
    threads: int | None = Field(
        None, ge=1, description="Threads of the embedded server's model; default: one per core."
    )
    model_name: str = Field("osteoporosis_densenet121", description="Model in the Triton repository.")
    triton_environment: Path = Field(
        Path(".venv-triton"), description="Virtual environment that holds the embedded Triton server."
    )
    model_repository: Path = Field(
        Path("triton_models"), description="Model repository of the embedded server."
    )


class Cluster(_Section):
    """Where Dask runs."""

    kind: Literal["inline", "local", "address", "slurm", "kubernetes"] = Field(
        "local",
        description="inline: in this process, for debugging; local: worker processes on this machine.",
    )
    address: str | None = Field(None, description="Scheduler address when kind = address.")
    workers: int | None = Field(None, ge=1, description="Worker processes; default: one per core.")
    memory_limit: str = Field("2GiB", description="Memory of one worker before Dask restarts it.")
    study_tries: int = Field(2, ge=1, description="Workers a study may lose before it ends as worker_lost.")
    study_timeout_s: float = Field(600.0, gt=0, description="Longest time one study may take on a worker.")
    options: dict[str, Any] = Field(
        default_factory=dict,
        exclude=True,
        repr=False,
        description="Passed to dask-jobqueue's SLURMCluster or dask-kubernetes' KubeCluster; may hold "
        "secrets, so that no run's record has it.",
    )


class Calendar(_Section):
    """When nights and backfills run, and who hears when one breaks."""

    time_zone: str | None = Field(
        None, description="Zone of every hour here, such as Europe/Berlin; default: the machine's own."
    )
    night: str = Field(
        "01:00", pattern=_CLOCK, description="When the deployed night starts, by that zone's wall clock."
    )
    patience_minutes: float = Field(
        15.0, ge=0, description="How long a night waits for a backfill to let go of the lake."
    )
    window_studies: int = Field(
        250, ge=1, description="Most studies of one window of a backfill; a single day may hold more."
    )
    notify_url: SecretStr | None = Field(
        None, description="Web hook that gets a small JSON document when a deployed run breaks."
    )
    notify_command: tuple[str, ...] = Field(
        (),
        exclude=True,
        repr=False,
        description="Program with its arguments that gets the same document on standard input; may hold "
        "secrets, so that no run's record has it.",
    )


class Network(_Section):
    """How archives over a network are asked, DICOMweb and DIMSE alike."""

    connect_timeout_s: float = Field(10.0, gt=0, description="Longest wait for a connection.")
    read_timeout_s: float = Field(30.0, gt=0, description="Longest silence in the middle of an answer.")
    answer_timeout_s: float = Field(
        120.0,
        gt=0,
        description="Longest time until a question is answered or given up, all tries and pauses included.",
    )
    retries: int = Field(
        3, ge=0, description="Further tries after a broken connection or a busy server, with growing pauses."
    )
    max_requests: int = Field(
        8,
        ge=1,
        description="Requests at once to one archive, shared by all workers; each worker has at least one.",
    )
    max_mb_per_s: float | None = Field(
        None, gt=0, description="Mean rate in MB/s at which an archive is read, shared by all workers."
    )
    max_instance_mb: int = Field(
        1024, ge=1, description="An image larger than this is refused, not fetched; in MiB."
    )

    @property
    def max_instance_bytes(self) -> int:
        """`max_instance_mb` in bytes."""
        return self.max_instance_mb * 1024**2


class DicomWeb(_Section):
    """How a DICOMweb archive is reached. Secrets belong into the environment or a file of mode 600."""

    user: str = Field("", description="User of basic authentication.")
    password: SecretStr | None = Field(None, description="Password of that user.")
    token: SecretStr | None = Field(None, description="Bearer token, instead of user and password.")
    secret_file: Path | None = Field(
        None,
        description="File of mode 600 that holds the password, or the bearer token where no user is set; "
        "read for every request, so that a token may be renewed while the night runs.",
    )
    client_certificate: Path | None = Field(
        None, description="PEM file of the certificate that tells the server who we are."
    )
    client_key: Path | None = Field(
        None, description="PEM file of its key, mode 600; default: in the file of the certificate."
    )
    ca_bundle: Path | None = Field(
        None, description="PEM file of the authorities that are believed, instead of the usual ones."
    )
    page_size: int = Field(
        500, ge=1, description="Studies asked for at once; a server may give fewer without saying so."
    )
    orthanc_updates: bool = Field(
        True, description="Ask an Orthanc, where it is one, when each study last changed, by its REST API."
    )


class Dimse(_Section):
    """How a DIMSE archive is reached. The certificates are used where the address says tls=yes."""

    calling_aet: str = Field(
        "OSTEOSCREEN",
        description="AE title that we call ourselves, unless the address has another (calling=).",
    )
    retrieve: Literal["auto", "get", "move"] = Field(
        "auto",
        description="How images come: by C-GET where the archive has it, else by C-MOVE; or by one only.",
    )
    storage: tuple[str, ...] = Field(
        ("OSTEOSCREEN:11112",),
        description="For C-MOVE: each AE-TITLE:port at which the archive knows this host as a destination. "
        "Workers on one host that receive at the same time need one each; others wait.",
    )
    storage_bind: str = Field(
        "0.0.0.0",  # noqa: S104 - only while a C-MOVE is under way, and for the archive's host only
        description="Address of this host on which images are received by C-MOVE.",
    )
    storage_from: tuple[str, ...] = Field(
        (), description="Hosts other than the archive's own that may send what a C-MOVE asked for."
    )
    ca_bundle: Path | None = Field(
        None, description="PEM file of the authorities that are believed, instead of the usual ones."
    )
    client_certificate: Path | None = Field(
        None, description="PEM file of the certificate that tells the archive who we are."
    )
    client_key: Path | None = Field(
        None, description="PEM file of its key, mode 600; default: in the file of the certificate."
    )
    check_host_name: bool = Field(
        True, description="Whether the archive's certificate must name the host of the address."
    )


class Settings(BaseSettings):
    """Everything a night can be told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        frozen=True,
        extra="forbid",
        toml_file=CONFIG_FILE,
    )

    lake: Path = Field(Path("lake"), description="Folder of the results.")
    settle_minutes: float | None = Field(
        None,
        ge=0,
        description="A study is left alone until it has been quiet this long. Default: 30 for archives over "
        "a network and for scheduled nights, 0 for a folder that is named on the command line.",
    )
    max_gone_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="When an archive no longer lists more than this part of the studies that it held, it is "
        "taken to be unwell, and no study is marked as gone. 1 believes it.",
    )
    triton_url: str | None = Field(
        None,
        description="host:port of a Triton server's gRPC, or grpcs://host:port where it is encrypted; "
        "without it the embedded server is started.",
    )
    keep_pictures: bool = Field(True, description="Write the explaining picture of every scored study.")
    keep_crops: bool = Field(
        False,
        description="Keep what the model saw of every scored study, about 0.3 MB each, so that another model "
        "version can score it without the archive.",
    )
    patient_key_secret: SecretStr | None = Field(
        None,
        description="Key of the patient hash; without it a random one is kept in the lake's identities/.",
    )
    eligibility: Eligibility = Eligibility()
    selection: Selection = Selection()
    contrast: Contrast = Contrast()
    levels: Levels = Levels()
    vertebrae: Vertebrae = Vertebrae()
    metal: Metal = Metal()
    tube_voltage: TubeVoltage = TubeVoltage()
    muscle: MuscleArea = MuscleArea()
    scoring: Scoring = Scoring()
    inference: Inference = Inference()
    cluster: Cluster = Cluster()
    calendar: Calendar = Calendar()
    network: Network = Network()
    dicomweb: DicomWeb = DicomWeb()
    dimse: Dimse = Dimse()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic passes it by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**flags: Any) -> Settings:  # noqa: ANN401 - any setting may be a flag
    """Settings from file, environment and flags; flags that are None are not given.

    Raises:
        ConfigurationError: naming every setting that cannot be used, every variable of the environment
            that bears our prefix and is none, and every secret in a file that others may read.
    """
    if unknown := unknown_variables(Settings, os.environ):
        raise ConfigurationError(f"Settings cannot be used: {'; '.join(unknown)}. See docs/configuration.md.")
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
        exposed = exposed_secrets(Settings, Path(CONFIG_FILE))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
        )
        raise ConfigurationError(f"Settings cannot be used: {problems}. See docs/configuration.md.") from None
    except SettingsError:
        names = ", ".join(not_json(Settings, os.environ))
        raise ConfigurationError(f"Settings cannot be used: {names} must hold JSON, and does not.") from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{CONFIG_FILE} cannot be read: {error}") from None
    if exposed:
        raise ConfigurationError(
            f"{CONFIG_FILE} holds {', '.join(exposed)} and may be read by others: run chmod 600 on it."
        )
    return settings
