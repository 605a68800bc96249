"""A page as tests look at it: its tags, links, text, and the scripts that its policy lets run."""

import base64
import hashlib
import json
from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects tags, sources, links and text of a page; ``scripts`` run, ``data`` are JSON."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.scripts: list[str] = []
        self.data: list[object] = []
        self.policy = ""
        self._script: dict[str, str | None] | None = None
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "action")]
        self.links += [found["href"] or ""] if "href" in found else []
        assert not [name for name in found if name.startswith("on")], f"{tag} has a handler"
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        self._script = found if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data.replace("\u00a0", " ").replace("\u2011", "-")
        elif self._script.get("type") == "application/json":
            self.data.append(json.loads(data))
        else:
            self.scripts.append(data)

    def check_alone(self) -> None:
        """Nothing is fetched, and no script runs but those that the policy names."""
        assert all(value.startswith("data:image/") for value in self.sources)
        assert not {"link", "iframe", "object", "base", "embed", "form"} & set(self.tags)
        assert self.policy.startswith("default-src 'none';")
        digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in self.scripts]
        allowed = self.policy.partition("script-src ")[2].partition(";")[0].split()
        assert allowed == [f"'sha256-{digest}'" for digest in digests]
