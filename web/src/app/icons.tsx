/** The few icons the pages use, drawn on a grid of 16. */

const PATHS = {
  auto: <><circle cx="8" cy="8" r="5.5" /><path d="M8 2.5v11A5.5 5.5 0 0 0 8 2.5Z" fill="currentColor" /></>,
  light: <><circle cx="8" cy="8" r="2.8" /><path d="M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M3.4 12.6l1.1-1.1M11.5 4.5l1.1-1.1" /></>,
  dark: <path d="M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z" />,
  chevron: <path d="m4.5 6.3 3.5 3.5 3.5-3.5" />,
  left: <path d="M9.7 4.5 6.2 8l3.5 3.5" />,
  right: <path d="M6.3 4.5 9.8 8l-3.5 3.5" />,
  out: <><circle cx="7" cy="7" r="4.5" /><path d="m10.4 10.4 3.6 3.6M5 7h4" /></>,
  close: <path d="m4.5 4.5 7 7M11.5 4.5l-7 7" />,
  play: <path d="M5 3.2v9.6L12.5 8Z" fill="currentColor" />,
  plus: <path d="M8 3.5v9M3.5 8h9" />,
  error: <><circle cx="8" cy="8" r="6" /><path d="M8 4.8v4M8 11v.2" /></>,
  warning: <path d="M8 2.2 14.3 13H1.7ZM8 6.5v3M8 11.2v.1" />,
  info: <><circle cx="8" cy="8" r="6" /><path d="M8 7.3v4M8 4.8V5" /></>,
  search: <><circle cx="7" cy="7" r="4.5" /><path d="m10.4 10.4 3.6 3.6" /></>,
  format: <path d="M2.5 4h11M5.5 8h8M5.5 12h8M2.5 8h.5M2.5 12h.5" />,
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round">
      {PATHS[name]}
    </svg>
  );
}

/** The flame, also in `public/favicon.svg`. */
export function Logo() {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <path fill="var(--accent)" d="M13.2 1.5c.6 4-1.2 5.7-3 7.7C8.1 11.4 6 13.4 6 16.3 6 19.9 8.7 22.5 12 22.5s6-2.6 6-6.2c0-2.5-1.2-4.3-2.3-5.6-.2 1.5-.8 2.6-1.9 3.3.6-4.3.9-9.2-.6-12.5Z" />
      <path fill="var(--bg-raised)" d="M12.1 20.3c-1.7 0-3-1.3-3-3.1 0-1.8 1.3-2.8 2.4-4.2.3 1.5 1 2.2 1.9 2.9.9.7 1.7 1.3 1.7 2.1 0 1.4-1.3 2.3-3 2.3Z" />
    </svg>
  );
}
