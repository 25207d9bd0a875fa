/** The query page: panels, and the state they share through the address. */

import { useCallback, useEffect, useRef } from "react";
import { Select } from "../app/controls.tsx";
import { Icon } from "../app/icons.tsx";
import { hrefOf, navigate, useLocation } from "../app/location.ts";
import { formatDuration } from "../lib/time.ts";
import { exampleOf } from "./examples.ts";
import { useLanding } from "./landing.ts";
import { Panel } from "./Panel.tsx";
import { DEFAULT_PANEL, isBlank, readState, writeState, type PageState, type PanelState } from "./state.ts";

const REFRESH_MS = [0, 5_000, 15_000, 30_000, 60_000, 300_000, 900_000];

export function QueryPage() {
  const { search } = useLocation();
  const blank = isBlank(search);
  const state = readState(search);
  const landing = useLanding(state.panels.some(takesExamples), blank);
  if (blank && landing.panel) {
    state.panels = [landing.panel];
    state.refreshMs ||= landing.refreshMs;
  }
  const current = useRef(state);
  current.current = state;
  const change = useCallback((edit: (state: PageState) => PageState) => {
    navigate(hrefOf("query", writeState(edit(current.current))));
  }, []);
  useEditorKey();
  const changePanel = (n: number, panel: PanelState) =>
    change((old) => ({ ...old, panels: old.panels.map((other, k) => (k === n ? panel : other)) }));

  return (
    <div className="query-page">
      {state.panels.map((panel, n) => (
        <Panel
          key={n}
          panel={panel}
          refreshMs={state.refreshMs}
          landing={landing}
          examples={takesExamples(panel) ? landing.examples : []}
          isLanding={blank}
          refreshControl={n === 0 ? <RefreshControl value={state.refreshMs} onChange={(refreshMs) => change((old) => ({ ...old, refreshMs }))} /> : null}
          onChange={(next) => changePanel(n, next)}
          onRemove={state.panels.length > 1 ? () => change((old) => ({ ...old, panels: old.panels.filter((_, k) => k !== n) })) : undefined}
        />
      ))}
      <button
        type="button"
        className="button quiet add-panel"
        onClick={() => change((old) => ({ ...old, panels: [...old.panels, { ...DEFAULT_PANEL, tab: old.panels.at(-1)?.tab ?? "table", rangeMs: old.panels.at(-1)?.rangeMs ?? DEFAULT_PANEL.rangeMs }] }))}
      >
        <Icon name="plus" /> Add panel
      </button>
    </div>
  );
}

/** `/` goes to the first expression box, unless one is typing somewhere. */
function useEditorKey(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest("input, select, textarea, [contenteditable=true]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      document.querySelector<HTMLElement>(".cm-content")?.focus();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

/** A panel with an expression of the user's own shows no examples. */
function takesExamples({ expr }: PanelState): boolean {
  return expr.trim() === "" || exampleOf(expr) !== undefined;
}

function RefreshControl({ value, onChange }: { value: number; onChange: (ms: number) => void }) {
  const list = REFRESH_MS.includes(value) ? REFRESH_MS : [...REFRESH_MS, value].sort((a, b) => a - b);
  const options = list.map((ms) => [String(ms), ms === 0 ? "Off" : formatDuration(ms)] as const);
  return <Select label="Refresh" value={String(value)} options={options} onChange={(ms) => onChange(Number(ms))} />;
}
