"""A stage, what it may touch, and the two steps of its life: materialise a candidate, judge it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Protocol

import polars as pl
from pydantic import BaseModel
from sqlalchemy import Engine

from match_assets.config import Params, Settings, digest_of
from match_assets.errors import GateBrokenError, MatchAssetsError, NotAcceptedError
from match_assets.gates.verdict import Verdict
from match_assets.keys import DataKey
from match_assets.killpoint import killpoint
from match_assets.store import Pointer, Store
from match_assets.warehouse.reading import season_revision

# rows of a frame that a record of its making shows
EXCERPT_ROWS = 10
Inputs = Mapping[str, str]
Fact = int | float | str


class Tracker(Protocol):
    """Where experiments are logged; MLflow in the platform, nowhere in a plain call."""

    def log(
        self, stage: str, cutoff: str, *, parameters: Mapping[str, object], metrics: Mapping[str, float], output: str
    ) -> str | None:
        """Logs one run and returns its id; the same ``output`` is never logged twice for a stage and cut-off."""


@dataclass(frozen=True)
class ModelVersion:
    """A version in the model registry and the facts that promotion needs."""

    version: str
    cutoff: str
    model_sha256: str


class Registry(Protocol):
    """The model registry at our seam."""

    def register(
        self, files: Mapping[str, bytes], *, cutoff: str, model_sha256: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        """Registers a model with its signature, or finds the version that already holds these bytes."""

    def champion(self) -> ModelVersion | None:
        """The version that bears the alias ``champion``."""

    def files_of(self, version: ModelVersion) -> dict[str, bytes]:
        """The model files of a version; ``ModelError`` where it or they are gone."""

    def promote(self, version: str) -> None:
        """Moves the alias ``champion`` to the version of this number."""


@dataclass(frozen=True)
class StageContext:
    """Everything a stage may touch. ``run_id`` names the run in pointers and traces.

    ``revisions`` holds the seasons' revisions where they were read once for a sweep; otherwise each is asked for.
    """

    params: Params
    settings: Settings
    store: Store
    open_engine: Callable[[], Engine]
    tracker: Tracker
    registry: Registry
    run_id: str
    log: Callable[[str], None] = field(default=lambda _message: None)
    revisions: Mapping[str, str] | None = None

    @cached_property
    def engine(self) -> Engine:
        """The warehouse, connected on first use: a modelling run never needs it."""
        return self.open_engine()

    def revision(self, partition: str) -> str | None:
        """Digest of what the warehouse holds of a season, or None where it holds nothing."""
        if self.revisions is not None:
            return self.revisions.get(partition)
        key = DataKey.parse(partition)
        return season_revision(self.engine, key.tournament, key.season).get(partition)

    def recalled(self) -> "StageContext":
        """The same with pointers and revisions read once, for asking of many partitions what is stale.

        It shows the warehouse as it is now, and what this context's store writes afterwards.
        """
        return replace(
            self,
            store=self.store.recalled(),
            revisions=season_revision(self.engine),
            open_engine=lambda: self.engine,
        )


@dataclass(frozen=True)
class Product:
    """What a stage made: its frame, and facts for the page of the asset."""

    frame: pl.DataFrame
    facts: dict[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """A candidate as stored, with the frame and facts it was made of."""

    pointer: Pointer
    product: Product


@dataclass(frozen=True)
class Stage:
    """One asset's work.

    Attributes:
        name: the asset's name.
        family: ``data`` (season of a tournament) or ``cutoff`` (month).
        reads: the assets that it is made from, as the graph draws them.
        sort_by: columns that order its rows totally.
        inputs: digests of everything the partition is made from, by input name; raises ``NotAcceptedError`` where an
            input has no accepted version.
        compute: the work, reading exactly the versions in ``inputs``.
        check: name of its gate's asset check.
        gate: the verdict on a candidate's frame; the candidate says of which partition it is and from which inputs.
        publish: what an accepted frame sets in motion outside the store. It runs once the gate has passed and before the
            accepted pointer moves, so that whatever dies in between is done again: it must bear repetition. What it raises
            leaves the candidate as it was, neither accepted nor refused.
        parameters: the part of ``params.yaml`` that the result depends on.
        algorithm: version of the pure code behind the result, where that code keeps one.
        revision: raised by hand when the code's result changes; comments and refactorings leave it alone.
    """

    name: str
    family: Literal["data", "cutoff"]
    reads: tuple[str, ...]
    sort_by: tuple[str, ...]
    inputs: Callable[[StageContext, str], dict[str, str]]
    compute: Callable[[StageContext, str, Inputs], Product]
    check: str
    gate: Callable[[StageContext, Pointer, pl.DataFrame], Verdict]
    publish: Callable[[StageContext, Pointer, pl.DataFrame], None] | None = None
    parameters: Callable[[Params], tuple[BaseModel, ...]] = lambda _params: ()
    algorithm: Callable[[Params], str] = lambda _params: ""
    revision: int = 1

    def code_version(self, params: Params) -> str:
        """Digest of the revision and of the parameters that this stage depends on."""
        parts = {str(i): part.model_dump(mode="json", by_alias=True) for i, part in enumerate(self.parameters(params))}
        return digest_of(
            {
                "stage": self.name,
                "revision": self.revision,
                "algorithm": self.algorithm(params),
                "parameters": parts,
            }
        )


def accepted_inputs(store: Store, wanted: list[tuple[str, str]]) -> dict[str, str]:
    """Digests of accepted versions by ``asset@partition``.

    Raises:
        NotAcceptedError: one of them has none; the message names it.
    """
    found = {}
    for asset, partition in wanted:
        pointer = store.pointer(asset, partition)
        found.update(digests_of(asset, {partition: pointer} if pointer else {}, [partition]))
    return found


def digests_of(asset: str, held: Mapping[str, Pointer], wanted: list[str]) -> dict[str, str]:
    """Digests of accepted versions by ``asset@partition``, of those that are held.

    Raises:
        NotAcceptedError: one that is wanted is not among them; the message names it.
    """
    found = {}
    for partition in wanted:
        pointer = held.get(partition)
        if pointer is None:
            raise NotAcceptedError(
                f"{asset} {partition} has no accepted version; materialise it with its checks first",
                asset=asset,
                partition=partition,
            )
        found[f"{asset}@{partition}"] = pointer.sha256
    return found


def materialise(stage: Stage, context: StageContext, partition: str) -> Written:
    """Computes a partition from its accepted inputs and stores it as the candidate.

    Raises:
        FencedOffError: another run began on the partition meanwhile; its candidate stands.
    """
    # before the inputs are read: whoever begins later has seen at least as much
    fence = context.store.begin(stage.name, partition, context.run_id)
    inputs = stage.inputs(context, partition)
    product = stage.compute(context, partition, inputs)
    pointer = context.store.put_candidate(
        stage.name,
        partition,
        product.frame,
        sort_by=stage.sort_by,
        code_version=stage.code_version(context.params),
        inputs=inputs,
        run_id=context.run_id,
        fence=fence,
    )
    return Written(pointer, product)


def judge_candidate(
    stage: Stage, context: StageContext, partition: str, candidate: Pointer | None = None
) -> tuple[Pointer, Verdict]:
    """Judges the partition's candidate; a pass publishes it and moves the accepted pointer, a refusal is noted on it.

    Args:
        stage: whose gate judges.
        context: what it may touch.
        partition: the partition.
        candidate: the candidate, where the caller has just written it; the newest one without.

    Raises:
        NotAcceptedError: there is no candidate to judge.
        GateBrokenError: the gate raised instead of judging; nothing is accepted, and nothing noted on the candidate.
    """
    candidate = candidate or context.store.candidate(stage.name, partition)
    if candidate is None:
        raise NotAcceptedError(
            f"{stage.name} {partition} has no candidate to judge; materialise it first",
            asset=stage.name,
            partition=partition,
        )
    verdict = _verdict(stage, context, candidate)
    if verdict.passed:
        if stage.publish:
            stage.publish(context, candidate, context.store.read_object(candidate.sha256))
            killpoint("stage.published")
        return context.store.accept(candidate), verdict
    context.store.refuse(candidate, verdict.refused_by)
    return candidate, verdict


def _verdict(stage: Stage, context: StageContext, candidate: Pointer) -> Verdict:
    """What the gate says of exactly this candidate, whatever is written beside it meanwhile."""
    frame = context.store.read_object(candidate.sha256)
    try:
        verdict = stage.gate(context, candidate, frame)
    except MatchAssetsError:
        raise
    except Exception as error:
        raise GateBrokenError(
            f"{stage.check} could not judge {stage.name} {candidate.partition} ({type(error).__name__}: {error}); nothing "
            "was accepted. This is a fault of the gate: mend it, then run the check again",
            asset=stage.name,
            partition=candidate.partition,
        ) from error
    return replace(verdict, subject=f"{stage.name} {candidate.partition} {candidate.sha256[:12]}")


def staleness(stage: Stage, context: StageContext, partition: str) -> str | None:
    """Why a partition must be made again, or None: it is current, refused with the same inputs, or not possible yet."""
    try:
        inputs = stage.inputs(context, partition)
    except NotAcceptedError:
        return None
    version = stage.code_version(context.params)
    accepted = context.store.pointer(stage.name, partition)
    if accepted and (accepted.inputs, accepted.code_version) == (inputs, version):
        return None
    if refusal(stage, context, partition):
        return None
    if accepted is None:
        return "never accepted"
    if accepted.code_version != version:
        return "its code or parameters changed"
    changed = sorted(name for name in {*inputs, *accepted.inputs} if inputs.get(name) != accepted.inputs.get(name))
    return f"inputs changed: {', '.join(changed[:3])}"


def refusal(stage: Stage, context: StageContext, partition: str) -> tuple[str, ...]:
    """Rules that refused the candidate made from today's inputs by today's code; empty where none did."""
    candidate = context.store.candidate(stage.name, partition)
    if candidate is None or not candidate.refused_by:
        return ()
    try:
        todays = (stage.inputs(context, partition), stage.code_version(context.params))
    except NotAcceptedError:
        return ()
    return candidate.refused_by if (candidate.inputs, candidate.code_version) == todays else ()
