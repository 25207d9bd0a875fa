/** Colours of series. They are named in the style sheet, once for each theme. */

const COLOURS = 12;

/** The colour of the n-th series, as a CSS value. */
export function colourOf(n: number): string {
  return `var(--series-${n % COLOURS})`;
}

/** The same for a canvas, which does not know variables. `alpha` goes from 0 to 1. */
export function paintOf(n: number, alpha = 1): string {
  const hex = variable(`--series-${n % COLOURS}`);
  return alpha === 1 ? hex : hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
}

/** The current value of a variable of the style sheet. */
export function variable(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
