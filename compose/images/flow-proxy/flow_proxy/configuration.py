"""From services to the text of haproxy.cfg.

The folder `tmpl` is the proxy's only local state: `haproxy.tmpl`, the part that never changes, and
a pair of snippets for each service, `<service>-fe.cfg` and `<service>-be.cfg`. The configuration is
all of them, one after another. Equal snippets give an equal configuration, byte for byte, on every
replica: that is how the lab proves that replicas agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .services import Refused, Service

_FRONT = "-fe.cfg"
_BACK = "-be.cfg"


@dataclass(frozen=True)
class Snippet:
    """The two parts that one service adds: rules of the frontend, and a backend."""

    front: str
    back: str


class TemplateError(Exception):
    """A template file that cannot be read."""


def snippet(service: Service) -> Snippet:
    """The parts for one service; raises TemplateError when its template cannot be read."""
    if service.fe_template:
        return Snippet(_read(service.fe_template), _read(service.be_template))
    return Snippet(_front(service), _back(service))


def _front(service: Service) -> str:
    # The word for the comparison is repeated before each path, as the original proxy writes it.
    kind = service.path_type or "path_beg"
    rule = f"url_{service.name}{service.port}"
    paths = " ".join(f"{kind} {path}" for path in service.paths)
    lines = [f"    acl {rule} {paths}"]
    conditions = rule
    if service.domain:
        lines.append(f"    acl domain_{service.name} hdr_dom(host) -i {service.domain}")
        conditions += f" domain_{service.name}"
    lines.append(f"    use_backend {service.name}-be{service.port} if {conditions}")
    return "\n".join(lines)


def _back(service: Service) -> str:
    # No health check: the name is a virtual address, behind which Swarm chooses a healthy task.
    return (
        f"backend {service.name}-be{service.port}\n"
        "    mode http\n"
        f"    server {service.name} {service.name}:{service.port}"
    )


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TemplateError(f"Could not read the file {file}\n{reason}") from error


def compose(base: str, snippets: Mapping[str, Snippet]) -> str:
    """The whole configuration: base, fronts by name, backs by name, one new line at the end.

    HAProxy refuses a file whose last line does not end.
    """
    names = sorted(snippets)
    _refuse_equal_rules(snippets)
    parts = [base, *(snippets[n].front for n in names), *(snippets[n].back for n in names)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _refuse_equal_rules(snippets: Mapping[str, Snippet]) -> None:
    # "a" on port 18080 and "a1" on port 8080 would both be called url_a18080. HAProxy joins rules
    # of one name with "or", so each service would get the other's requests.
    owners: dict[str, str] = {}
    for name, parts in snippets.items():
        for line in parts.front.splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "acl" and owners.setdefault(words[1], name) != name:
                raise Refused(
                    f"The services {owners[words[1]]} and {name} would share the rule {words[1]}: "
                    "choose another name or port"
                )


class Folder:
    """The folder with haproxy.cfg and its parts. `path` is /cfg in the image."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.live = path / "haproxy.cfg"
        self.candidate = path / "haproxy.cfg.new"
        self._parts = path / "tmpl"

    def base(self) -> str:
        """The part that never changes."""
        return (self._parts / "haproxy.tmpl").read_text(encoding="utf-8")

    def snippets(self) -> dict[str, Snippet]:
        """The snippets on disk, by service name."""
        found: dict[str, Snippet] = {}
        for front in self._parts.glob("*" + _FRONT):
            name = front.name.removesuffix(_FRONT)
            back = self._parts / (name + _BACK)
            if back.exists():
                found[name] = Snippet(front.read_text("utf-8"), back.read_text("utf-8"))
        return found

    def propose(self, text: str) -> Path:
        """Write a configuration beside the live one, where HAProxy can check it first."""
        self.candidate.write_text(text, encoding="utf-8")
        return self.candidate

    def accept(self, snippets: Mapping[str, Snippet]) -> None:
        """Make the proposal the live configuration, and these snippets the only ones."""
        for old in (*self._parts.glob("*" + _FRONT), *self._parts.glob("*" + _BACK)):
            if old.name.removesuffix(_FRONT).removesuffix(_BACK) not in snippets:
                old.unlink()
        for name, parts in snippets.items():
            _replace(self._parts / (name + _FRONT), parts.front)
            _replace(self._parts / (name + _BACK), parts.back)
        # One rename: whoever reads the file sees the old text or the new one, never a half.
        self.candidate.replace(self.live)

    def discard(self) -> None:
        """Forget a proposal that was refused."""
        self.candidate.unlink(missing_ok=True)

    def text(self) -> str:
        """The live configuration."""
        return self.live.read_text(encoding="utf-8")


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o664)
    fresh.replace(path)
