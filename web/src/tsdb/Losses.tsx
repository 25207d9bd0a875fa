/** What could not be read, and what became of it. */

import type { Named, StorageData } from "../api/types.ts";
import { Notice } from "../app/controls.tsx";

export function Losses({ data }: { data: StorageData }) {
  return (
    <>
      <Loss title="Repaired at the start" lines={data.repairs} />
      <Loss title="Damaged and set aside" lines={data.quarantined.map(line)} />
      <Loss title="Cannot be read now, and is tried again" lines={data.leftOut.map(line)} />
    </>
  );
}

function Loss({ title, lines }: { title: string; lines: string[] }) {
  if (lines.length === 0) return null;
  return <Notice kind="warning" title={title}>{lines.map((text, n) => <code key={n}>{text}</code>)}</Notice>;
}

function line({ name, reason }: Named): string {
  return reason === "" ? name : `${name}: ${reason}`;
}
