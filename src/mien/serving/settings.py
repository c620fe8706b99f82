"""Every setting of the server in one typed place: options first, then the environment, then a TOML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import TomlConfigSettingsSource

from mien.errors import MienError

PREFIX = "MIEN_SERVE_"
CONFIG = f"{PREFIX}CONFIG"

Positive = Annotated[float, Field(gt=0)]


class ServeSettings(BaseSettings):
    """What the server does and where its limits lie.

    A field is set by an option of `mien serve`, else by the environment (`MIEN_SERVE_PORT`), else by the TOML file that
    `MIEN_SERVE_CONFIG` or `--config` names.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    workers: int = Field(1, ge=1, le=256, description="processes that share the port")

    model: str = Field("expression", description="expression model: name or folder")
    detector: str = Field("mien", description="face detector: mien, yunet, none, or a model that finds faces")
    scene: str | None = Field(
        None, description="whole-picture model for reactions; default the first that is installed"
    )
    policy: Path | None = Field(None, description="reaction policy (TOML) in place of the one inside the package")
    side: int | None = Field(None, ge=32, le=8192, description="longest side at which faces are looked for")
    stream_side: int | None = Field(320, ge=32, le=8192, description="the same in streams, where speed counts for more")
    threads: int = Field(1, ge=1, description="onnxruntime threads of one batch")
    watch_seconds: float = Field(
        5.0, ge=0, description="how often model folders are checked for a new version; 0 never"
    )

    parallel: int = Field(0, ge=0, description="batches read at the same time; 0 takes the number of cores")
    batch: int = Field(4, ge=1, le=256, description="pictures of a batch at most")
    window_ms: float = Field(2.0, ge=0, le=100, description="how long the first picture of a batch waits for others")
    queue: int = Field(128, ge=1, description="pictures that may wait; more are answered with 503")
    deadline_ms: Positive = Field(10_000, description="a request that takes longer is answered with 504")

    explain_seconds: Positive = Field(30.0, description="an explanation that takes longer is answered with 504")

    max_body: int = Field(20 * 2**20, gt=0, description="bytes of a request at most")
    max_pixels: int = Field(50_000_000, gt=0, description="width times height of a picture at most")
    max_items: int = Field(32, gt=0, description="pictures of a batch request at most")
    body_seconds: Positive = Field(20.0, description="a slower upload is answered with 408")
    header_seconds: Positive = Field(
        10.0, description="a connection that has not sent its request line by then is closed"
    )
    rate: float = Field(0.0, ge=0, description="requests a second of one client (key or address); 0 is unlimited")
    burst: int = Field(20, ge=1, description="requests that a client may send at once before the rate applies")
    max_streams: int = Field(64, ge=0, description="WebSocket streams open at the same time")
    max_frame: int = Field(4 * 2**20, gt=0, description="bytes of a WebSocket message at most")
    idle_seconds: Positive = Field(60.0, description="a stream that sends nothing for so long is closed")

    api_key_file: Path | None = Field(None, description="hashed API keys; without it the server is open")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="web origins that may call, comma-separated"
    )
    forwarded_allow_ips: str = Field("127.0.0.1", description="proxies whose X-Forwarded-For is believed")
    review: str | None = Field(None, description="review database for the Studio: SQLite file or URL")
    report: Path | None = Field(None, description="page of `mien data report` for the Studio")
    studio: Path | None = Field(None, description="folder of the web app in place of the one inside the package")

    linger_seconds: float = Field(0.5, ge=0, description="how long a stopping server still answers open connections")
    shutdown_seconds: Positive = Field(30.0, description="how long a stopping server waits for answers under way")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe lines that are logged"
    )
    log_format: Literal["json", "text"] = Field("json", description="how lines are logged")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; the file is named by the environment, so that worker processes read it too."""
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        file = os.environ.get(CONFIG)
        return (*sources, TomlConfigSettingsSource(settings_cls, Path(file))) if file else sources

    @property
    def cores(self) -> int:
        """Batches that are read at the same time."""
        return self.parallel or len(os.sched_getaffinity(0))

    def environment(self) -> dict[str, str]:
        """Return the environment that gives a worker process these settings."""
        out = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                out[PREFIX + name.upper()] = ",".join(value) if isinstance(value, tuple) else str(value)
        return out


def load(**options: Any) -> ServeSettings:
    """Read the settings; `options` that are None are left to the other sources.

    Raises:
        MienError: a value does not fit, a key is unknown, or the file cannot be read.
    """
    file = os.environ.get(CONFIG)
    if file and not Path(file).is_file():
        raise MienError(f"no such settings file: {file}")
    try:
        return ServeSettings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise MienError(f"the server setting '{name}' does not fit: {first['msg'].lower()}") from error
    except ValueError as error:  # a TOML file that is none
        raise MienError(f"cannot read the settings file {file}: {error}") from error


def table() -> str:
    """Return all settings as a Markdown table, for the documentation."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in ServeSettings.model_fields.items():
        default = field.default
        shown = "none" if default in (None, ()) else f"`{default}`"
        rows.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(rows)
