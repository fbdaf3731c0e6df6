"""The web process and the workers stay light: no training library is loaded by them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ["torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers", "safetensors"]
WEB = """
import django
django.setup()
from django.urls import get_resolver
def walk(patterns):
    for pattern in patterns:
        walk(pattern.url_patterns) if hasattr(pattern, "url_patterns") else pattern.callback
walk(get_resolver().url_patterns)
from feedback_types import registry
"""
WORKER = """
import django
django.setup()
from annotation.project.celery import app
app.loader.import_default_modules()
app.conf.beat_schedule
"""


@pytest.mark.parametrize("code", [WEB, WORKER], ids=["web", "worker"])
def test_no_training_library_is_loaded(code):
    asks = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + asks], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
