/**
 * Draws the plots, in the browser. Compiled, it is put into the page as it is, after uPlot, whose `uPlot` it finds as a
 * global name: it must import nothing but types.
 */
import type { Plot, PlotAxis, PlotGroup, PlotSeries, Tone } from "./plot.ts";

/** As much of the DOM as is used; the project's types are Node's. */
interface Element {
  textContent: string;
  className: string;
  id: string;
  value: string;
  readonly clientWidth: number;
  append(...children: Element[]): void;
  replaceChildren(): void;
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): Element | null;
  addEventListener(event: string, listener: () => void): void;
}
declare const document: {
  readonly documentElement: Element;
  createElement(name: string): Element;
  getElementById(id: string): Element | null;
};
declare const getComputedStyle: (element: Element) => {
  getPropertyValue(name: string): string;
  readonly fontFamily: string;
};
declare const matchMedia: (query: string) => { addEventListener(event: "change", listener: () => void): void };
declare const ResizeObserver: new (listener: () => void) => { observe(element: Element): void; disconnect(): void };
declare const devicePixelRatio: number;

interface Canvas {
  save(): void;
  restore(): void;
  beginPath(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  stroke(): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  fillText(text: string, x: number, y: number): void;
  measureText(text: string): { readonly width: number };
  setLineDash(segments: readonly number[]): void;
  strokeStyle: string;
  fillStyle: string;
  lineWidth: number;
  font: string;
  textBaseline: string;
  textAlign: string;
}
interface Chart {
  readonly ctx: Canvas;
  readonly bbox: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  readonly valToPos: (value: number, scale: "x" | "y", inCanvasPixels: boolean) => number;
  setSize(size: { readonly width: number; readonly height: number }): void;
  destroy(): void;
}
declare const uPlot: new (options: object, data: readonly (readonly (number | null)[])[], into: Element) => Chart;

/** Many lines need room to stand apart. */
function heightOf({ series }: Plot): number {
  return series.length > 4 ? 360 : 230;
}

const drawn: { readonly chart: Chart; readonly observer: { disconnect(): void } }[] = [];
const picked = new Map<string, number>();
const groups = JSON.parse(document.getElementById("plots")?.textContent ?? "[]") as readonly PlotGroup[];

function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Between the three colours of the ramp, which the style gives for light and dark. */
function colourOf(tone: Tone): string {
  if (tone === "muted") return css("--muted");
  const stops = [css("--ramp-low"), css("--ramp-mid"), css("--ramp-high")].map((hex) =>
    [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)),
  );
  const at = Math.min(1, Math.max(0, tone)) * 2;
  const below = Math.min(1, Math.floor(at));
  const mixed = [0, 1, 2].map((channel) => {
    const [from, to] = [stops[below]?.[channel] ?? 0, stops[below + 1]?.[channel] ?? 0];
    return Math.round(from + (to - from) * (at - below));
  });
  return `rgb(${mixed.join(" ")})`;
}

/** As many digits as are worth reading. */
function digits(value: number): string {
  const size = Math.abs(value);
  const fraction = size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: fraction });
}

function read({ unit }: PlotAxis, value: number | null): string {
  if (value === null) return "";
  switch (unit) {
    case "ms":
      return value >= 1_000 ? `${digits(value / 1_000)} s` : `${digits(value)} ms`;
    case "share":
      return `${digits(value * 100)} %`;
    case "percentile":
      return `p${Number(((1 - 10 ** -value) * 100).toFixed(3))}`;
    case "s":
      return `${digits(value)} s`;
    case "count":
      return digits(value);
  }
}

const STEPS = [
  [1, 10],
  [1, 3],
  [1, 2, 5],
  [1, 2, 3, 4, 5, 6, 7, 8, 9],
];

/** Round values, three or more where there are so many. */
function logarithmicTicks(low: number, high: number): number[] {
  const powers = Array.from({ length: 25 }, (_, index) => 10 ** (index - 12));
  let ticks: number[] = [];
  for (const steps of STEPS) {
    ticks = powers.flatMap((power) => steps.map((step) => step * power)).filter((tick) => tick >= low && tick <= high);
    if (new Set(ticks).size >= 3) break;
  }
  return [...new Set(ticks.map((tick) => Number(tick.toPrecision(3))))];
}

