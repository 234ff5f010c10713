/* The loss curve: an SVG, and what it shows in words. */
"use strict";

function svg(tag, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

/** Loss (or reward) against steps, steps on a logarithmic axis; the floor as a dashed line. */
function drawCurve(curve) {
  $("learning").hidden = curve === null;
  if (curve === null) return;
  const [width, height, left, bottom] = [400, 230, 32, 30];
  const lines = Object.entries(curve.lines);
  const points = lines.flatMap(([, line]) => line);
  const steps = points.map(([step]) => step);
  const values = points.map(([, value]) => value).concat(curve.floor ?? []);
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  const low = Math.min(0, ...values);
  const high = Math.max(...values) || 1;
  const x = (step) => left + (Math.log(step / first) / (Math.log(last / first) || 1)) * (width - left - 12);
  const y = (value) => 8 + ((high - value) / (high - low)) * (height - bottom - 8);
  const figure = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "curve-says" });
  figure.append(svg("path", { class: "axis", d: `M${left} 8V${y(low)}H${width - 12}` }));
  for (const value of [low, (low + high) / 2, high]) {
    figure.append(svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(1)));
  }
  for (const step of [first, last]) {
    const anchor = step === first ? "start" : "end";
    figure.append(svg("text", { x: x(step), y: height - 12, "text-anchor": anchor }, `step ${grouped(step)}`));
  }
  if (curve.floor !== null) {
    figure.append(svg("path", { class: "floor", d: `M${left} ${y(curve.floor)}H${width - 12}` }));
  }
  const names = lines.map(([name]) => name).concat(curve.floor === null ? [] : ["the floor"]);
  lines.forEach(([, line], i) => {
    if (line.length > 1) {
      const corners = line.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`);
      figure.append(svg("polyline", { class: `line${i}`, points: corners.join(" ") }));
    }
    if (i === 1) for (const [s, v] of line) figure.append(svg("circle", { class: "dot1", cx: x(s), cy: y(v), r: 4 }));
  });
  names.forEach((name, i) => {
    const style = name === "the floor" ? 2 : i;
    const place = curve.measure === "reward" ? y(low) - 24 : 20;
    const at = { class: `label${style}`, x: width - 16, y: place + 16 * i, "text-anchor": "end" };
    figure.append(svg("text", at, name));
  });
  $("curve").replaceChildren(figure);
  $("curve-says").textContent = curveInWords(curve);
}

function curveInWords(curve) {
  const end = ([, line]) => line.at(-1)[1];
  const [training, validation] = Object.entries(curve.lines);
  const took = curve.seconds ? ` in ${grouped(curve.seconds)} s` : "";
  const words = [`${grouped(curve.steps)} steps${took}.`];
  if (curve.measure === "reward") return [...words, `The mean reward ended at ${end(training).toFixed(2)}.`].join(" ");
  words.push(`The training loss fell from ${curve.first.toFixed(2)} to ${end(training).toFixed(3)} nats`);
  words.push(validation ? `; on held-out data it is ${end(validation).toFixed(3)}.` : ".");
  if (curve.floor !== null) {
    const gap = (end(validation) - curve.floor).toFixed(3);
    words.push(`No model gets below the floor, ${curve.floor.toFixed(3)} nats, on average: it is ${gap} above it.`);
  }
  return words.join(" ").replaceAll(" ;", ";").replaceAll(" .", ".");
}
