"""Model text to safe HTML (`markdown`), and numbers to SVG (`plots`)."""

from annotation.rendering.markdown import Rendered, render, render_markdown

__all__ = ["Rendered", "render", "render_markdown"]
