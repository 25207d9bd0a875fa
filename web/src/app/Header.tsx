/** The header: where one is, how the server is, how the page looks. */

import type { MouseEvent } from "react";
import { Icon, Logo } from "./icons.tsx";
import { hrefOf, navigate, pathPrefix, type Page } from "./location.ts";
import { useTheme, type Theme } from "./settings.ts";
import { useServerStatus } from "./status.ts";

const PAGES: readonly (readonly [Page, string])[] = [["query", "Query"], ["targets", "Targets"], ["tsdb-status", "TSDB"]];
const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

export function Header({ page }: { page: Page }) {
  return (
    <header className="header">
      <PageLink page="query" className="brand" label="Pyrrha, to the query page">
        <Logo />
        <span>Pyrrha</span>
      </PageLink>
      <nav aria-label="Pages">
        {PAGES.map(([name, title]) => (
          <PageLink key={name} page={name} className="nav-link" current={name === page}>{title}</PageLink>
        ))}
      </nav>
      <div className="header-end">
        <ServerStatus />
        <a className="nav-link" href={`${pathPrefix()}/metrics`}>Metrics</a>
        <ThemeButton />
      </div>
    </header>
  );
}

interface PageLinkProps {
  page: Page;
  className: string;
  current?: boolean;
  label?: string;
  children: React.ReactNode;
}

function PageLink({ page, className, current, label, children }: PageLinkProps) {
  const href = hrefOf(page);
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a className={className} href={href} onClick={follow} aria-current={current ? "page" : undefined} aria-label={label}>
      {children}
    </a>
  );
}

function ServerStatus() {
  const status = useServerStatus();
  return (
    <span className={`server-status ${status.kind}`} role="status" title={status.detail}>
      <span className="dot" aria-hidden="true" />
      <span>{status.text}</span>
    </span>
  );
}

function ThemeButton() {
  const [theme, setTheme] = useTheme();
  const label = `Theme: ${theme}. Switch to ${NEXT[theme]}`;
  return (
    <button type="button" className="icon-button" onClick={() => setTheme(NEXT[theme])} aria-label={label} title={label}>
      <Icon name={theme} />
    </button>
  );
}
