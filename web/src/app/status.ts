/** How the server is: ready, starting, or not to be reached. */

import { useQuery } from "@tanstack/react-query";
import { call, probe } from "../api/client.ts";

export interface ServerStatus {
  kind: "ok" | "warn" | "bad" | "asking";
  text: string;
  detail: string;
}

interface WalReplay {
  min: number;
  max: number;
  current: number;
}

interface BuildInfo {
  version: string;
  revision: string;
}

/** Asks every few seconds, more often while the server is not ready. */
export function useServerStatus(): ServerStatus {
  const ready = useQuery({
    queryKey: ["ready"],
    queryFn: ({ signal }) => probe("/-/ready", signal),
    refetchInterval: ({ state }) => (state.data === true && !state.error ? 10_000 : 1_500),
  });
  const build = useQuery({
    queryKey: ["buildinfo"],
    queryFn: ({ signal }) => call<BuildInfo>("status/buildinfo", {}, { signal }),
    enabled: ready.data === true,
    staleTime: Infinity,
  });
  const replay = useQuery({
    queryKey: ["walreplay"],
    queryFn: ({ signal }) => call<WalReplay>("status/walreplay", {}, { signal }),
    enabled: ready.data === false,
    refetchInterval: 1_500,
  });
  if (ready.error) return { kind: "bad", text: "No connection", detail: "The server does not answer. This page keeps asking." };
  if (ready.data === undefined) return { kind: "asking", text: "Connecting", detail: "" };
  if (!ready.data) return { kind: "warn", text: `Starting${progress(replay.data?.data)}`, detail: "The server reads its write-ahead log." };
  const version = build.data?.data.version ?? "";
  return { kind: "ok", text: "Ready", detail: version === "" ? "" : `version ${version}, revision ${build.data?.data.revision.slice(0, 12)}` };
}

function progress(replay: WalReplay | undefined): string {
  if (!replay || replay.max <= replay.min) return "";
  return ` ${Math.round((100 * (replay.current - replay.min)) / (replay.max - replay.min))} %`;
}
