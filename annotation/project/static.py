"""Static files with a hash in their names, compressed once when they are collected."""

from collections.abc import Iterable, Iterator

from whitenoise.storage import CompressedManifestStaticFilesStorage

# Large files of the API documentation, which few people open: compressing them would make the first start wait.
LEFT_ALONE = "drf_spectacular_sidecar/"


class StaticFiles(CompressedManifestStaticFilesStorage):
    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        yield from super().compress_files([path for path in paths if not path.startswith(LEFT_ALONE)])
