"""Static files with a hash in their names; those that our pages load are compressed once, when they are collected."""

from collections.abc import Iterable, Iterator

from whitenoise.storage import CompressedManifestStaticFilesStorage

# Not the files of the API's documentation, which few people open: the first start would wait for them.
COMPRESSED = ("whetstone/", "feedback_types/", "django_htmx/")


class StaticFiles(CompressedManifestStaticFilesStorage):
    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        yield from super().compress_files([path for path in paths if path.startswith(COMPRESSED)])
