/** What the server said beside the result: errors, warnings, notes, times. */

import { ApiError } from "../api/client.ts";
import type { Answer, QueryData } from "../api/types.ts";
import { Empty, Notice } from "../app/controls.tsx";
import { formatCount, formatMs } from "../lib/format.ts";

/** Errors, warnings and notes in the server's own words. */
export function Messages({ answer, error }: { answer?: Answer<QueryData>; error: Error | null }) {
  if (error instanceof ApiError && error.isTransient) {
    if (answer) return <Notice kind="warning" title="This is the last answer">{sentence(error.message)} The page asks again by itself.</Notice>;
    return <Empty title={error.kind === "not_ready" ? "The server is starting" : "No connection to the server"} busy>{sentence(error.message)}</Empty>;
  }
  if (error) {
    return <Notice kind="error" title="The query failed"><code>{error instanceof ApiError ? `${error.kind}: ${error.message}` : String(error)}</code></Notice>;
  }
  if (!answer) return null;
  return (
    <>
      <List kind="warning" title="Warning" texts={answer.warnings} />
      <List kind="info" title="Note" texts={answer.infos} />
    </>
  );
}

/** True when the last answer may be shown in spite of an error: only the way to the server is broken. */
export function isShown(error: Error | null): boolean {
  return error === null || (error instanceof ApiError && error.isTransient);
}

function List({ kind, title, texts }: { kind: "warning" | "info"; title: string; texts: string[] }) {
  if (texts.length === 0) return null;
  return (
    <Notice kind={kind} title={texts.length > 1 ? `${title}s` : title}>
      {texts.map((text) => <code key={text}>{text}</code>)}
    </Notice>
  );
}

/** One quiet line of facts about the answer, ending with how long it took. */
export function Timings({ answer, facts }: { answer: Answer<QueryData>; facts: string[] }) {
  const stats = answer.data.stats;
  const server = stats?.timings?.execTotalTime;
  const samples = stats?.samples?.totalQueryableSamples;
  const parts = [...facts];
  if (samples !== undefined) parts.push(`${formatCount(samples)} samples read`);
  parts.push(formatMs(answer.elapsedMs) + (server === undefined ? "" : ` (${formatMs(server * 1000)} in the server)`));
  return <p className="timings">{parts.join(" · ")}</p>;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
