/** The targets page: what is scraped, and how it goes. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, call } from "../api/client.ts";
import type { Health, MemoryData, TargetsData } from "../api/types.ts";
import { Empty, Notice, Select } from "../app/controls.tsx";
import { Icon } from "../app/icons.tsx";
import { hrefOf, navigate, useLocation } from "../app/location.ts";
import { formatBytes } from "../lib/format.ts";
import { countHealth, groupByPool, matches, type Filter } from "./filter.ts";
import { Pool } from "./Pool.tsx";

const REFRESH_MS = 5_000;
const JOBS_SHOWN = 10;
const HEALTHS: readonly (readonly [Health, string])[] = [["up", "Up"], ["down", "Down"], ["unknown", "Unknown"]];

export function TargetsPage() {
  const [filter, setFilter] = useFilter();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const targets = useQuery({
    queryKey: ["targets"],
    queryFn: ({ signal }) => call<TargetsData>("targets", { state: "active" }, { signal }),
    refetchInterval: REFRESH_MS,
  });
  const all = targets.data?.data.activeTargets ?? [];
  const pools = groupByPool(all);
  const shown = groupByPool(all.filter((target) => matches(target, filter)));
  const counts = countHealth(filter.pool === "" ? all : pools.get(filter.pool) ?? []);
  const toggle = (pool: string) => {
    const next = new Set(closed);
    if (!next.delete(pool)) next.add(pool);
    setClosed(next);
  };
  const allClosed = shown.size > 0 && [...shown.keys()].every((pool) => closed.has(pool));
  return (
    <div className="targets-page">
      <div className="toolbar targets-toolbar">
        <HealthFilter counts={counts} value={filter.health} onChange={(health) => setFilter({ ...filter, health })} />
        <Select label="Pool" value={filter.pool} options={[["", "All"], ...[...pools.keys()].map((pool) => [pool, pool] as const)]} onChange={(pool) => setFilter({ ...filter, pool })} />
        <label className="search">
          <Icon name="search" />
          <input type="search" placeholder="Filter by address or label" aria-label="Filter by address or label" value={filter.search} onChange={(event) => setFilter({ ...filter, search: event.target.value })} />
        </label>
        <button type="button" className="button quiet push-end" onClick={() => setClosed(allClosed ? new Set() : new Set(shown.keys()))} disabled={shown.size === 0}>
          {allClosed ? "Expand all" : "Collapse all"}
        </button>
      </div>
      <Memory />
      <Problem error={targets.error} />
      {targets.isLoading && <Empty title="Loading" busy />}
      {[...shown].map(([pool, list]) => (
        <Pool key={pool} name={pool} shown={list} all={pools.get(pool) ?? []} open={!closed.has(pool)} onToggle={() => toggle(pool)} />
      ))}
      {targets.data && shown.size === 0 && <Nothing any={all.length > 0} onClear={() => setFilter({ health: [], pool: "", search: "" })} />}
    </div>
  );
}

function HealthFilter({ counts, value, onChange }: { counts: Record<Health, number>; value: Health[]; onChange: (health: Health[]) => void }) {
  const total = counts.up + counts.down + counts.unknown;
  const toggle = (health: Health) => onChange(value.includes(health) ? value.filter((other) => other !== health) : [...value, health]);
  return (
    <div className="segments" role="group" aria-label="State">
      <button type="button" aria-pressed={value.length === 0} onClick={() => onChange([])}>All <b>{total}</b></button>
      {HEALTHS.map(([health, title]) => (
        <button key={health} type="button" className={health} aria-pressed={value.includes(health)} onClick={() => toggle(health)}>
          <span className="dot" aria-hidden="true" /> {title} <b>{counts[health]}</b>
        </button>
      ))}
    </div>
  );
}

function Problem({ error }: { error: Error | null }) {
  if (!error) return null;
  const text = error instanceof ApiError ? `${error.kind}: ${error.message}` : String(error);
  return <Notice kind="error" title="The targets could not be read"><code>{text}</code></Notice>;
}

/** Says who is refused new series, while memory is scarce. */
function Memory() {
  const memory = useQuery({
    queryKey: ["memory"],
    queryFn: ({ signal }) => call<MemoryData>("status/memory", {}, { signal }),
    refetchInterval: REFRESH_MS,
  });
  const data = memory.data?.data;
  if (!data?.scarce) return null;
  const title = `Memory is scarce: ${formatBytes(data.used)} of ${formatBytes(data.limit)}. New series are rationed.`;
  return (
    <Notice kind="warning" title={title}>
      {data.refused.length === 0 ? "Nothing is refused yet." : `Refused, by job: ${data.refused.slice(0, JOBS_SHOWN).map(({ job, value }) => `${job} (${value})`).join(", ")}`}
    </Notice>
  );
}

function Nothing({ any, onClear }: { any: boolean; onClear: () => void }) {
  if (!any) return <Empty title="No targets">The configuration names no target, or its discovery has not found one yet.</Empty>;
  return (
    <div className="empty" role="status">
      <strong>No target matches</strong>
      <button type="button" className="button" onClick={onClear}>Clear the filters</button>
    </div>
  );
}

/** The filter lives in the address. */
function useFilter(): [Filter, (filter: Filter) => void] {
  const params = new URLSearchParams(useLocation().search);
  const filter: Filter = {
    health: HEALTHS.map(([health]) => health).filter((health) => params.getAll("health").includes(health)),
    pool: params.get("pool") ?? "",
    search: params.get("search") ?? "",
  };
  const set = (next: Filter) => {
    const written = new URLSearchParams(next.health.map((health) => ["health", health]));
    if (next.pool !== "") written.set("pool", next.pool);
    if (next.search !== "") written.set("search", next.search);
    navigate(hrefOf("targets", written.size > 0 ? `?${written}` : ""), true);
  };
  return [filter, set];
}