const NINES = [0, 0.30103, 1, 2, 3, 4];

/** uPlot would leave the labels of most ticks of a logarithmic axis away. */
const everyTick = { filter: (_: Chart, ticks: readonly number[]) => ticks };

function ticksOf({ scale }: PlotAxis): object {
  switch (scale) {
    case "linear":
      return {};
    case "log2":
      return {
        ...everyTick,
        splits: (_: Chart, __: number, low: number, high: number) =>
          Array.from({ length: 24 }, (___, power) => 2 ** (power - 6)).filter((tick) => tick >= low && tick <= high),
      };
    case "log10":
      return { ...everyTick, splits: (_: Chart, __: number, low: number, high: number) => logarithmicTicks(low, high) };
    case "nines":
      return { splits: () => NINES };
  }
}

function scaleOf({ scale, unit }: PlotAxis, vertical: boolean): object {
  const logarithmic = (by: number) => ({
    distr: 3,
    log: scale === "log2" ? 2 : 10,
    range: (_: Chart, low: number | null, high: number | null) => [(low ?? 1) / by, (high ?? 10) * by],
  });
  switch (scale) {
    case "log2":
    case "log10":
      return logarithmic(vertical ? 1.35 : 1.12);
    case "nines":
      return { range: (_: Chart, low: number | null, high: number | null) => [low ?? 0, Math.max(1, high ?? 4)] };
    case "linear":
      if (!vertical) {
        return {
          range: (_: Chart, low: number | null, high: number | null) => {
            const [from, to] = [low ?? 0, high ?? 1];
            const room = unit === "s" ? 0 : Math.max((to - from) * 0.04, to === from ? 1 : 0);
            return [from - room, Math.max(to, from + (unit === "s" ? 1 : 0)) + room];
          },
        };
      }
      return {
        range: (_: Chart, __: number | null, high: number | null) => [
          0,
          unit === "share"
            ? Math.min(1.04, Math.max(0.05, (high ?? 0) * 1.15))
            : (high ?? 0) <= 0
              ? 1
              : (high ?? 0) * 1.12,
        ],
      };
  }
}

function axisOf(axis: PlotAxis, vertical: boolean): object {
  const ink = css("--muted-text");
  const font = `11px ${getComputedStyle(document.documentElement).fontFamily}`;
  return {
    stroke: ink,
    font,
    labelFont: font,
    ...(vertical ? { size: 58 } : { label: axis.label, labelSize: 18, size: 30 }),
    grid: { stroke: css("--grid"), width: 1, show: vertical },
    ticks: { show: !vertical, stroke: css("--grid"), size: 4 },
    border: { show: !vertical, stroke: css("--muted"), width: 1 },
    values: (_: Chart, ticks: readonly (number | null)[]) =>
      ticks.map((tick) => (tick === null ? "" : read(axis, tick))),
    ...ticksOf(axis),
  };
}

function seriesOf({ label, tone, points, dashed }: PlotSeries, axis: PlotAxis): object {
  const stroke = colourOf(tone);
  return {
    label,
    stroke,
    width: tone === "muted" ? 1.25 : 1.75,
    ...(dashed ? { dash: [5, 4] } : {}),
    points: { show: points, size: 6, fill: css("--paper"), stroke, width: 1.5 },
    value: (_: Chart, value: number | null) => read(axis, value),
  };
}

function drawShades({ ctx, bbox, valToPos }: Chart, { shades }: Plot): void {
  ctx.save();
  ctx.font = `${10.5 * devicePixelRatio}px ${getComputedStyle(document.documentElement).fontFamily}`;
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  for (const { from, to, label } of shades) {
    const left = Math.max(bbox.left, valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, valToPos(to, "x", true));
    // What is beyond a zoomed plot has no width.
    if (right <= left) continue;
    ctx.fillStyle = css("--shade");
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = css("--muted-text");
    const room = 4 * devicePixelRatio;
    if (ctx.measureText(label).width + 2 * room < right - left)
      ctx.fillText(label, left + room, bbox.top + bbox.height - room);
  }
  ctx.restore();
}

