/** The frame of every page: header above, the page below. */

import { useEffect } from "react";
import { QueryPage } from "../query/QueryPage.tsx";
import { TargetsPage } from "../targets/TargetsPage.tsx";
import { TsdbPage } from "../tsdb/TsdbPage.tsx";
import { Header } from "./Header.tsx";
import { pageOf, useLocation } from "./location.ts";

const PAGES = {
  query: ["Query", QueryPage],
  targets: ["Targets", TargetsPage],
  "tsdb-status": ["TSDB", TsdbPage],
} as const;

export function App() {
  const page = pageOf(useLocation().path);
  const [title, Shown] = PAGES[page];
  useEffect(() => {
    document.title = `${title} · Pyrrha`;
  }, [title]);
  return (
    <>
      <a className="skip-link" href="#main">Skip to content</a>
      <Header page={page} />
      <main id="main" tabIndex={-1}><Shown /></main>
    </>
  );
}
