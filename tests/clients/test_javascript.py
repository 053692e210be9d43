"""Runs the tests of the OpenAI JavaScript SDK, which node's own runner reports."""

import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent


def run(script, gateway):
    result = subprocess.run(
        ["node", "--test", script],
        cwd=HERE,
        env={**os.environ, "GATEWAY": gateway.url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    print(result.stdout, result.stderr)
    assert result.returncode == 0


def test_the_javascript_sdk(gateway):
    run("openai.test.js", gateway)
