"""What a caller is told of a job, whatever the queue calls its state."""

import pytest
from saq import Job, Status

from serving.jobs import job_answer


@pytest.mark.parametrize(
    ("state", "attempts", "told"),
    [
        (Status.NEW, 0, "queued"),
        (Status.QUEUED, 1, "queued"),
        (Status.ACTIVE, 1, "active"),
        (Status.ABORTING, 1, "active"),
        (Status.ABORTED, 1, "queued"),
        (Status.ABORTED, 3, "failed"),
        (Status.FAILED, 3, "failed"),
        (Status.COMPLETE, 1, "failed"),
    ],
)
def test_every_state_of_the_queue_is_one_that_the_api_tells(state: Status, attempts: int, told: str) -> None:
    # aborted: swept after it got stuck, and asked for again while attempts are left; complete: without a result to read
    answer = job_answer(Job(function="predict", key="a", status=state, attempts=attempts, retries=3))
    assert answer.status == told
    assert (answer.detail is not None) == (told == "failed")
