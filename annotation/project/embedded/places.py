"""Where the embedded servers keep their files and listen, derived from the data directory alone.

places = Places(Path("/srv/whetstone/.data"))
places.valkey_socket    # /tmp/whetstone-0-5f2a91c07be3/valkey.sock
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

DATABASE = "whetstone"
USER = "whetstone"
DEFAULT_DATA_DIR = Path(__file__).resolve().parents[3] / ".data"


class EmbeddedError(RuntimeError):
    """An embedded server cannot run here; the message says what to do."""


@dataclass(frozen=True)
class Places:
    data_dir: Path

    @classmethod
    def from_environment(cls) -> "Places":
        from annotation.project.env import envpath

        return cls(envpath("WHETSTONE_DATA_DIR", DEFAULT_DATA_DIR))

    @property
    def socket_dir(self) -> Path:
        """A short directory of our own: a socket's address holds 107 bytes, and a data directory may be deep.

        Always under /tmp, whatever TMPDIR says, so that every process derives the same one.
        """
        key = hashlib.sha256(os.fsencode(self.data_dir.resolve())).hexdigest()[:12]
        return Path(f"/tmp/whetstone-{os.getuid()}-{key}")

    @property
    def valkey_socket(self) -> Path:
        return self.socket_dir / "valkey.sock"

    @property
    def policy_socket(self) -> Path:
        """Where the live policy is asked (training_bridge/policy/generator.py)."""
        return self.socket_dir / "policy.sock"

    @property
    def postgres_dir(self) -> Path:
        return self.data_dir / "pg"

    @property
    def valkey_dir(self) -> Path:
        return self.data_dir / "valkey"

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.valkey_socket}"

    def log(self, name: str) -> Path:
        return self.data_dir / "logs" / f"{name}.log"

    def lock(self, name: str) -> Path:
        return self.data_dir / "locks" / name

    def database(self) -> dict[str, str]:
        """The part of a Django database setting that says where it is."""
        return {"NAME": DATABASE, "USER": USER, "PASSWORD": "", "HOST": str(self.socket_dir), "PORT": "5432"}

    def make_data_dir(self) -> None:
        """The data directory and its folders, for their owner only."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "locks"):
            (self.data_dir / name).mkdir(mode=0o700, exist_ok=True)

    def make_socket_dir(self, *, owner: int) -> None:
        """The socket directory, 0700 and the server's own; a directory that somebody else put there is refused."""
        try:
            self.socket_dir.mkdir(mode=0o700)
            if owner != os.getuid():
                os.chown(self.socket_dir, owner, -1)
        except FileExistsError:
            pass
        found = self.socket_dir.lstat()
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid not in (owner, os.getuid())
            or found.st_mode & 0o077
        ):
            raise EmbeddedError(
                f"{self.socket_dir} is not a private directory of this user. Remove it and start again."
            )
        if found.st_uid != owner:
            os.chown(self.socket_dir, owner, -1)
