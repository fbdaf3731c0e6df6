"""Where the embedded servers keep their files and listen, derived from the data directory alone.

places = Places(Path("/srv/whetstone/.data"))
places.valkey_socket    # /tmp/whetstone-0-5f2a91c07be3/valkey.sock
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

DATABASE = "whetstone"
USER = "whetstone"


@dataclass(frozen=True)
class Places:
    data_dir: Path

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
    def postgres_dir(self) -> Path:
        return self.data_dir / "pg"

    @property
    def valkey_dir(self) -> Path:
        return self.data_dir / "valkey"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def lock_dir(self) -> Path:
        return self.data_dir / "locks"

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.valkey_socket}"

    def database(self) -> dict[str, str]:
        """The part of a Django database setting that says where it is."""
        return {"NAME": DATABASE, "USER": USER, "PASSWORD": "", "HOST": str(self.socket_dir), "PORT": "5432"}
