"""Bytes in an S3 bucket through boto3, with our own errors and conditional writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from match_assets.config import Settings
from match_assets.errors import ConfigurationError, DependencyUnavailableError, PointerConflictError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ABSENT = "*"


def s3_client(settings: Settings) -> "S3Client":
    """A boto3 client for the configured endpoint; a few quick retries, then an error, never minutes of silence."""
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        region_name=settings.s3_region,
        config=Config(
            connect_timeout=3,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 4},
            s3={"addressing_style": "path"},
        ),
    )


class Bucket:
    """One bucket and key prefix; every method raises this project's errors only."""

    def __init__(self, client: "S3Client", name: str, prefix: str = "") -> None:
        self._client = client
        self.name = name
        self.prefix = prefix

    @contextmanager
    def _mapped(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"PreconditionFailed", "412", "ConditionalRequestConflict"}:
                raise PointerConflictError(
                    f"{key}: changed by another writer meanwhile; read it again", key=key
                ) from error
            if code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"}:
                raise ConfigurationError(
                    f"the object store refuses our key for bucket {self.name} ({code}); "
                    "check MATCH_ASSETS_S3_ACCESS_KEY and MATCH_ASSETS_S3_SECRET_KEY",
                    bucket=self.name,
                ) from error
            if code == "NoSuchBucket":
                raise ConfigurationError(
                    f"bucket {self.name} does not exist; create it or set MATCH_ASSETS_S3_BUCKET", bucket=self.name
                ) from error
            raise DependencyUnavailableError(
                f"the object store answered {code} for {key}; try again", key=key
            ) from error
        except BotoCoreError as error:
            endpoint = self._client.meta.endpoint_url
            raise DependencyUnavailableError(
                f"the object store at {endpoint} does not answer ({type(error).__name__}); start it with `make up`",
                endpoint=endpoint,
            ) from error

    def put(self, key: str, content: bytes, *, if_match: str | None = None) -> str:
        """Writes ``content`` and returns its ETag.

        Args:
            key: key below the prefix.
            content: the bytes.
            if_match: ``ABSENT`` to write only where nothing is, an ETag to replace only that version.

        Raises:
            PointerConflictError: the condition did not hold.
        """
        path = self.prefix + key
        with self._mapped(path):
            if if_match is None:
                answer = self._client.put_object(Bucket=self.name, Key=path, Body=content)
            elif if_match == ABSENT:
                answer = self._client.put_object(Bucket=self.name, Key=path, Body=content, IfNoneMatch="*")
            else:
                answer = self._client.put_object(Bucket=self.name, Key=path, Body=content, IfMatch=if_match)
        return answer["ETag"]

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and ETag, or None where nothing is."""
        path = self.prefix + key
        with self._mapped(path):
            try:
                answer = self._client.get_object(Bucket=self.name, Key=path)
            except self._client.exceptions.NoSuchKey:
                return None
            return answer["Body"].read(), answer["ETag"]

    def size(self, key: str) -> int | None:
        """Size in bytes, or None where nothing is."""
        path = self.prefix + key
        with self._mapped(path):
            try:
                return self._client.head_object(Bucket=self.name, Key=path)["ContentLength"]
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}:
                    return None
                raise

    def keys(self, below: str) -> list[str]:
        """All keys that start with ``below``, sorted, without the prefix."""
        path = self.prefix + below
        with self._mapped(path):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=path)
            found = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return sorted(key.removeprefix(self.prefix) for key in found)
