/** Who fills the head: the greatest of each kind. */

import type { Stat, TsdbData } from "../api/types.ts";
import { formatBytes, formatCount } from "../lib/format.ts";

export function Cardinality({ data }: { data: TsdbData }) {
  return (
    <div className="cardinality">
      <Top title="Series by metric name" name="Name" value="Series" stats={data.seriesCountByMetricName} />
      <Top title="Values by label name" name="Name" value="Values" stats={data.labelValueCountByLabelName} />
      <Top title="Memory by label name" name="Name" value="Bytes" stats={data.memoryInBytesByLabelName} write={formatBytes} />
      <Top title="Series by label pair" name="Pair" value="Series" stats={data.seriesCountByLabelValuePair} />
    </div>
  );
}

interface TopProps {
  title: string;
  name: string;
  value: string;
  stats: Stat[];
  write?: (value: number) => string;
}

function Top({ title, name, value, stats, write = formatCount }: TopProps) {
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      <table className="plain">
        <thead><tr><th scope="col">{name}</th><th scope="col" className="number">{value}</th></tr></thead>
        <tbody>
          {stats.map((stat) => (
            <tr key={stat.name}><td><code>{stat.name}</code></td><td className="number">{write(stat.value)}</td></tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
