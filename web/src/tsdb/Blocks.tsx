/** The blocks, newest first. */

import type { Block } from "../api/types.ts";
import { useZone } from "../app/settings.ts";
import { formatCount } from "../lib/format.ts";
import { formatDuration, formatInstant } from "../lib/time.ts";

export function Blocks({ blocks }: { blocks: Block[] }) {
  const newest = [...blocks].sort((a, b) => b.minTime - a.minTime);
  return (
    <section className="card" aria-label="Blocks">
      <h2>Blocks <span className="muted">{blocks.length}</span></h2>
      {newest.length === 0 ? <p className="muted">None yet: the head becomes blocks of two hours.</p> : (
        <div className="table-scroll">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">ULID</th>
                <th scope="col">From</th>
                <th scope="col">Length</th>
                <th scope="col" className="number">Level</th>
                <th scope="col" className="number">Series</th>
                <th scope="col" className="number">Samples</th>
                <th scope="col" className="number">Chunks</th>
                <th scope="col" className="number">Deletions</th>
              </tr>
            </thead>
            <tbody>{newest.map((block) => <Row key={block.ulid} block={block} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Row({ block }: { block: Block }) {
  const [zone] = useZone();
  const { numSeries = 0, numSamples = 0, numChunks = 0, numTombstones = 0 } = block.stats;
  return (
    <tr>
      <td><code>{block.ulid}</code> <span className="muted">{block.compaction.hints?.join(", ")}</span></td>
      <td>{formatInstant(block.minTime, zone)}</td>
      <td>{formatDuration(block.maxTime - block.minTime)}</td>
      <td className="number">{block.compaction.level}</td>
      <td className="number">{formatCount(numSeries)}</td>
      <td className="number">{formatCount(numSamples)}</td>
      <td className="number">{formatCount(numChunks)}</td>
      <td className="number">{formatCount(numTombstones)}</td>
    </tr>
  );
}
