"""Types of the HTTP API. The OpenAPI document, and from it the TypeScript client, are made from these."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

NOTICE: Literal["emotion recognition in use"] = "emotion recognition in use"
Probability = Annotated[float, Field(ge=0, le=1)]
Pixel = float

# A real answer of the models inside the package for examples/astronaut.jpg, shortened to two labels a head.
_FACE: dict[str, Any] = {
    "box": [175.15, 66.85, 282.81, 207.4],
    "confidence": 0.93,
    "points": [[203.1, 118.9], [252.6, 117.7], [231.9, 152.2], [208.3, 174.0], [249.2, 172.9]],
    "label": "happiness",
    "scores": {"happiness": 0.97, "neutral": 0.03},
    "ranking": [{"label": "happiness", "score": 0.97}, {"label": "neutral", "score": 0.03}],
    "entropy": 0.13,
    "labels_90": ["happiness"],
    "quality": 0.81,
    "abstained": None,
    "heads": {},
}
_LATENCY: dict[str, Any] = {
    "queue": 2.1,
    "decode": 1.9,
    "detect": 3.8,
    "crop": 0.2,
    "classify": 0.9,
    "judge": 0.1,
    "total": 9.0,
    "batch": 1,
}


class Strict(BaseModel):
    """A request: unknown fields are errors, so that a misspelt option is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Options(Strict):
    """How pictures are to be read."""

    detect_face: bool = Field(True, description="false: each picture is the crop of one face")
    min_face: float | None = Field(None, ge=0, description="abstain from faces whose shorter box side has fewer pixels")
    min_confidence: Probability | None = Field(None, description="abstain when the best label is less probable")
    side: int | None = Field(
        None, ge=32, le=1280, description="longest side at which faces are looked for; null takes the server's setting"
    )
    latency: bool = Field(True, description="false leaves the timings out; equal pictures then give equal bytes")


class Picture(Strict):
    """One picture in JSON."""

    image_base64: str = Field(
        min_length=1, description="the bytes of a picture file in base64, with or without a data: prefix"
    )
    name: str | None = Field(None, max_length=1024, description="handed back as `image` of the answer")


class PredictRequest(Picture, Options):
    """One picture and how to read it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"image_base64": "/9j/4AAQSkZJRgABAQ...", "name": "astronaut.jpg"}]}
    )


class BatchRequest(Options):
    """Several pictures and how to read them."""

    images: list[Picture] = Field(min_length=1)


class ExplainOptions(Strict):
    """Which face is to be explained, and how."""

    detect_face: bool = Field(True, description="false: the picture is the crop of one face")
    face: int = Field(0, ge=0, le=10_000, description="number of the face in the order of `/v1/predict`")
    method: str = Field("occlusion", max_length=64, description="see `GET /v1/explain`")
    head: str | None = Field(None, max_length=64, description="of the model; null takes the primary one")
    target: str | None = Field(None, max_length=64, description="label to explain; null takes the model's answer")
    format: Literal["values", "png"] = Field("values", description="JSON with the map, or the overlay as a picture")


class ExplainRequest(Picture, ExplainOptions):
    """A picture, and what is to be explained in it."""


class Ranked(BaseModel):
    """One label of a ranking."""

    label: str
    score: Probability


class Head(BaseModel):
    """What one head of the model says of a face."""

    label: str = Field(description="the most probable label")
    scores: dict[str, Probability] = Field(description="calibrated probability of every label, in the model's order")
    ranking: list[Ranked] = Field(description="the same, most probable first")
    entropy: float = Field(description="of the scores, in nats; of independent labels, the mean of theirs")
    labels_90: list[str] | None = Field(
        description="labels that hold the right one in 90 % of cases; null without calibration"
    )
    derived: str | None = Field(None, description="how the scores were computed from another head; null when learned")
    holds: list[str] | None = Field(
        None,
        description="labels above their thresholds, of a head whose labels are independent; there `label` is the best",
    )
    spread: float | None = Field(
        None, ge=0, description="standard deviation of the label's probability over several looks at the face"
    )


class Face(Head):
    """One face: where it is, what it shows, and whether to believe it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FACE]})

    box: tuple[Pixel, Pixel, Pixel, Pixel] = Field(description="x1, y1, x2, y2 in pixels of the picture")
    confidence: Probability = Field(description="how sure the detector is")
    points: list[tuple[Pixel, Pixel]] | None = Field(
        description="left eye, right eye, nose, left and right mouth corner as seen in the picture"
    )
    quality: Probability = Field(
        description="chance that the label is right, as fitted on validation data (the models of the package); "
        "of a model without a fit, how large, sharp and frontal the face is"
    )
    abstained: str | None = Field(description="why no answer should be taken from this face; null when it may be")
    heads: dict[str, Head] = Field(description="the model's other heads")
    tracker_id: int | None = Field(None, description="the same person keeps the same number within a stream")
    raw: dict[str, Probability] | None = Field(None, description="scores before smoothing over time, in a stream")


