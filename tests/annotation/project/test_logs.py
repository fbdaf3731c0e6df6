"""Log lines: one an event, with what is bound, without the values of variables."""

import json
import logging
import logging.config

import pytest
import structlog

from annotation.project.logs import logging_config


@pytest.fixture
def log_lines(capsys):
    """Configures logging as asked, logs, and gives the lines; the suite's own configuration comes back after."""

    def lines(pretty):
        logging.config.dictConfig(logging_config(pretty=pretty))
        logger = logging.getLogger("annotation.sample")
        with structlog.contextvars.bound_contextvars(request_id="abc-12345"):
            structlog.get_logger("annotation.sample").info("stored", item=7)
            logger.warning("two\nlines")
            try:
                password = "hunter2-hunter2"
                int(password[:0] or "x")
            except ValueError:
                logger.exception("it broke")
        return capsys.readouterr().err

    yield lines
    logging.config.dictConfig(logging_config(pretty=True))


def test_production_logs_are_json_one_event_a_line(log_lines):
    stored, warned, broke = (json.loads(line) for line in log_lines(pretty=False).splitlines())

    assert (stored["event"], stored["item"], stored["level"]) == ("stored", 7, "info")
    assert warned["event"] == "two\nlines"  # escaped in the file: no forged line
    assert broke["exception"][0]["exc_type"] == "ValueError"
    assert {entry["request_id"] for entry in (stored, warned, broke)} == {"abc-12345"}
    assert {entry["logger"] for entry in (stored, warned, broke)} == {"annotation.sample"}
    assert stored["timestamp"].endswith("Z")


@pytest.mark.parametrize("pretty", [True, False])
def test_a_traceback_does_not_show_values(log_lines, pretty):
    text = log_lines(pretty=pretty)

    assert "ValueError" in text
    assert "test_logs.py" in text
    assert "hunter2-hunter2" not in text
