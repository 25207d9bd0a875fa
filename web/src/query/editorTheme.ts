/** Colours of PromQL; the values live in the style sheet so that they follow the theme. */

import { HighlightStyle } from "@codemirror/language";
import { tags } from "@lezer/highlight";

export const HIGHLIGHTING = HighlightStyle.define([
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
  { tag: tags.labelName, color: "var(--code-label)" },
  { tag: tags.string, color: "var(--code-string)" },
  { tag: tags.number, color: "var(--code-number)" },
  { tag: tags.variableName, color: "var(--code-metric)" },
  { tag: tags.function(tags.variableName), color: "var(--code-function)" },
  { tag: [tags.operatorKeyword, tags.modifier, tags.logicOperator], color: "var(--code-keyword)", fontWeight: "600" },
  { tag: [tags.operator, tags.arithmeticOperator, tags.compareOperator], color: "var(--code-operator)" },
  { tag: tags.invalid, color: "var(--bad)" },
]);