class Latency(BaseModel):
    """Where the milliseconds went; the stages are those of the whole batch that the picture was part of."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LATENCY]})

    queue: float = Field(description="from arrival to the start of the batch")
    decode: float = Field(description="of this picture")
    detect: float
    crop: float
    classify: float
    judge: float
    total: float = Field(description="from arrival to the answer")
    batch: int = Field(description="pictures of the batch")


class ModelRef(BaseModel):
    """Which model gave an answer."""

    name: str
    version: str
    precision: str
    digest: str = Field(description="sha256 of the graph, first 12 digits")


class Models(BaseModel):
    """The models behind an answer."""

    expression: ModelRef
    detector: str


class Prediction(BaseModel):
    """What was read from one picture."""

    image: str | None = Field(description="the name that came with the picture")
    width: int
    height: int
    faces: list[Face] = Field(description="best detected first; empty when there is no face")
    error: str | None = Field(description="why the picture could not be read, in a batch answer")
    models: Models
    latency: Latency | None = None


class Batch(BaseModel):
    """What was read from several pictures, in their order."""

    results: list[Prediction]
    failed: int = Field(description="pictures with an `error`")


class Decision(BaseModel):
    """What was decided about one emoji."""

    emoji: str
    status: Literal["allowed", "blocked", "open"] = Field(
        description="open: no emotion that was seen has a rule for it"
    )
    reason: str = Field(examples=["🎉 blocked: sad 0.81 >= 0.45"])
    emotion: str | None = Field(description="the label that decided")


class Reactions(BaseModel):
    """The emoji reactions that fit a picture."""

    image: str | None
    faces: int = Field(description="faces found")
    predicted_emotions: list[str] = Field(description="strongest first", examples=[["sad"]])
    allowed_emojis: list[str] = Field(examples=[["😢", "😭", "💔", "🤍", "🙏"]])
    blocked_emojis: list[str] = Field(examples=[["😂", "😆", "😎", "🎉"]])
    emotion_scores: dict[str, Probability] = Field(description="empty without a signal")
    decisions: list[Decision]
    sources: dict[str, dict[str, Probability]] = Field(description="scores of the faces and of the whole picture apart")
    note: str = Field(description="what the decisions rest on", examples=["from 1 of 1 face"])
    models: Models
    latency: Latency | None = None


class ReactionRule(BaseModel):
    """What one emotion does once its score reaches the threshold."""

    threshold: Probability
    allows: list[str]
    blocks: list[str]


class SceneEmotions(BaseModel):
    """How a client makes emotions out of what the whole-picture model in use says."""

    mapping: dict[str, str] = Field(description="its emotions to the policy's labels")
    places: dict[str, tuple[float, float] | None] | None = Field(
        description="where the model gives valence and arousal: the place of each emotion, of which they are derived; "
        "null for one that may be anywhere"
    )
    spread: float | None = Field(description="standard deviation of a place")


class ReactionPolicy(BaseModel):
    """The policy in use, for clients that decide on reactions themselves."""

    label_set: str
    labels: list[str] = Field(description="of the label set, in order")
    rules: dict[str, ReactionRule] = Field(description="in the order of the policy")
    mapping: dict[str, str] = Field(
        description="the model's labels to the policy's; scores are added up and made to sum to one again"
    )
    fusion: dict[str, float] = Field(description="how much each source counts where both speak: 'faces', 'scene'")
    scene: SceneEmotions | None = Field(description="null where no whole-picture model is in use")


class Method(BaseModel):
    """A method of explanation."""

    name: str
    available: bool = Field(description="false: it needs a library that is not installed here")
    about: str


class Explanation(BaseModel):
    """Which parts of a face made the model answer as it did."""

    image: str | None
    face: int
    box: tuple[Pixel, Pixel, Pixel, Pixel] = Field(description="x1, y1, x2, y2 in pixels of the picture")
    method: str
    head: str
    target: str = Field(description="the label that is explained")
    score: Probability = Field(description="its probability")
    map: list[list[float]] = Field(description="rows of the crop, top first; above 0 speaks for the label")
    crop_png: str = Field(description="what the model saw, base64")
    overlay_png: str = Field(description="the map laid over it, base64")
    regions: dict[str, float] | None = Field(description="share of what speaks for the label; null without points")
    sentence: str | None = Field(examples=["happiness: mouth 48 %, eyes 31 %, nose 9 %"])
    seconds: float
    models: Models


class Metric(BaseModel):
    """One measured figure of a model."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    head: str | None = None
    dataset: str
    split: str
    protocol: str
    precision: str
    n: int