function drawLines({ ctx, bbox, valToPos }: Chart, { lines }: Plot): void {
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeStyle = css("--ink");
  ctx.fillStyle = css("--ink");
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.font = `${10.5 * devicePixelRatio}px ${getComputedStyle(document.documentElement).fontFamily}`;
  ctx.textAlign = "left";
  const [right, bottom] = [bbox.left + bbox.width, bbox.top + bbox.height];
  const room = 4 * devicePixelRatio;
  for (const { axis, at, label } of lines) {
    const place = valToPos(at, axis, true);
    const width = ctx.measureText(label).width;
    ctx.beginPath();
    if (axis === "x") {
      if (!(place >= bbox.left && place <= right)) continue;
      ctx.moveTo(place, bbox.top);
      ctx.lineTo(place, bottom);
      ctx.textBaseline = "top";
      ctx.fillText(label, place - width - room > bbox.left ? place - width - room : place + room, bbox.top + room);
    } else {
      if (!(place >= bbox.top && place <= bottom)) continue;
      ctx.moveTo(bbox.left, place);
      ctx.lineTo(right, place);
      ctx.textBaseline = "bottom";
      ctx.fillText(label, right - width - room, place - room / 2);
    }
    ctx.stroke();
  }
  ctx.restore();
}

function drawPlot(plot: Plot, group: PlotGroup, into: Element): void {
  const figure = document.createElement("figure");
  figure.id = plot.id;
  const title = document.createElement("h3");
  title.textContent = plot.title;
  const caption = document.createElement("figcaption");
  caption.textContent = plot.caption;
  const canvas = document.createElement("div");
  canvas.className = "plot";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${plot.title}. ${plot.caption} The tables below hold its figures.`);
  figure.append(title, caption, canvas);
  into.append(figure);
  const isTimeline = plot.x.unit === "s";
  const chart = new uPlot(
    {
      width: Math.max(200, canvas.clientWidth),
      height: heightOf(plot),
      scales: { x: { time: false, ...scaleOf(plot.x, false) }, y: scaleOf(plot.y, true) },
      axes: [axisOf(plot.x, false), axisOf(plot.y, true)],
      series: [
        {
          label: plot.x.unit === "percentile" ? "percentile" : plot.x.unit === "s" ? "second" : "load",
          value: (_: Chart, x: number | null) => read(plot.x, x),
        },
        ...plot.series.map((series) => seriesOf(series, plot.y)),
      ],
      cursor: { drag: { x: isTimeline, y: false }, ...(isTimeline ? { sync: { key: group.id } } : {}) },
      hooks: {
        drawClear: [(drawing: Chart) => drawShades(drawing, plot)],
        draw: [(drawing: Chart) => drawLines(drawing, plot)],
      },
    },
    [plot.xs, ...plot.series.map(({ values }) => values)],
    canvas,
  );
  const observer = new ResizeObserver(() =>
    chart.setSize({ width: Math.max(200, canvas.clientWidth), height: heightOf(plot) }),
  );
  observer.observe(canvas);
  drawn.push({ chart, observer });
}

function drawGroups(): void {
  for (const { chart, observer } of drawn.splice(0)) {
    observer.disconnect();
    chart.destroy();
  }
  for (const group of groups) {
    const into = document.getElementById(`plots-${group.id}`);
    into?.replaceChildren();
    const variant = group.variants[picked.get(group.id) ?? group.initial];
    if (into !== null) for (const plot of variant?.plots ?? []) drawPlot(plot, group, into);
  }
}

for (const { id } of groups) {
  const picker = document.getElementById(`pick-${id}`);
  picker?.addEventListener("change", () => {
    picked.set(id, Number(picker.value));
    drawGroups();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawGroups);
drawGroups();
