/** The database's page: what the head holds and who fills it, the blocks, the room there is, and what was lost. */

import { useQuery } from "@tanstack/react-query";
import { ApiError, call } from "../api/client.ts";
import type { Block, MemoryData, StorageData, TsdbData } from "../api/types.ts";
import { Empty, Notice } from "../app/controls.tsx";
import { useServerStatus } from "../app/status.ts";
import { Blocks } from "./Blocks.tsx";
import { Cardinality } from "./Cardinality.tsx";
import { Disk, Head, Memory } from "./Facts.tsx";
import { Losses } from "./Losses.tsx";

const REFRESH_MS = 10_000;

export function TsdbPage() {
  const head = useStatus<TsdbData>("tsdb");
  const blocks = useStatus<{ blocks: Block[] }>("tsdb/blocks");
  const storage = useStatus<StorageData>("storage");
  const memory = useStatus<MemoryData>("memory");
  const error = head.error ?? blocks.error ?? storage.error ?? memory.error;
  if (error instanceof ApiError && error.kind === "not_ready") return <Starting />;
  return (
    <div className="tsdb-page">
      {error && <Problem error={error} />}
      {storage.data && <Losses data={storage.data.data} />}
      <div className="facts-row">
        {head.data && <Head stats={head.data.data.headStats} />}
        {memory.data && <Memory data={memory.data.data} />}
        {storage.data?.data.disk && <Disk data={storage.data.data.disk} />}
      </div>
      {blocks.data && <Blocks blocks={blocks.data.data.blocks} />}
      {head.data && <Cardinality data={head.data.data} />}
      {!error && !head.data && <Empty title="Loading" busy />}
    </div>
  );
}

function useStatus<T>(path: string) {
  return useQuery({
    queryKey: ["status", path],
    queryFn: ({ signal }) => call<T>(`status/${path}`, {}, { signal }),
    refetchInterval: REFRESH_MS,
  });
}

function Problem({ error }: { error: Error }) {
  const text = error instanceof ApiError ? `${error.kind}: ${error.message}` : String(error);
  return <Notice kind="error" title="The state of the database could not be read"><code>{text}</code></Notice>;
}

/** Samples are taken all the while. */
function Starting() {
  return <Empty title={useServerStatus().text} busy>The write-ahead log is being read. Samples are taken already; queries are answered when it is done.</Empty>;
}
