"""The variables that point all parts of the project at the embedded servers, and the `.env` file that carries them.

Our lines stand between two marks; what a person wrote beside them stays, and wins.
"""

import os
from pathlib import Path

from dotenv import dotenv_values

from match_assets.local.layout import HOST, Layout, write_private
from match_assets.local.servers import BUCKET, REGION, postgres_dsn

ENV_FILE_VARIABLE = "MATCH_ASSETS_ENV_FILE"
BEGIN = "# >>> written by `match-assets up`; set a variable outside these marks to replace one in here"
END = "# <<< match-assets up"
# The practice site is ours and on this machine; the twelve a minute of the real one would make a first fill take hours.
PRACTICE_REQUESTS_PER_MINUTE = "6000"
PRACTICE_REQUESTS_PER_DAY = "10000000"

# A look at the conditions takes in events up to one moment. Without this Dagster reads some of them up to the end of the
# look, and sees that an input changed before it sees in which run: what a bulk run carries on itself would be made twice.
DAGSTER_LOOKS = {"DAGSTER_AUTOMATION_TICK_SETTLE_SECONDS": "0.5"}


def server_environment(layout: Layout, ports: dict[str, int], secrets: dict[str, str]) -> dict[str, str]:
    """Addresses and passwords of the servers by variable name; ports that are not chosen yet read as the usual ones."""
    postgres, password = ports["postgres"], secrets["postgres"]
    s3_endpoint = f"http://{HOST}:{ports['s3']}"
    mlflow = postgres_dsn(postgres, password, "mlflow", driver="psycopg")
    return {
        "MATCH_ASSETS_STATE_DIR": str(layout.root),
        "MATCH_ASSETS_POSTGRES_URL": postgres_dsn(postgres, password, "match_assets", driver="psycopg"),
        "MATCH_ASSETS_REDIS_URL": f"redis://:{secrets['valkey']}@{HOST}:{ports['valkey']}/0",
        "MATCH_ASSETS_S3_ENDPOINT": s3_endpoint,
        "MATCH_ASSETS_S3_BUCKET": BUCKET,
        "MATCH_ASSETS_S3_ACCESS_KEY": secrets["s3_access_key"],
        "MATCH_ASSETS_S3_SECRET_KEY": secrets["s3_secret_key"],
        "MATCH_ASSETS_S3_REGION": REGION,
        "MATCH_ASSETS_MLFLOW_URL": mlflow,
        "MATCH_ASSETS_SOURCE_URL": practice_url(ports),
        "MATCH_ASSETS_SERVICE_URL": f"http://{HOST}:{ports.get('service', 8000)}",
        "MATCH_ASSETS_DAGSTER_URL": f"http://{HOST}:{ports.get('dagster', 3000)}",
        # what Dagster, MLflow and boto3 look for under names of their own
        "DAGSTER_HOME": str(layout.dagster_home),
        "DAGSTER_PG_URL": postgres_dsn(postgres, password, "dagster", driver="psycopg2"),
        **DAGSTER_LOOKS,
        "MLFLOW_TRACKING_URI": mlflow,
        "MLFLOW_S3_ENDPOINT_URL": s3_endpoint,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "AWS_ACCESS_KEY_ID": secrets["s3_access_key"],
        "AWS_SECRET_ACCESS_KEY": secrets["s3_secret_key"],
        "AWS_DEFAULT_REGION": REGION,
    }


def practice_url(ports: dict[str, int]) -> str:
    """Address of the stack's own practice site."""
    return f"http://{HOST}:{ports.get('practice', 1)}"


def stack_environment(
    layout: Layout, ports: dict[str, int], secrets: dict[str, str], env_file: Path
) -> tuple[dict[str, str], bool]:
    """Variables for all parts, a person's own settings first, and whether the practice site is the source.

    The source is the practice site unless ``MATCH_ASSETS_SOURCE_URL`` names another one, in the environment or in a line of
    the `.env` file that is not ours.
    """
    ours = server_environment(layout, ports, secrets)
    own = {**own_variables(env_file), **{name: value for name, value in os.environ.items() if name in SOURCE_VARIABLES}}
    source = own.get("MATCH_ASSETS_SOURCE_URL", practice_url(ports))
    is_practice = source == practice_url(ports)
    if is_practice:
        ours["MATCH_ASSETS_REQUESTS_PER_MINUTE"] = PRACTICE_REQUESTS_PER_MINUTE
        ours["MATCH_ASSETS_REQUESTS_PER_DAY"] = PRACTICE_REQUESTS_PER_DAY
    # addresses of the embedded servers are not for overriding here: whoever wants other servers needs no embedded ones
    return ours | {
        name: value for name, value in own.items() if name in SOURCE_VARIABLES or name not in ours
    }, is_practice


SOURCE_VARIABLES = (
    "MATCH_ASSETS_SOURCE_URL",
    "MATCH_ASSETS_REQUESTS_PER_MINUTE",
    "MATCH_ASSETS_REQUESTS_PER_DAY",
    "MATCH_ASSETS_CONTACT",
    "MATCH_ASSETS_CHROMIUM",
    "MATCH_ASSETS_BROWSER_URL",
    "MATCH_ASSETS_PARAMS",
)


def default_env_file() -> Path:
    """The file that ``MATCH_ASSETS_ENV_FILE`` names, or `.env` in the working folder: the one that the settings read."""
    return Path(os.environ.get(ENV_FILE_VARIABLE) or ".env").absolute()


def own_variables(env_file: Path) -> dict[str, str]:
    """Variables that a person set in the file, outside our marks."""
    import io

    held = dotenv_values(stream=io.StringIO(_outside_marks(env_file)))
    return {name: value for name, value in held.items() if value is not None}


def write_env_file(env_file: Path, variables: dict[str, str]) -> None:
    """Put our variables into the file, in place of those of the last start; readable by its owner alone."""
    own_text = _outside_marks(env_file)
    own = own_variables(env_file)
    lines = [f"{name}={_quoted(value)}" for name, value in variables.items() if name not in own]
    write_private(env_file, "\n".join([*own_text.splitlines(), BEGIN, *lines, END]) + "\n")


def clear_env_file(env_file: Path) -> None:
    """Take our variables out; a file that holds nothing else goes."""
    if not env_file.exists():
        return
    own_text = _outside_marks(env_file)
    if own_text.strip():
        write_private(env_file, own_text)
    else:
        env_file.unlink()


def _outside_marks(env_file: Path) -> str:
    try:
        lines = env_file.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return ""
    kept, inside = [], False
    for line in lines:
        if line.rstrip("\n") == BEGIN:
            inside = True
        if not inside:
            kept.append(line)
        if line.rstrip("\n") == END:
            inside = False
    return "".join(kept)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
