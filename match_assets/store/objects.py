"""Bytes in an S3 bucket through boto3: our own errors, conditional writes, and patience with a store that restarts."""

import datetime as dt
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  (botocore's own, of which a refused connection is one)
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.utils import parse_timestamp

from match_assets.config import Settings
from match_assets.errors import (
    ConfigurationError,
    DependencyUnavailableError,
    HashMismatchError,
    MatchAssetsError,
    PointerConflictError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

ABSENT = "*"
QUICK_SECONDS = 3.0
READ_TIMEOUT_SECONDS = (5.0, 20.0)
LONGEST_PAUSE_SECONDS = 2.0
NOTHING_HERE = {"404", "NoSuchKey", "NotFound"}
LOST_RACE = {"PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted"}
WRONG_KEY = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "Forbidden"}
OLD_KEY = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}
WRONG_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
# 400 for bytes that were cut or changed on their way: sending them again is the remedy
GARBLED = {"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
BUSY = {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "429"}
AWAY = (ConnectionError, HTTPClientError, ResponseStreamingError, IncompleteReadError)


@dataclass(frozen=True)
class Head:
    """What the store says of an object without its bytes; ``seen_at`` is the store's own clock at that moment."""

    size: int
    etag: str
    modified: dt.datetime
    seen_at: dt.datetime

    @property
    def age(self) -> dt.timedelta:
        """Time since it was written or touched, by the store's clock alone."""
        return self.seen_at - self.modified


@dataclass(frozen=True)
class Entry:
    """One object in a listing; ``etag`` is another one whenever its bytes are."""

    key: str
    size: int
    modified: dt.datetime
    etag: str


def s3_client(settings: Settings, *, patience_seconds: float = QUICK_SECONDS) -> "S3Client":
    """A boto3 client for the configured endpoint that tries once: ``Bucket`` repeats, since only it knows what is safe.

    A silent server is given up after 5 to 20 s an attempt, the less patience the sooner.

    Raises:
        ConfigurationError: the endpoint is no address.
    """
    shortest, longest = READ_TIMEOUT_SECONDS
    core = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time_of)
    try:
        # a session of its own: boto3's default one is not safe across threads and keeps the first credentials it met
        return boto3.Session(botocore_session=core).client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key,
            region_name=settings.s3_region,
            config=Config(
                connect_timeout=3,
                read_timeout=min(max(shortest, patience_seconds / 2), longest),
                retries={"mode": "standard", "total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )
    except ValueError as error:
        raise ConfigurationError(
            f"MATCH_ASSETS_S3_ENDPOINT is no address ({error}); write it as http://host:port",
            endpoint=settings.s3_endpoint,
        ) from error


def _time_of(told: Any) -> dt.datetime:
    """A time in an answer. A listing has one for each key, in ISO form, for which botocore's guessing takes longest."""
    try:
        return dt.datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return parse_timestamp(told)


def etag_of(content: bytes) -> str:
    """The ETag that a store gives ``content`` when it uses the MD5, as nearly all do for an object put in one piece."""
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


class Bucket:
    """One bucket and key prefix; every method raises this project's errors only.

    Args:
        client: a client that does not retry by itself.
        name: the bucket.
        prefix: put before every key.
        patience_seconds: how long a request is repeated while the store is away or busy. A wrong key, a wrong bucket
            and a wrong clock are never repeated.
    """

    def __init__(
        self, client: "S3Client", name: str, prefix: str = "", *, patience_seconds: float = QUICK_SECONDS
    ) -> None:
        self._client = client
        self.name = name
        self.prefix = prefix
        self.patience_seconds = patience_seconds
        self._is_there = False

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, key: str, request: Callable[[], T]) -> T:
        """The answer to one request, repeated with growing, jittered pauses while that can help."""
        deadline = time.monotonic() + self.patience_seconds
        pause = 0.1
        while True:
            try:
                return request()
            except (ClientError, BotoCoreError) as error:
                if not _may_pass(error) or time.monotonic() + pause > deadline:
                    self._raise_ours(key, error)
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (spreads retries, guards nothing)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _raise_ours(self, key: str, error: ClientError | BotoCoreError) -> NoReturn:
        ours = self._of_answer(key, error) if isinstance(error, ClientError) else self._of_silence(key, error)
        raise ours from error

    def _of_answer(self, key: str, error: ClientError) -> MatchAssetsError:
        code = error.response.get("Error", {}).get("Code", "")
        if code in LOST_RACE:
            return PointerConflictError(f"{key}: changed by another writer meanwhile; read it again", key=key)
        if code in WRONG_KEY:
            return ConfigurationError(
                f"the object store refuses our key for bucket {self.name} ({code}); "
                "check MATCH_ASSETS_S3_ACCESS_KEY and MATCH_ASSETS_S3_SECRET_KEY",
                bucket=self.name,
            )
        if code in OLD_KEY:
            return ConfigurationError(
                f"our key for bucket {self.name} has expired ({code}); "
                "set a new MATCH_ASSETS_S3_ACCESS_KEY and MATCH_ASSETS_S3_SECRET_KEY and run again",
                bucket=self.name,
            )
        if code in WRONG_CLOCK:
            return ConfigurationError(
                f"this machine's clock differs too much from the object store's ({code}); set the clock", code=code
            )
        if code == "NoSuchBucket":
            return self._no_bucket()
        return DependencyUnavailableError(
            f"the object store answered {code or 'an error'} for {key}; if its disk is full make room, "
            "then run the same again",
            key=key,
            code=code,
        )

    def _of_silence(self, key: str, error: BotoCoreError) -> MatchAssetsError:
        endpoint = self._client.meta.endpoint_url
        if isinstance(error, FlexibleChecksumError):
            return HashMismatchError(
                f"{key} holds other bytes than the object store's own checksum says; run `match-assets store repair`",
                key=key,
            )
        if isinstance(error, AWAY):
            return DependencyUnavailableError(
                f"the object store at {endpoint} does not answer ({type(error).__name__}); start it with `make up`",
                endpoint=endpoint,
            )
        return ConfigurationError(
            f"the settings of the object store at {endpoint} do not work ({type(error).__name__}: {error}); "
            "check the MATCH_ASSETS_S3_* variables",
            endpoint=endpoint,
        )

    def _no_bucket(self) -> ConfigurationError:
        return ConfigurationError(
            f"bucket {self.name} does not exist; create it or set MATCH_ASSETS_S3_BUCKET", bucket=self.name
        )

    def _require_bucket(self) -> None:
        """Some stores answer HEAD in a bucket that is not there like any other 404, and make one up on PUT: ask once."""
        if not self._is_there:
            self.clock()
            self._is_there = True

    def clock(self) -> dt.datetime:
        """The store's own time, to the second.

        Raises:
            ConfigurationError: the bucket does not exist, or our key is not good for it.
        """

        def look() -> dt.datetime:
            try:
                return _date_of(self._client.head_bucket(Bucket=self.name))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in NOTHING_HERE:
                    raise self._no_bucket() from error
                raise

        return self._ask(self.name, look)

    # -- objects ---------------------------------------------------------------------------------------------------

    def put(self, key: str, content: bytes, *, if_match: str | None = None) -> str:
        """Writes ``content`` and returns its ETag.

        Args:
            key: key below the prefix.
            content: the bytes.
            if_match: ``ABSENT`` to write only where nothing is, an ETag to replace only that version.

        Raises:
            PointerConflictError: the condition did not hold.
        """
        self._require_bucket()
        path, tries = self.prefix + key, 0
        condition: dict[str, Any] = {}
        if if_match is not None:
            condition = {"IfNoneMatch": "*"} if if_match == ABSENT else {"IfMatch": if_match}

        def write() -> str:
            nonlocal tries
            tries += 1
            return self._client.put_object(Bucket=self.name, Key=path, Body=content, **condition)["ETag"]

        try:
            return self._ask(path, write)
        except PointerConflictError:
            # the first try may have been carried out and only its answer lost: then what lies there is ours
            held = self.head(key) if tries > 1 else None
            if held is None or held.etag != etag_of(content):
                raise
            return held.etag

    def get(self, key: str, *, at_most: int | None = None) -> tuple[bytes, str] | None:
        """Bytes and ETag, or None where nothing is.

        Args:
            key: key below the prefix.
            at_most: bytes that may lie there; more are refused by the announced length, before they are read.

        Raises:
            HashMismatchError: more lies there.
        """
        path = self.prefix + key

        def read() -> tuple[bytes, str] | None:
            try:
                answer = self._client.get_object(Bucket=self.name, Key=path)
            except self._client.exceptions.NoSuchKey:
                return None
            length, body = answer["ContentLength"], answer["Body"]
            if at_most is not None and length > at_most:
                body.close()
                raise HashMismatchError(
                    f"{path} holds {length} bytes where {at_most} at most belong; run `match-assets store repair`",
                    key=path,
                    expected=at_most,
                    found=length,
                )
            with body:
                return body.read(), answer["ETag"]

        return self._ask(path, read)

    def head(self, key: str) -> Head | None:
        """Size, ETag and age, or None where nothing is."""
        path = self.prefix + key

        def look() -> Head | None:
            try:
                answer = self._client.head_object(Bucket=self.name, Key=path)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in NOTHING_HERE:
                    return None
                raise
            return Head(answer["ContentLength"], answer["ETag"], answer["LastModified"], _date_of(answer))

        found = self._ask(path, look)
        if found is None:
            self._require_bucket()
        return found

    def touch(self, key: str, etag: str) -> bool:
        """Makes an object young again without sending its bytes; False when that version is no longer there."""
        path = self.prefix + key

        def copy() -> bool:
            try:
                self._client.copy_object(
                    Bucket=self.name,
                    Key=path,
                    CopySource={"Bucket": self.name, "Key": path},
                    CopySourceIfMatch=etag,
                    MetadataDirective="REPLACE",
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in {*NOTHING_HERE, *LOST_RACE}:
                    return False
                raise
            return True

        return self._ask(path, copy)

    def delete(self, key: str, etag: str) -> bool:
        """Removes that version of an object; False when it was replaced meanwhile. An absent one counts as removed."""
        path = self.prefix + key
        try:
            self._ask(path, lambda: self._client.delete_object(Bucket=self.name, Key=path, IfMatch=etag))
        except PointerConflictError:
            return self.head(key) is None
        return True

    def entries(self, below: str) -> list[Entry]:
        """Every object whose key starts with ``below``, sorted by key, keys without the prefix."""
        path = self.prefix + below

        def pages() -> Iterator[Entry]:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=path):
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self.prefix)
                    yield Entry(key, item["Size"], item["LastModified"], item["ETag"])

        return self._ask(path, lambda: sorted(pages(), key=lambda entry: entry.key))

    def keys(self, below: str) -> list[str]:
        """All keys that start with ``below``, sorted, without the prefix."""
        return [entry.key for entry in self.entries(below)]


def _may_pass(error: ClientError | BotoCoreError) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or code in GARBLED or code in BUSY
    return isinstance(error, AWAY)


def _date_of(answer: Any) -> dt.datetime:
    """The store's clock as its answer carries it."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
