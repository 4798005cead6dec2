"""How does a page look? One style sheet for every page that people open, light and dark, on paper and on a phone, and its frame."""

from html import escape

__all__ = ["POLICY", "STYLE", "whole"]

# Nothing is fetched and nothing runs: what a row holds stays text even if an escape were forgotten.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def whole(title: str, body: str, *, style: str) -> str:
    """A complete page around `body`, which is HTML; `title` is text."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2126; --quiet: #57606a; --rule: #d5dbe1; --soft: #f5f7f9;
  --blue: #0b5cad; --band: #0b5cad26; --good: #11632e; --bad: #a5121f; --wait: #73500a; --amber: #b45309; }
@media (prefers-color-scheme: dark) { :root { --paper: #101418; --ink: #e4e8ec; --quiet: #9ba6b1; --rule: #2d353d;
  --soft: #181e24; --blue: #6cb2ff; --band: #6cb2ff2e; --good: #5fd38d; --bad: #ff8b8b; --wait: #e2b84c; --amber: #f0a04b; } }
*, ::before, ::after { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.4rem 1.5rem 2rem; max-width: 74rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1rem; }
h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: .82rem; margin: 0 0 .5rem; color: var(--quiet); font-weight: 600; }
section { margin: 0 0 1.5rem; } .small { font-size: .84rem; color: var(--quiet); }
p { margin: 0 0 .5rem; } header p { margin: 0; color: var(--quiet); }
.wrong, .note { border: 1px solid; border-left-width: 5px; border-radius: 4px; padding: .55rem .9rem; margin-bottom: 1rem; }
.wrong { border-color: var(--bad); } .note { border-color: var(--amber); } .wrong h2 { color: var(--bad); }
.wrong ul, .note ul { margin: 0; padding-left: 1.1rem; overflow-wrap: anywhere; } .wrong h2, .note h2 { margin-bottom: .15rem; }
.missing { border-left: 3px solid var(--amber); padding: .15rem 0 .15rem .6rem; } .bad { color: var(--bad); font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin-bottom: .5rem; }
th, td { text-align: left; padding: .34rem .8rem .34rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; font-weight: 400; }
thead th { color: var(--quiet); font-size: .8rem; white-space: nowrap; } tbody th { font-weight: 600; }
.n, dd { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } th:last-child, td:last-child { padding-right: 0; }
.beside { display: grid; grid-template-columns: minmax(0, 2.1fr) minmax(0, 1fr); gap: 0 2.2rem; }
@media (max-width: 56rem) { .beside { grid-template-columns: minmax(0, 1fr); } }
dl { display: grid; grid-template-columns: 1fr auto; margin: 0 0 1.1rem; }
dt, dd { margin: 0; padding: .3rem 0; border-bottom: 1px solid var(--rule); } dd { padding-left: 1rem; }
footer { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; border-top: 1px solid var(--rule); padding-top: .7rem; font-size: .84rem; color: var(--quiet); }
a { color: var(--blue); }
"""
