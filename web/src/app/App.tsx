/** The frame of every page: header above, the page below. */

import { useEffect } from "react";
import { QueryPage } from "../query/QueryPage.tsx";
import { TargetsPage } from "../targets/TargetsPage.tsx";
import { Header } from "./Header.tsx";
import { pageOf, useLocation } from "./location.ts";

const TITLES = { query: "Query", targets: "Targets" } as const;

export function App() {
  const page = pageOf(useLocation().path);
  useEffect(() => {
    document.title = `${TITLES[page]} · Pyrrha`;
  }, [page]);
  return (
    <>
      <a className="skip-link" href="#main">Skip to content</a>
      <Header page={page} />
      <main id="main" tabIndex={-1}>{page === "targets" ? <TargetsPage /> : <QueryPage />}</main>
    </>
  );
}
