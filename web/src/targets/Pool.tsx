/** One scrape pool and its targets. */

import { Fragment, useState } from "react";
import type { Labels, Target } from "../api/types.ts";
import { Icon } from "../app/icons.tsx";
import { formatMs } from "../lib/format.ts";
import { formatAgo, formatInstant } from "../lib/time.ts";
import { useZone } from "../app/settings.ts";
import { countHealth } from "./filter.ts";

const ROWS_MAX = 200;

interface PoolProps {
  name: string;
  /** What the filter lets through. */
  shown: Target[];
  all: Target[];
  open: boolean;
  onToggle: () => void;
}

export function Pool({ name, shown, all, open, onToggle }: PoolProps) {
  const [limit, setLimit] = useState(ROWS_MAX);
  const { up, down } = countHealth(all);
  const state = down > 0 ? "down" : up === all.length ? "up" : "unknown";
  return (
    <section className={`pool ${state}`} aria-label={`Pool ${name}`}>
      <h2>
        <button type="button" className="pool-head" aria-expanded={open} onClick={onToggle}>
          <Icon name={open ? "chevron" : "right"} />
          <span className="pool-name">{name}</span>
          <span className="pool-count">{up} of {all.length} up</span>
          <span className="pool-bar" aria-hidden="true"><span style={{ width: `${(100 * up) / all.length}%` }} /></span>
        </button>
      </h2>
      {open && (
        <div className="table-scroll">
          <table className="targets">
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">Address</th>
                <th scope="col">Labels</th>
                <th scope="col" className="number">Last scrape</th>
                <th scope="col" className="number">Took</th>
                <th scope="col" className="number">Interval</th>
                <th scope="col"><span className="visually-hidden">Details</span></th>
              </tr>
            </thead>
            <tbody>{shown.slice(0, limit).map((target) => <TargetRows key={`${target.scrapeUrl} ${JSON.stringify(target.labels)}`} target={target} />)}</tbody>
          </table>
          {shown.length > limit && <button type="button" className="button quiet" onClick={() => setLimit(shown.length)}>Show all {shown.length} targets</button>}
        </div>
      )}
    </section>
  );
}

function TargetRows({ target }: { target: Target }) {
  const [open, setOpen] = useState(false);
  const [zone] = useZone();
  const last = Date.parse(target.lastScrape);
  return (
    <Fragment>
      <tr className={`target ${target.health}`} data-health={target.health}>
        <td><span className={`badge ${target.health}`}>{target.health}</span></td>
        <td className="target-url">
          <a href={target.globalUrl || target.scrapeUrl} title={target.scrapeUrl}>{target.scrapeUrl}</a>
          {target.lastError !== "" && <div className="target-error">{target.lastError}</div>}
        </td>
        <td><LabelList labels={target.labels} /></td>
        <td className="number" title={last > 0 ? formatInstant(last, zone) : undefined}>{formatAgo(last, Date.now())}</td>
        <td className="number">{last > 0 ? formatMs(target.lastScrapeDuration * 1000) : "–"}</td>
        <td className="number" title={`Timeout ${target.scrapeTimeout}`}>{target.scrapeInterval}</td>
        <td>
          <button type="button" className="icon-button" aria-expanded={open} aria-label="Discovered labels" title="Discovered labels" onClick={() => setOpen(!open)}>
            <Icon name={open ? "chevron" : "right"} />
          </button>
        </td>
      </tr>
      {open && (
        <tr className="details">
          <td />
          <td colSpan={6}>
            <h3>Discovered labels, before relabelling</h3>
            <LabelTable labels={target.discoveredLabels} />
          </td>
        </tr>
      )}
    </Fragment>
  );
}

function LabelList({ labels }: { labels: Labels }) {
  return (
    <span className="labels">
      {Object.entries(labels).map(([name, value]) => (
        <span key={name} className="label"><span className="label-name">{name}</span>{value}</span>
      ))}
    </span>
  );
}

function LabelTable({ labels }: { labels: Labels }) {
  return (
    <dl className="label-table">
      {Object.entries(labels).map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value === "" ? <span className="muted">empty</span> : value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
