"""How do the pages of experiments look? Their part of the style sheet: the colours of Okabe and Ito, which eyes that confuse red
and green tell apart, and the strips, plots and tables that carry them."""

from tasks.drawing import look

__all__ = ["STYLE"]

STYLE = (
    look.STYLE
    + """
:root { --judged: #0072b2; --near: #e69f00; --train: #009e73; --live: #cc79a7; --binds: #d55e00; --sky: #56b4e9; --faint: #b6bec6;
  --card: #f7f9fa; --tint: #0072b21f; --warm: #d55e0014; }
@media (prefers-color-scheme: dark) { :root { --judged: #56b4e9; --train: #1fbf92; --near: #f0b432; --binds: #f0803c; --live: #dd9bc0;
  --faint: #6f7b86; --card: #161c22; --tint: #56b4e92b; --warm: #f0803c1f; } }
body { max-width: 70rem; padding: 2rem 1.75rem 3rem; font-size: 15px; line-height: 1.5; -webkit-text-size-adjust: 100%; }
header { border-bottom: 1px solid var(--rule); padding-bottom: .8rem; margin-bottom: 1.6rem; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.12rem; color: var(--ink); margin: 0 0 .2rem; letter-spacing: -.005em; }
section { margin: 0 0 2.6rem; min-width: 0; } .lead { color: var(--quiet); max-width: 46rem; margin-bottom: .9rem; }
.head { border-left: 5px solid var(--binds); padding: .1rem 0 .1rem 1.2rem; margin: 0 0 1.6rem; } .head.free { border-color: var(--train); }
.head p { max-width: 52rem; margin: 0 0 .45rem; } .head p:last-child { margin: 0; }
.head .says { font-size: clamp(1.25rem, 3.4vw, 1.7rem); line-height: 1.28; letter-spacing: -.015em; color: var(--ink); margin-bottom: .6rem; }
.head .says b { color: var(--binds); font-weight: 650; } .head.free .says b { color: var(--good); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); background: var(--card);
  border: 1px solid var(--rule); border-radius: 8px; overflow: hidden; margin: 0 0 2.6rem; }
.tiles > div { box-shadow: 0 0 0 .5px var(--rule); padding: .7rem 1rem .75rem; display: block; } .tiles dt, .tiles dd { border: 0; padding: 0; text-align: left; white-space: normal; }
.tiles dt { font-size: .8rem; color: var(--quiet); } .tiles dd { font-size: 1.28rem; font-weight: 600; letter-spacing: -.01em; }
.tiles small { display: block; font-weight: 400; letter-spacing: 0; font-size: .8rem; color: var(--quiet); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(27rem, 100%), 1fr)); gap: 0 3rem; }
small { color: var(--quiet); font-size: .82em; font-weight: 400; } .unseen { color: var(--quiet); font-style: italic; }
.strips { margin: 0; table-layout: fixed; } .strips .c1 { width: 34%; } .strips .c3 { width: 9.4rem; } .tall .c1 { width: 42%; } .strips th, .strips td { border: 0; vertical-align: middle; padding: .28rem 0; }
.strips tbody th { font-weight: 500; padding-right: 1rem; overflow-wrap: break-word; line-height: 1.3; }
.strips th small { display: block; } .strips tbody .n { padding-left: 1.1rem; font-weight: 600; } .strips tbody .n small { display: block; }
.strips thead th { padding-bottom: .2rem; } .strips thead .n { padding-left: 1.1rem; }
.strip { position: relative; height: 2.5rem; } .strip svg { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; overflow: visible; }
.ladder tr.c-base + tr:not(.c-base) > * { border-top: 1px solid var(--rule); }
.strips .axis { height: 1.4rem; padding: 0; position: relative; vertical-align: top; border-top: 1px solid var(--faint) !important; } .axis svg { height: 1.4rem; width: 100%; margin: 0; overflow: visible; }
.says { font-size: .82rem; color: var(--quiet); margin: 0; } .strips td.says { text-align: center; padding: .15rem 0 0; }
svg text { font-size: 12px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
.whisker { stroke: var(--c, var(--judged)); stroke-width: 2.5; stroke-linecap: round; } .point { fill: var(--c, var(--judged)); stroke: var(--paper); stroke-width: 1.5; }
.bar { fill: var(--c, var(--judged)); opacity: .32; } .mark { stroke-width: 1.3; } .mark.zero { stroke: var(--quiet); }
.mark.target { stroke: var(--train); stroke-dasharray: 5 4; stroke-width: 1.8; } .mark.best { stroke: var(--live); stroke-dasharray: 2 3; stroke-width: 1.8; }
.mark.noise { stroke: var(--binds); stroke-dasharray: 3 3; } .mark.expected { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 1.5 2.5; }
.grid { stroke: var(--rule); stroke-width: 1; } .keys { display: flex; gap: .2rem 1.2rem; justify-content: center; flex-wrap: wrap; }
.key::before { content: ""; display: inline-block; width: 1.4rem; border-top: 2px dashed; vertical-align: .28rem; margin-right: .45rem; }
.key.target::before { border-color: var(--train); } .key.best::before { border-color: var(--live); border-top-style: dotted; } .key.noise::before { border-color: var(--binds); }
.c-train { --c: var(--train); } .c-near { --c: var(--near); } .c-judged, .c-gain { --c: var(--judged); } .c-live { --c: var(--live); } .c-base, .c-noise { --c: var(--faint); }
.c-binds, .c-worse { --c: var(--binds); } .c-judged th { font-weight: 650; } .c-base th, .c-base .n, .c-noise .n { color: var(--quiet); font-weight: 400; }
.dot { display: inline-block; width: .62rem; height: .62rem; border-radius: 50%; background: var(--c); margin-right: .5rem; }
.plot { margin: 0 0 .6rem; padding: .2rem .6rem 0 3.4rem; } .plot.named { padding-right: 5.6rem; } .plot figcaption { font-size: .8rem; color: var(--quiet); margin: 0 0 .7rem -3.4rem; }
.plot > .says { margin-top: 1.75rem; text-align: center; } .frame { width: 100%; overflow: visible; margin: 0; } .frame svg { overflow: hidden; margin: 0; height: 100%; }
.frame polyline { fill: none; stroke: var(--c, var(--judged)); stroke-width: 2.2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.frame polyline.ideal { stroke: var(--quiet); stroke-width: 1.2; stroke-dasharray: 4 4; } .frame polyline.ahead { stroke-dasharray: 5 4; }
.frame polyline.floor { stroke: var(--quiet); stroke-width: 1.4; stroke-dasharray: 2 3; } .frame polygon { fill: var(--c, var(--judged)); opacity: .17; }
.frame polygon.floor { fill: var(--quiet); opacity: .12; } .frame circle { fill: var(--c, var(--judged)); stroke: var(--paper); stroke-width: 1.5; }
.frame rect.count { fill: var(--faint); opacity: .6; } .frame text.c-train, .frame text.c-near, .frame text.c-judged { fill: var(--ink); }
.steps { list-style: none; margin: 0; padding: 0; counter-reset: step; } .steps li { display: grid; grid-template-columns: 1.9rem 1fr; padding: .42rem 0; border-bottom: 1px solid var(--rule); }
.steps .icon { width: 1.25rem; height: 1.25rem; border-radius: 50%; font-size: .78rem; line-height: 1.25rem; text-align: center; font-weight: 700; margin-top: .12rem;
  color: var(--quiet); border: 1px solid var(--faint); line-height: calc(1.25rem - 2px); }
.steps .yes { background: var(--train); border-color: var(--train); color: var(--paper); } .steps .no { background: var(--binds); border-color: var(--binds); color: var(--paper); }
.steps b { font-weight: 600; } .steps .first { background: var(--warm); margin: 0 -.7rem; padding-left: .7rem; padding-right: .7rem; border-radius: 6px; border-color: transparent; }
.tag { display: inline-block; font-size: .78rem; line-height: 1.2; padding: .1rem .5rem; border-radius: 1rem; background: var(--tint); color: var(--ink); white-space: nowrap; margin: 0 .25rem .15rem 0; max-width: 100%; overflow: hidden; text-overflow: ellipsis; vertical-align: bottom; }
.tag.hot { background: var(--warm); box-shadow: inset 0 0 0 1px var(--binds); } .tag.gain { background: var(--judged); color: var(--paper); } .tag.noise { background: var(--rule); } .tag.worse, .tag.failed { background: var(--binds); color: var(--paper); }
.heat { width: auto; } .heat th, .heat td { border: 0; text-align: center; padding: .5rem .9rem; font-variant-numeric: tabular-nums; } .heat tbody th, .heat thead td { text-align: right; }
.heat td.cell { min-width: 5.2rem; border: 2px solid var(--paper); border-radius: 6px; background: color-mix(in srgb, var(--h) calc(var(--s) * 1%), var(--card)); } .heat .cell small { display: block; }
.heat .right { --h: var(--judged); } .heat .off { --h: var(--binds); }
.sheet td { font-size: .88rem; } .sheet td:last-child { overflow-wrap: anywhere; min-width: 16rem; } .sheet .tag { font-weight: 400; } .sheet .values { color: var(--quiet); font-size: .8rem; }
details > summary { cursor: pointer; color: var(--judged); padding: .35rem 0; } ul.plain { margin: 0 0 .6rem; padding-left: 1.1rem; } ul.plain li { margin-bottom: .3rem; }
.probes { grid-template-columns: max-content 1fr; gap: 0 1.4rem; } .probes dt { font-weight: 600; } .probes dd { text-align: left; white-space: normal; padding-left: 0; font-variant-numeric: normal; }
.meter { height: .5rem; border-radius: 1rem; background: var(--rule); overflow: hidden; margin: .45rem 0 .1rem; } .meter i { display: block; height: 100%; background: var(--judged); }
@media (max-width: 40rem) { body { padding: 1.1rem 1rem 2rem; } .head { padding-left: .9rem; }
  .strips, .strips tbody, .strips tfoot, .strips thead { display: block; } .strips tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; align-items: start; } .ladder tr.c-base + tr:not(.c-base) > * { border: 0; } .strips colgroup, .strips tfoot td:empty { display: none; }
  .strips tbody th { padding: .7rem .6rem 0 0; } .strips .strip, .strips .axis, .strips td.says { grid-column: 1 / -1; order: 3; } .strip { height: 1.6rem; }
  .strips tbody .n { padding-top: .7rem; } .strips .axis { padding: 0; } .plot { padding-left: 2.9rem; } .plot.named { padding-right: 4.6rem; } .plot figcaption { margin-left: -2.9rem; }
  .heat th, .heat td { padding: .4rem .45rem; } .heat td.cell { min-width: 3.4rem; } .probes { grid-template-columns: 1fr; } .probes dt { border: 0; padding-bottom: 0; } .probes dd { padding-top: 0; } }
@media print { body { max-width: none; padding: 0; font-size: 11px; } section, figure, tr { break-inside: avoid; } details::details-content { content-visibility: visible; height: auto; } * { print-color-adjust: exact; } }
"""
)
