/** Small controls that more than one page uses. */

import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import { Icon, type IconName } from "./icons.tsx";

interface PopoverProps {
  label: ReactNode;
  /** What the button says to someone who does not see it. */
  title: string;
  className?: string;
  align?: "start" | "end";
  children: (close: () => void) => ReactNode;
}

/** A button that opens a box below it. Escape, a press elsewhere and `close` shut it again. */
export function Popover({ label, title, className = "", align = "end", children }: PopoverProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const onPress = (event: Event) => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    document.addEventListener("focusin", onPress);
    return () => {
      document.removeEventListener("pointerdown", onPress);
      document.removeEventListener("focusin", onPress);
    };
  }, [open]);
  return (
    <div className={`popover-root ${className}`} ref={root} onKeyDown={(event) => { if (event.key === "Escape" && open) close(); }}>
      <button ref={button} type="button" className="button" aria-haspopup="dialog" aria-expanded={open} aria-controls={open ? id : undefined} title={title} onClick={() => setOpen(!open)}>
        {label}
        <Icon name="chevron" />
      </button>
      {open && <div id={id} role="dialog" aria-label={title} className={`popover ${align}`}>{children(close)}</div>}
    </div>
  );
}

interface SelectProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}

/** A native choice with its name in front. */
export function Select<T extends string>({ label, value, options, onChange }: SelectProps<T>) {
  return (
    <label className="select">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.target.value as T)}>
        {options.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
      </select>
      <Icon name="chevron" />
    </label>
  );
}

interface NoticeProps {
  kind: "error" | "warning" | "info";
  title: string;
  children?: ReactNode;
}

/** A message with its weight shown by colour, icon and words. */
export function Notice({ kind, title, children }: NoticeProps) {
  return (
    <div className={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      <Icon name={kind satisfies IconName} />
      <div>
        <strong>{title}</strong>
        {children && <div className="notice-text">{children}</div>}
      </div>
    </div>
  );
}

/** A place where nothing is to be shown, and why. */
export function Empty({ title, children, busy }: { title: string; children?: ReactNode; busy?: boolean }) {
  return (
    <div className="empty" role="status">
      {busy && <span className="spinner" aria-hidden="true" />}
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

/** A label set in the syntax of a selector, with name, labels and values told apart. */
export function SeriesName({ labels, without = {} }: { labels: Record<string, string>; without?: Record<string, string> }) {
  const name = without["__name__"] === undefined ? labels["__name__"] : undefined;
  const pairs = Object.entries(labels).filter(([label]) => label !== "__name__" && without[label] === undefined);
  return (
    <span className="series">
      {name && <span className="series-metric">{name}</span>}
      {(pairs.length > 0 || !name) && "{"}
      {pairs.map(([label, value], n) => (
        <span key={label}>
          {n > 0 && ", "}
          <span className="series-label">{label}</span>=<span className="series-value">{JSON.stringify(value)}</span>
        </span>
      ))}
      {(pairs.length > 0 || !name) && "}"}
    </span>
  );
}
