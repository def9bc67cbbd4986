"""Generated types with the official client: TypeScript accepts right uses, and reports each wrong one at its line."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from convexpy.codegen.written_files import write_typescript
from convexpy.functions.registry import Registry

from . import chat

USES = Path(__file__).parent / "uses.tsx"
CONFIG = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "jsx": "react-jsx",
        "target": "es2022",
        "lib": ["es2022", "dom"],
        "module": "esnext",
        "moduleResolution": "bundler",
        "types": [],
    },
    "include": ["*.tsx", "*.ts"],
}


def test_typescript_reports_each_planted_mistake_and_nothing_else(tmp_path: Path, node_modules: Path) -> None:
    write_typescript(tmp_path, Registry({"chat": chat}).functions.values())
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "tsconfig.json").write_text(json.dumps(CONFIG))
    lines = USES.read_text("utf-8").splitlines()
    (tmp_path / "uses.tsx").write_text("\n".join(lines))
    command = [node_modules / ".bin" / "tsc", "--project", tmp_path, "--pretty", "false"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    planted = {number for number, line in enumerate(lines, 1) if number > 1 and re.search("; // ", line)}
    assert len(planted) == 24
    found = {int(number) for number in re.findall(r"^uses\.tsx\((\d+),", checked.stdout, re.M)}
    assert found == planted, checked.stdout
    assert len(re.findall(r"error TS", checked.stdout)) == len(re.findall(r"^uses\.tsx", checked.stdout, re.M))
