/** Boxes of a few numbers: the head, memory, the disk. */

import type { ReactNode } from "react";
import type { DiskData, HeadStats, MemoryData } from "../api/types.ts";
import { useZone } from "../app/settings.ts";
import { formatBytes, formatCount } from "../lib/format.ts";
import { formatInstant } from "../lib/time.ts";

const JOBS_SHOWN = 10;

interface FactsProps {
  title: string;
  facts: readonly (readonly [string, string])[];
  /** Something is wrong with it. */
  warning?: ReactNode;
}

function Facts({ title, facts, warning }: FactsProps) {
  return (
    <section className="card facts" aria-label={title}>
      <h2>{title}</h2>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd className="number">{value}</dd></div>
        ))}
      </dl>
      {warning && <p className="facts-warning">{warning}</p>}
    </section>
  );
}

export function Head({ stats }: { stats: HeadStats }) {
  const [zone] = useZone();
  // Without a sample the times are the greatest and the least there are.
  const time = (t: number) => (stats.minTime <= stats.maxTime ? formatInstant(t, zone) : "–");
  return (
    <Facts
      title="Head"
      facts={[
        ["Series", formatCount(stats.numSeries)],
        ["Label pairs", formatCount(stats.numLabelPairs)],
        ["Chunks", formatCount(stats.chunkCount)],
        ["From", time(stats.minTime)],
        ["To", time(stats.maxTime)],
      ]}
    />
  );
}

export function Memory({ data }: { data: MemoryData }) {
  const refused = data.refused.slice(0, JOBS_SHOWN).map(({ job, value }) => `${job} (${formatCount(value)})`);
  return (
    <Facts
      title="Memory"
      facts={[
        ["Used", formatBytes(data.used)],
        ["Limit", data.limit > 0 ? formatBytes(data.limit) : "none"],
        ["New series", data.scarce ? "rationed by job" : "taken"],
      ]}
      warning={refused.length > 0 && `Refused new series, by job: ${refused.join(", ")}`}
    />
  );
}

export function Disk({ data }: { data: DiskData }) {
  return (
    <Facts
      title="Disk"
      facts={[
        ["Size", formatBytes(data.total)],
        ["Free", formatBytes(data.free)],
        ["To stay free", data.floor > 0 ? formatBytes(data.floor) : "nothing"],
        ["Compaction", data.compactionPaused ? "paused" : "goes on"],
      ]}
      warning={data.compactionPaused && "The disk is nearly full: the oldest blocks were removed, and no new ones are written until there is room."}
    />
  );
}
