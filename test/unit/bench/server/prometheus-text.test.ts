import assert from "node:assert/strict";
import { test } from "node:test";
import { readPrometheusText } from "../../../../bench/server/prometheus-text.ts";
import { isTidingError } from "../../../../shared/errors.ts";

void test("samples are read with labels, escapes, numbers of every form and timestamps", () => {
  const samples = readPrometheusText(
    [
      "# HELP http_requests_total The total number of HTTP requests.",
      "# TYPE http_requests_total counter",
      'http_requests_total{method="post",code="200"} 1027 1395066363000',
      'http_requests_total{method="post",code="400"}    3 1395066363000',
      "",
      "# Escaping in label values:",
      'msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9',
      "metric_without_timestamp_and_labels 12.47",
      'something_weird{problem="division by zero"} +Inf -3982045',
      '\ttabs_and_spaces \t { a = "1" , b = "}{,=" , } \t -.5e-3',
      "empty_labels{} 0",
      "vllm:nothing NaN",
      "less -Inf",
      'utf8{name="Müller 🌊"} 1\r',
    ].join("\n"),
  );
  assert.deepEqual(
    [...samples],
    [
      [
        "http_requests_total",
        [
          { labels: { method: "post", code: "200" }, value: 1027 },
          { labels: { method: "post", code: "400" }, value: 3 },
        ],
      ],
      [
        "msdos_file_access_time_seconds",
        [{ labels: { path: "C:\\DIR\\FILE.TXT", error: 'Cannot find file:\n"FILE.TXT"' }, value: 1.458255915e9 }],
      ],
      ["metric_without_timestamp_and_labels", [{ labels: {}, value: 12.47 }]],
      ["something_weird", [{ labels: { problem: "division by zero" }, value: Infinity }]],
      ["tabs_and_spaces", [{ labels: { a: "1", b: "}{,=" }, value: -0.0005 }]],
      ["empty_labels", [{ labels: {}, value: 0 }]],
      ["vllm:nothing", [{ labels: {}, value: NaN }]],
      ["less", [{ labels: {}, value: -Infinity }]],
      ["utf8", [{ labels: { name: "Müller 🌊" }, value: 1 }]],
    ],
  );
});

void test("a histogram and a summary come as the samples that they are written as", () => {
  const samples = readPrometheusText(
    [
      "# TYPE h histogram",
      'h_bucket{le="0.05"} 24054',
      'h_bucket{le="+Inf"} 144320',
      "h_sum 53423",
      "h_count 144320",
      "# TYPE s summary",
      's{quantile="0.5"} NaN',
      's{quantile="0.99"} 76656',
      "s_sum 1.7560473e+07",
      "s_count 2693",
    ].join("\n"),
  );
  assert.deepEqual([...samples.keys()], ["h_bucket", "h_sum", "h_count", "s", "s_sum", "s_count"]);
  assert.equal(samples.get("h_bucket")?.[1]?.labels["le"], "+Inf");
  assert.equal(samples.get("s_sum")?.[0]?.value, 17_560_473);
});

void test("a label of any name is a label, and no part of an object's own", () => {
  const [sample] = readPrometheusText('m{__proto__="x",constructor="y"} 1').get("m") ?? [];
  assert.deepEqual(Object.entries(sample?.labels ?? {}), [
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
});

const MALFORMED: readonly [string, RegExp][] = [
  ["<!doctype html>", /Line 1 .* does not begin with a metric's name/],
  ["good 1\n{} 3", /Line 2/],
  ["m", /has no value/],
  ["m ", /has no value/],
  ['m{a="1"}', /has no value/],
  ["m 1 2 3", /more behind its value than a timestamp/],
  ["m 1 2.5", /more behind its value than a timestamp/],
  ['m 1 # {trace="a"} 1', /more behind its value than a timestamp/],
  ["m twelve", /"twelve" for a value/],
  ["m 0x10", /"0x10" for a value/],
  ["m 1_000", /for a value/],
  ["m=1 3", /for a value|has no value/],
  ['m{a="1" 3', /labels that do not end/],
  ['m{a="1 3', /labels that do not end/],
  ['m{a="1" b="2"} 3', /labels that do not end/],
  ["m{a=1} 3", /labels that do not end/],
  ["m{,} 3", /labels that do not end/],
  ['m{a="\\t"} 3', /unknown escape \\t/],
  ['m{a="1",a="2"} 3', /the label a twice/],
  ['m{a="1",b="2"} 3\nm{b="2",a="1"} 4', /Line 2 .* says m twice/],
];

for (const [text, message] of MALFORMED) {
  void test(`what is not of the format is refused with its line: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => readPrometheusText(text),
      (error) => {
        assert.ok(isTidingError(error) && error.code === "RESPONSE_INVALID");
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
