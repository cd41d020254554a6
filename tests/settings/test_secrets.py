"""Secrets of webhooks that stand in files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from davkeep.settings import Overrides, load
from davkeep.words.configuration import ConfigurationError

Environ = dict[str, str]
Written = Callable[[str], str]

ROW = "davkeep: {{webhooks: [{{url: 'https://example.org/', secret_file: '{file}'}}]}}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder / "webhook.secret"


def refusal(path: str, share: Path, environ: Environ) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path, Overrides(root=str(share)), environ=environ)
    return str(caught.value)


def test_a_file_is_read_beside_the_configuration(
    file: Path, written: Written, share: Path, environ: Environ
) -> None:
    """A relative path begins at the configuration file, and the line's end is no part of it."""
    file.write_text("hush-hush\n")
    path = written(ROW.format(file="webhook.secret"))
    configuration = load(path, Overrides(root=str(share)), environ=environ)
    (row,) = configuration.davkeep.webhooks
    assert row.secret is not None
    assert row.secret.get_secret_value() == "hush-hush"
    assert "hush-hush" not in repr(configuration)


def test_the_environment_names_the_folder(
    file: Path, written: Written, share: Path, environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd's LoadCredential= is found by $CREDENTIALS_DIRECTORY."""
    file.write_text("whsec_c2VjcmV0")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    path = written(ROW.format(file="$CREDENTIALS_DIRECTORY/webhook.secret"))
    (row,) = load(path, Overrides(root=str(share)), environ=environ).davkeep.webhooks
    assert row.secret is not None
    assert row.secret.get_secret_value() == "whsec_c2VjcmV0"


@pytest.mark.parametrize("content", [b"", b" \n", b"whsec_?hush", b"\xff\xfehush"])
def test_a_file_without_a_secret_is_refused(
    content: bytes, file: Path, written: Written, share: Path, environ: Environ
) -> None:
    """The key is named in full, and nothing of the content is shown."""
    file.write_bytes(content)
    message = refusal(written(ROW.format(file=file)), share, environ)
    assert "davkeep.webhooks.0.secret_file: " in message
    assert "hush" not in message


def test_a_missing_file_is_refused(
    file: Path, written: Written, share: Path, environ: Environ
) -> None:
    """A path that leads to nothing is told before anything is served."""
    message = refusal(written(ROW.format(file=file)), share, environ)
    assert "davkeep.webhooks.0.secret_file: " in message
    assert "an existing file" in message
