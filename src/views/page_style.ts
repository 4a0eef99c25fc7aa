import { themeCss } from "./theme.js";

/** The page's style sheet; a content security policy may allow it by its hash. */
export const pageStyle = `
${themeCss()}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; }
main { max-width: 976px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { margin: 0; font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; font-weight: 650; }
h2 { margin: 0 0 20px; padding-top: 20px; border-top: 1px solid var(--grid); font-size: 20px; font-weight: 600; }
h3 { margin: 0 0 8px; font-size: 15px; font-weight: 600; }
section { margin-top: 40px; }
section:empty { display: none; }
.subtitle, figcaption, .note, .remark, dt, summary { color: var(--quiet); }
.subtitle { margin: 8px 0 0; }
.live { float: right; margin: 6px 0 0; font-size: 14px; color: var(--quiet); }
.live::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 4px; background: var(--orange); }
.panels { columns: 2 400px; column-gap: 48px; margin-bottom: -40px; }
.panels > * { break-inside: avoid; margin: 0; padding-bottom: 40px; }
figure { max-width: 440px; }
figure > svg { display: block; width: 100%; height: auto; }
figcaption, .note { margin-top: 8px; font-size: 14px; line-height: 1.45; }
dl, dd { margin: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 24px; }
.figures dt { font-size: 14px; }
.figures dd { font-size: 30px; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -0.01em; }
.figures .remark { min-height: 20px; font-size: 14px; line-height: 1.45; font-weight: 400; letter-spacing: 0; }
.pairs { font-size: 14px; }
.pairs div { display: grid; grid-template-columns: 136px minmax(0, 1fr); gap: 16px; padding: 4px 0; }
.pairs dd { overflow-wrap: anywhere; }
details { margin-top: 24px; font-size: 14px; }
summary { cursor: pointer; }
.scroll { margin-top: 8px; max-width: 440px; max-height: 400px; overflow: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 0 4px 8px; border-bottom: 1px solid var(--grid); text-align: right; font-weight: 400; }
thead th { color: var(--quiet); }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
@media (max-width: 480px) { main { padding: 24px 16px 48px; } h1 { font-size: 26px; } .figures { grid-template-columns: 1fr 1fr; } .figures dd { font-size: 26px; } }
`;