class Health(BaseModel):
    """How a model in use is doing, over its last thousand pictures."""

    state: Literal["ready", "loading", "failed"]
    detail: str | None = Field(None, description="the last failure to load a new version")
    loaded: str = Field(description="when this version came into use, ISO 8601")
    pictures: int = Field(description="read since then")
    errors: int = Field(description="batches that failed since then")
    p50_ms: float | None = None
    p95_ms: float | None = None


class Model(BaseModel):
    """An installed model."""

    name: str
    version: str
    task: str
    description: str
    licence: str
    created: date
    parameters: int | None
    default: str = Field(description="precision in use unless another is asked for")
    sizes: dict[str, int] = Field(description="bytes of each graph")
    heads: dict[str, list[str]] = Field(description="labels of each head")
    metrics: list[Metric]
    active: bool = Field(description="whether this server answers with it")
    health: Health | None = Field(description="of an active model")
    card: str = Field(description="the model card, Markdown")
    files: dict[str, str] = Field(description="address of each file, for clients that run the model themselves")


class Notice(BaseModel):
    """What people in front of a camera have to be told."""

    code: Literal["emotion_recognition"] = "emotion_recognition"
    text: Literal["emotion recognition in use"] = NOTICE
    meaning: str = "perceived expression as a model reads it, not what a person feels; pictures are not stored"
    law: list[str] = Field(
        [
            "EU AI Act Art. 5(1)(f): inferring emotions at work and in education is prohibited",
            "EU AI Act Art. 50(3): people exposed to emotion recognition must be told",
        ]
    )


class Limits(BaseModel):
    """What the server accepts."""

    max_body: int
    max_pixels: int
    max_items: int
    max_frame: int
    deadline_ms: float


class Catalogue(BaseModel):
    """The installed models, those in use first."""

    notice: Notice
    models: list[Model]
    detector: str
    limits: Limits
    version: str = Field(description="of mien")


class State(BaseModel):
    """Whether the server runs, or is ready."""

    status: Literal["ok", "ready", "loading", "draining"]


def rank(scores: dict[str, float]) -> list[dict[str, Any]]:
    """Order scores by probability; equal ones keep the model's order."""
    return [{"label": k, "score": v} for k, v in sorted(scores.items(), key=lambda pair: -pair[1])]


def with_ranking(faces: dict[str, Any]) -> dict[str, Any]:
    """Add `ranking` to every head of `Faces.to_dict()`, in place, and return it."""
    for face in faces["faces"]:
        for head in (face, *face["heads"].values()):
            head["ranking"] = rank(head["scores"])
    return faces
