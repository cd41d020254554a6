"""From files and command lines to a configuration that can be served."""

import filecmp
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from davkeep.settings import Overrides, load, sample, state_folder
from davkeep.settings.change import changed
from davkeep.settings.former import former_of
from davkeep.words.configuration import Configuration, ConfigurationError
from davkeep.words.names import is_reserved

Environ = dict[str, str]
Written = Callable[[str], str]


def roots(configuration: Configuration) -> dict[str, str]:
    return {url: share.root for url, share in configuration.provider_mapping.items()}


def refusal(path: str | None, said: Overrides, environ: Environ) -> str:
    """The message about settings that are refused."""
    with pytest.raises(ConfigurationError) as caught:
        load(path, said, environ=environ)
    return str(caught.value)


def test_a_root_is_served_at_the_root(share: Path, environ: Environ) -> None:
    """ROOT is the share `/`, anonymous on loopback, with a state folder in the user's home."""
    configuration = load(None, Overrides(root=str(share), port=0), environ=environ)
    assert roots(configuration) == {"/": str(share)}
    assert configuration.simple_dc.user_mapping == {"*": True}
    assert configuration.port == 0
    state = Path(str(configuration.davkeep.state))
    assert state.parent == Path(environ["HOME"], ".local/state/davkeep")
    assert not state.exists()


def test_the_state_does_not_depend_on_what_is_served(
    share: Path, environ: Environ, tmp_path: Path, written: Written
) -> None:
    """So shares may come, go and move."""
    other = tmp_path / "home"
    configurations = [
        load(None, Overrides(root=str(share)), environ=environ),
        load(None, Overrides(root=str(other)), environ=environ),
        load(written(f"provider_mapping: {{/a: {share}, /b: {other}}}"), environ=environ),
        load(None, environ=environ),
    ]
    assert {each.davkeep.state for each in configurations} == {state_folder(environ=environ)}


def test_where_former_states_may_be(share: Path, environ: Environ, tmp_path: Path) -> None:
    """That of the same roots, then others by when they were used; none beside a named folder."""
    place = Path(environ["HOME"], ".local/state/davkeep")
    for number, name in enumerate(("0" * 16, "f" * 16, "no-state", "e" * 16)):
        (place / name).mkdir(parents=True)
        (place / name / "davkeep.sqlite3").touch()
        os.utime(place / name / "davkeep.sqlite3", (number, number))
    (place / ("d" * 16)).mkdir()
    configuration = load(None, Overrides(root=str(share)), environ=environ)
    former = former_of(configuration, environ)
    assert former is not None
    name = hashlib.sha256(os.fsencode(os.path.realpath(share))).hexdigest()[:16]
    assert former.own == place / name
    assert [each.name for each in former.others] == ["e" * 16, "f" * 16, "0" * 16]
    named = changed(configuration, "davkeep.state", str(tmp_path / "state"))
    assert former_of(named, environ) is None


def test_the_xdg_state_folder_is_respected(share: Path, environ: Environ, tmp_path: Path) -> None:
    """XDG_STATE_HOME says where, unless it is relative."""
    said = Overrides(root=str(share))
    environ["XDG_STATE_HOME"] = str(tmp_path / "xdg")
    assert str(load(None, said, environ=environ).davkeep.state).startswith(str(tmp_path / "xdg"))
    environ["XDG_STATE_HOME"] = "xdg"
    assert str(load(None, said, environ=environ).davkeep.state).startswith(environ["HOME"])


def test_serving_ones_home_does_not_serve_the_state(environ: Environ) -> None:
    """A state folder that would lie inside the share gets a name that is hidden from clients."""
    configuration = load(None, Overrides(root=environ["HOME"]), environ=environ)
    below = os.path.relpath(str(configuration.davkeep.state), environ["HOME"])
    assert any(is_reserved(name) for name in below.split("/"))


