"""The JSON that callers read: one line, always the same keys in the same order.

Scripts of the book's time read these answers, so names and order are those of the original.
"""

import json
from dataclasses import dataclass

# Go's encoder, which wrote the original's answers, escapes these for use inside HTML.
_ESCAPES = {
    "&": "\\u0026",
    "<": "\\u003c",
    ">": "\\u003e",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


@dataclass(frozen=True)
class Reply:
    """An answer of the controller: HTTP status and what its JSON says."""

    code: int = 200
    message: str = ""
    service_name: str = ""
    service_color: str = ""
    service_path: tuple[str, ...] | None = None
    service_domain: str = ""
    fe_template: str = ""
    be_template: str = ""
    path_type: str = ""
    skip_check: bool = False
    mode: str = ""
    port: str = ""
    distribute: bool = False

    def json(self) -> bytes:
        """The body, without a new line at the end."""
        fields = {
            "Status": "OK" if self.code == 200 else "NOK",
            "Message": self.message,
            "ServiceName": self.service_name,
            "ServiceColor": self.service_color,
            "ServicePath": None if self.service_path is None else list(self.service_path),
            "ServiceDomain": self.service_domain,
            "ConsulTemplateFePath": self.fe_template,
            "ConsulTemplateBePath": self.be_template,
            "PathType": self.path_type,
            "SkipCheck": self.skip_check,
            "Mode": self.mode,
            "Port": self.port,
            "Distribute": self.distribute,
        }
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        for character, escape in _ESCAPES.items():
            text = text.replace(character, escape)
        return text.encode("utf-8", "replace")
