/** One expression, and what it gives as a table or a graph. */

import { lazy, Suspense, useEffect, useState, type KeyboardEvent, type ReactNode } from "react";
import { call } from "../api/client.ts";
import { Empty } from "../app/controls.tsx";
import { Icon } from "../app/icons.tsx";
import { remember } from "../app/settings.ts";
import { exampleOf, type Example } from "./examples.ts";
import { GraphView } from "./GraphView.tsx";
import type { Landing } from "./landing.ts";
import type { PanelState, Tab } from "./state.ts";
import { TableView } from "./TableView.tsx";

const Editor = lazy(() => import("./Editor.tsx").then((module) => ({ default: module.Editor })));
const TABS: readonly (readonly [Tab, string])[] = [["table", "Table"], ["graph", "Graph"]];

interface PanelProps {
  panel: PanelState;
  refreshMs: number;
  landing: Landing;
  examples: Example[];
  /** True while the panel shows what the page opened with, and the address does not name it. */
  isLanding: boolean;
  refreshControl: ReactNode;
  onChange: (panel: PanelState) => void;
  onRemove?: () => void;
}

export function Panel({ panel, refreshMs, landing, examples, isLanding, refreshControl, onChange, onRemove }: PanelProps) {
  const [draft, setDraft] = useState(panel.expr);
  const [run, setRun] = useState(0);
  useEffect(() => setDraft(panel.expr), [panel.expr]);

  const execute = (expr: string) => {
    remember(expr.trim());
    setRun((count) => count + 1);
    if (expr !== panel.expr) onChange({ ...panel, expr });
  };
  const open = (example: Example) => {
    setRun((count) => count + 1);
    onChange({ ...panel, ...example.show, stacked: example.show.stacked ?? false, expr: example.expr });
  };
  const asking = { panel, run, refreshMs, eager: isLanding };
  const tabs = <Tabs value={panel.tab} onChange={(tab) => onChange({ ...panel, tab })} />;
  const view = { panel, onChange, asking, tabs, end: refreshControl };
  return (
    <section className="panel" aria-label="Query">
      <div className="panel-head">
        <div className="editor-box">
          <Suspense fallback={<div className="editor-standin">{panel.expr}</div>}>
            <Editor value={panel.expr} onDraft={setDraft} onRun={execute} autoFocus={!isLanding && panel.expr === ""} />
          </Suspense>
          <FormatButton expr={draft} onFormatted={(expr) => onChange({ ...panel, expr })} />
        </div>
        <button type="button" className="button primary run" onClick={() => execute(draft)} title="Run (Enter; Ctrl+Enter and Shift+Enter work too)">
          <Icon name="play" /> Run
        </button>
        {onRemove && (
          <button type="button" className="icon-button" onClick={onRemove} aria-label="Remove this panel" title="Remove this panel"><Icon name="close" /></button>
        )}
      </div>
      <Lesson panel={panel} examples={examples} onOpen={open} />
      <div className="panel-body">
        {panel.expr.trim() === "" ? (
          <>
            <div className="panel-bar">{tabs}</div>
            <Welcome waiting={isLanding ? landing.waiting : "no"} known={examples.length > 0} />
          </>
        ) : panel.tab === "graph" ? (
          <GraphView {...view} />
        ) : (
          <TableView {...view} />
        )}
      </div>
    </section>
  );
}

function Tabs({ value, onChange }: { value: Tab; onChange: (tab: Tab) => void }) {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const next = value === "graph" ? "table" : "graph";
    onChange(next);
    (event.currentTarget.querySelector(`[data-tab=${next}]`) as HTMLElement | null)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label="Show the result as" onKeyDown={onKeyDown}>
      {TABS.map(([tab, title]) => (
        <button key={tab} type="button" role="tab" data-tab={tab} aria-selected={tab === value} tabIndex={tab === value ? 0 : -1} onClick={() => onChange(tab)}>
          {title}
        </button>
      ))}
    </div>
  );
}

/** Examples to press, and what the one shown teaches. */
function Lesson({ panel, examples, onOpen }: { panel: PanelState; examples: Example[]; onOpen: (example: Example) => void }) {
  const shown = exampleOf(panel.expr);
  if (examples.length === 0 && !shown) return null;
  return (
    <div className="examples">
      <div className="chips" role="group" aria-label="Examples">
        <span className="chips-title">Try</span>
        {examples.map((example) => (
          <button key={example.title} type="button" className="chip" aria-pressed={example.title === shown?.title} title={example.expr} onClick={() => onOpen(example)}>
            {example.title}
          </button>
        ))}
      </div>
      {shown && <p className="lesson">{shown.lesson}</p>}
    </div>
  );
}

function FormatButton({ expr, onFormatted }: { expr: string; onFormatted: (expr: string) => void }) {
  const format = async () => {
    const answer = await call<string>("format_query", { query: expr }).catch(() => null);
    if (answer) onFormatted(answer.data);
  };
  if (expr.trim() === "") return null;
  return (
    <button type="button" className="icon-button format" onClick={format} aria-label="Format the expression" title="Format the expression"><Icon name="format" /></button>
  );
}

function Welcome({ waiting, known }: { waiting: Landing["waiting"]; known: boolean }) {
  if (waiting === "server") return <Empty title="Waiting for the server" busy>It is starting, or cannot be reached. The page goes on by itself.</Empty>;
  if (waiting === "samples") return <Empty title="Waiting for the first samples" busy>The first scrapes take a moment.</Empty>;
  return (
    <Empty title="No query yet">
      Type an expression and press <kbd>Enter</kbd>{known ? ", or try one of the examples above" : ""}. Completion knows the metrics, labels and functions of this server: <kbd>Ctrl</kbd> <kbd>Space</kbd>. <kbd>/</kbd> comes back to the box.
    </Empty>
  );
}