@pytest.mark.parametrize("state", ["share", "share/state", "alias/state"])
def test_a_state_folder_in_sight_of_clients_is_refused(
    state: str, share: Path, environ: Environ, tmp_path: Path, written: Written
) -> None:
    """A configured state folder inside a share is refused, also by way of a symbolic link."""
    (tmp_path / "alias").symlink_to(share)
    path = written(f"davkeep: {{state: ../{state}}}")
    assert "davkeep.state: " in refusal(path, Overrides(root=str(share)), environ)


def test_a_state_folder_that_cannot_be_made_is_refused(
    share: Path, environ: Environ, tmp_path: Path, written: Written
) -> None:
    """A path below a plain file can never become the state folder."""
    (tmp_path / "file").touch()
    path = written("davkeep: {state: ../file/state}")
    assert "cannot be made" in refusal(path, Overrides(root=str(share)), environ)


def test_paths_are_relative_to_the_file(environ: Environ, share: Path, written: Written) -> None:
    """Relative folders begin where the configuration file is, not where the command was given."""
    path = written(
        "provider_mapping: {/a: ../share, /b: {root: ../share, readonly: true}}\n"
        "davkeep: {put: {spool: ../home}, state: state}\n"
    )
    configuration = load(path, environ=environ)
    assert roots(configuration) == {"/a": str(share), "/b": str(share)}
    assert configuration.provider_mapping["/b"].readonly
    assert configuration.davkeep.put.spool == environ["HOME"]
    assert configuration.davkeep.state == str(Path(path).parent / "state")


