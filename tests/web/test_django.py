"""``convexpy`` beside Django, as the documentation shows it. Django is no dependency: install it to run this."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "embedding.md"
URLS = """
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("own/", lambda request: HttpResponse("django's"))]
"""
SETTINGS = """
SECRET_KEY = "x"
ROOT_URLCONF = "project.urls"
ALLOWED_HOSTS = ["shop"]
"""
CALLS = """
import asyncio, httpx
import asgi

async def main():
    transport = httpx.ASGITransport(asgi.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        print((await client.get("/own/")).text)
        print((await client.post("/convex/api/query", json={"path": "greetings:hello", "args": {}})).json()["value"])

asgi.convex.migrate()
asyncio.run(main())
"""


@pytest.mark.long
def test_django_and_convexpy_share_a_server(tmp_path: Path) -> None:
    pytest.importorskip("django", reason="pip install django")
    text = PAGE.read_text("utf-8")
    for path, body in re.findall(r"^```python(?: no-run)?\n# (\S+\.py)\n(.*?)^```", text, re.M | re.S):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "settings.py").write_text(SETTINGS)
    (tmp_path / "project" / "urls.py").write_text(URLS)
    (tmp_path / "pyproject.toml").write_text('[tool.convexpy]\nfunctions = "shop"\n')
    environment = {"PYTHONPATH": ":".join([str(PROJECT), *filter(None, sys.path)])}
    done = subprocess.run([sys.executable, "-c", CALLS], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "django's\nhello you\n"
