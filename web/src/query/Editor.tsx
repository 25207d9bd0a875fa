/** The expression box: highlighting, completion and checks for PromQL. */

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from "@codemirror/commands";
import { bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import { PromQLExtension, type CompleteStrategy, newCompleteStrategy } from "@prometheus-io/codemirror-promql";
import { useEffect, useRef } from "react";
import { pathPrefix } from "../app/location.ts";
import { queryHistory } from "../app/settings.ts";
import { HIGHLIGHTING } from "./editorTheme.ts";

interface EditorProps {
  /** Put into the box whenever it changes. */
  value: string;
  onDraft: (expr: string) => void;
  onRun: (expr: string) => void;
  autoFocus: boolean;
}

export function Editor({ value, onDraft, onRun, autoFocus }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const handlers = useRef({ onDraft, onRun });
  handlers.current = { onDraft, onRun };

  useEffect(() => {
    if (!host.current) return;
    const promql = new PromQLExtension().setComplete({ completeStrategy: withHistory(remoteStrategy()) });
    const run = (editor: EditorView) => {
      handlers.current.onRun(editor.state.doc.toString());
      return true;
    };
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          Prec.high(keymap.of([{ key: "Mod-Enter", run }, { key: "Shift-Enter", run }, { key: "Alt-Enter", run: insertNewlineAndIndent }])),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, { key: "Enter", run }, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ maxRenderedOptions: 80, icons: true }),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "PromQL expression", spellcheck: "false" }),
          placeholder("PromQL expression, for example  up"),
          syntaxHighlighting(HIGHLIGHTING),
          promql.asExtension(),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) handlers.current.onDraft(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    if (autoFocus) editor.focus();
    return () => {
      promql.destroy();
      editor.destroy();
      view.current = null;
    };
    // The editor is built once; later values come through the effect below.
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);

  return <div className="editor" ref={host} />;
}

function remoteStrategy(): CompleteStrategy {
  return newCompleteStrategy({ remote: { url: pathPrefix(), fetchFn: (input, init) => fetch(input, init) } });
}

/** Offers past expressions as whole, while the box holds the beginning of one. */
function withHistory(inner: CompleteStrategy): CompleteStrategy {
  return {
    destroy: () => inner.destroy?.(),
    async promQL(context: CompletionContext): Promise<CompletionResult | null> {
      const result = await inner.promQL(context);
      const typed = context.state.doc.toString().trim();
      if (!result || context.pos !== context.state.doc.length || typed.length < 2) return result;
      const past = queryHistory().filter((expr) => expr !== typed && expr.includes(typed) && !expr.includes("\n"));
      const options = past.slice(0, 5).map((expr) => ({
        label: expr, detail: "past query", type: "history", boost: -50,
        apply: (editor: EditorView) => editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: expr }, selection: { anchor: expr.length } }),
      }));
      return { ...result, options: [...result.options, ...options] };
    },
  };
}