def test_home_and_variables_are_filled_in(
    environ: Environ, share: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` and `$NAME` mean in a path what they mean in a shell."""
    monkeypatch.setenv("HOME", str(share.parent))
    monkeypatch.setenv("DAVKEEP_TEST_NAME", "share")
    path = written('provider_mapping: {/a: "~/share", /b: "~/$DAVKEEP_TEST_NAME"}')
    assert set(roots(load(path, environ=environ)).values()) == {str(share)}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("provider_mapping: {/a: nowhere}", "provider_mapping./a"),
        ("provider_mapping: {/a: davkeep.yaml}", "provider_mapping./a"),
        ("davkeep: {put: {spool: nowhere}}", "davkeep.put.spool"),
        ("fs_dav_provider: {shadow_map: {/x: nowhere}}", "fs_dav_provider.shadow_map./x"),
        ("ssl_certificate: nowhere\nssl_private_key: davkeep.yaml", "ssl_certificate"),
        ("htpasswd_dc: {htpasswd_file: nowhere}", "htpasswd_dc.htpasswd_file"),
        ("davkeep: {operations: {workers: 0}}", "davkeep.operations.workers"),
    ],
)
def test_a_file_is_named_with_its_problems(
    text: str, key: str, environ: Environ, written: Written
) -> None:
    """A path that leads nowhere is refused like any other value, after the file's name."""
    path = written(text)
    assert refusal(path, Overrides(), environ).startswith(f"{path}: {key}: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("host: [", "line 1: not valid YAML"),
        ("port: 1\nhost: x\nport: 2\n", "line 3: not valid YAML: the key port is there twice"),
        ("davkeep:\n  put: {spool: /, spool: /}\n", "line 2"),
        ("- 1", "the file: a list is not allowed"),
        ("a: !!python/object/apply:os.getcwd []", "line 1"),
        ("host: \x07", "YAML does not allow"),
    ],
)
def test_what_is_no_configuration_is_said_with_its_line(
    text: str, words: str, environ: Environ, written: Written
) -> None:
    """Broken YAML, doubled keys and other documents are refused in one line."""
    message = refusal(written(text), Overrides(), environ)
    assert words in message
    assert len(message.splitlines()) == 1


def test_a_file_that_is_not_there_is_said(environ: Environ, tmp_path: Path) -> None:
    """A missing file is refused with the reason."""
    path = str(tmp_path / "none.yaml")
    assert (
        refusal(path, Overrides(), environ) == f"{path}: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}"])
def test_an_empty_file_is_valid(text: str, share: Path, environ: Environ, written: Written) -> None:
    """An empty file is the same as none."""
    said = Overrides(root=str(share))
    assert load(written(text), said, environ=environ) == load(None, said, environ=environ)


def test_root_and_shares_exclude_each_other(
    share: Path, environ: Environ, written: Written
) -> None:
    """ROOT together with provider_mapping is refused."""
    path = written("provider_mapping: {/a: ../share}")
    assert "together with provider_mapping" in refusal(path, Overrides(root=str(share)), environ)


@pytest.mark.parametrize("root", ["nowhere", "etc/davkeep.yaml", ""])
def test_a_root_has_to_be_a_folder(
    root: str, environ: Environ, written: Written, tmp_path: Path
) -> None:
    """ROOT that does not exist or is a file is refused."""
    written("")
    given = str(tmp_path / root) if root else ""
    assert refusal(None, Overrides(root=given), environ).startswith("ROOT: ")


@pytest.mark.parametrize(
    ("said", "key"), [(Overrides(port=70000), "port: "), (Overrides(host=""), "host: ")]
)
def test_the_command_lines_address_is_checked(
    said: Overrides, key: str, environ: Environ, written: Written
) -> None:
    """A wrong port or host on the command line is not blamed on the file."""
    assert refusal(written(""), said, environ).startswith(key)


def test_the_command_line_goes_before_the_file(
    share: Path, environ: Environ, written: Written
) -> None:
    """-H and -p win over the file's keys, and what they do not say stays."""
    path = written("{host: 127.0.0.2, port: 99}")
    configuration = load(path, Overrides(root=str(share), port=0), environ=environ)
    assert (configuration.host, configuration.port) == ("127.0.0.2", 0)


def test_elsewhere_anonymous_access_is_asked_for(share: Path, environ: Environ) -> None:
    """Off loopback nobody is let in by default; --auth anonymous does it."""
    said = Overrides(root=str(share), host="0.0.0.0")
    assert "--auth anonymous" in refusal(None, said, environ)
    said = Overrides(root=str(share), host="0.0.0.0", auth="anonymous")
    assert load(None, said, environ=environ).simple_dc.user_mapping == {"*": True}


def test_users_in_the_file_are_enough_elsewhere(
    share: Path, environ: Environ, written: Written
) -> None:
    """Where the file names users, no --auth is needed, and none is allowed."""
    path = written('{host: 0.0.0.0, simple_dc: {user_mapping: {"*": {anna: {password: p}}}}}')
    configuration = load(path, Overrides(root=str(share)), environ=environ)
    assert set(configuration.simple_dc.user_mapping) == {"*"}
    said = Overrides(root=str(share), auth="anonymous")
    assert refusal(path, said, environ).startswith("--auth: ")


@pytest.mark.parametrize(
    ("kind", "controller"),
    [
        ("htpasswd", "wsgidav.dc.htpasswd_dc.HtpasswdDomainController"),
        ("htdigest", "wsgidav.dc.htdigest_dc.HtdigestDomainController"),
    ],
)
def test_users_come_from_a_file(
    kind: str, controller: str, share: Path, environ: Environ, tmp_path: Path
) -> None:
    """--auth KIND:FILE sets the domain controller and the absolute path of its file."""
    users = tmp_path / "users:1"
    users.touch()
    said = Overrides(root=str(share), host="0.0.0.0", auth=f"{kind}:{os.path.relpath(users)}")
    configuration = load(None, said, environ=environ)
    assert configuration.http_authenticator.domain_controller == controller
    assert str(users) in (
        configuration.htpasswd_dc.htpasswd_file,
        configuration.htdigest_dc.htdigest_file,
    )


@pytest.mark.parametrize("auth", ["", "htpasswd", "htpasswd:", "htpasswd:/nowhere", "ldap:x", "nt"])
def test_an_auth_that_is_none_is_refused(auth: str, share: Path, environ: Environ) -> None:
    """--auth with an unknown kind or without its file is refused."""
    said = Overrides(root=str(share), auth=auth)
    assert refusal(None, said, environ).startswith("--auth: ")


def test_users_of_an_unknown_share_are_refused(
    share: Path, environ: Environ, written: Written
) -> None:
    """Users of a share that there is not would never come in, so the key is told."""
    path = written("simple_dc: {user_mapping: {/pubb: true}}")
    message = refusal(path, Overrides(root=str(share)), environ)
    assert message == "simple_dc.user_mapping./pubb: no such share; allowed: *, /"


def same_tree(one: Path, other: Path) -> bool:
    """Whether two folders hold the same names with the same bytes."""
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    return all(filecmp.cmp(one / file, other / file, shallow=False) for file in files)


def test_without_a_folder_a_copy_of_the_sample_is_served(environ: Environ) -> None:
    """The first run makes the user's own whole copy of the packaged sample, and tells him where."""
    told: list[str] = []
    configuration = load(None, environ=environ, tell=told.append)
    folder = Path(roots(configuration)["/"])
    assert folder == Path(environ["HOME"], ".local/state/davkeep/sample_share")
    assert same_tree(Path(sample.PACKAGED), folder)
    assert [str(folder) in sentence for sentence in told] == [True]
    assert os.listdir(folder.parent) == ["sample_share"]


def test_the_sample_is_the_users_to_change(environ: Environ) -> None:
    """What he changed is there at the next start; the packaged sample is as it was."""
    folder = Path(roots(load(None, environ=environ))["/"])
    shutil.rmtree(folder / "planets")
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    assert roots(load(None, environ=environ))["/"] == str(folder)
    assert not (folder / "planets").exists()
    assert (folder / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert Path(sample.PACKAGED, "planets").is_dir()


def test_the_sample_can_be_changed_wherever_it_came_from(
    environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of a read-only installation is writable."""
    packaged = tmp_path / "packaged"
    (packaged / "a").mkdir(parents=True)
    (packaged / "a" / "b").touch()
    for path, mode in ((packaged / "a" / "b", 0o444), (packaged / "a", 0o555), (packaged, 0o555)):
        path.chmod(mode)
    monkeypatch.setattr(sample, "PACKAGED", str(packaged))
    folder = Path(roots(load(None, environ=environ))["/"])
    assert [path.stat().st_mode & 0o200 for path in (folder, folder / "a", folder / "a/b")] == [
        0o200
    ] * 3


def test_a_configured_state_takes_the_sample_too(environ: Environ, written: Written) -> None:
    """Where the state has a folder of its own, the sample lies in it, and the home stays empty."""
    path = written("davkeep: {state: state}")
    folder = Path(roots(load(path, environ=environ))["/"])
    assert folder == Path(path).parent / "state" / "sample_share"
    assert os.listdir(environ["HOME"]) == []


def test_nothing_is_written_when_something_is_wrong(environ: Environ) -> None:
    """A command line that is refused makes no copy."""
    refusal(None, Overrides(host="0.0.0.0"), environ)
    assert os.listdir(environ["HOME"]) == []


def test_a_copy_that_was_interrupted_is_not_taken_for_whole(
    environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When copying fails half way, nothing is left, and the next start makes a whole one."""

    def fail(source: str, target: str) -> None:
        os.mkdir(target)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sample, "_copy_contents", fail)
        assert "No space left on device" in refusal(None, Overrides(), environ)
    folder = Path(environ["HOME"], ".local/state/davkeep/sample_share")
    assert os.listdir(folder.parent) == []
    load(None, environ=environ)
    assert same_tree(Path(sample.PACKAGED), folder)
