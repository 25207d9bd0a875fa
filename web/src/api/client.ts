/** Calls to the HTTP API, relative to wherever this page was served from. */

import type { Answer } from "./types.ts";
import { pathPrefix } from "../app/location.ts";

/** A call that did not succeed. `kind` is upstream's error type, or says that there was no answer at all. */
export class ApiError extends Error {
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }

  /** True while the server is starting or cannot be reached: asking again may help. */
  get isTransient(): boolean {
    return this.kind === "not_ready" || this.kind === "unreachable";
  }
}

interface Envelope<T> {
  status: "success" | "error";
  data?: T;
  errorType?: string;
  error?: string;
  warnings?: string[];
  infos?: string[];
}

/**
 * Asks the API and unwraps its envelope.
 *
 * - `path`: below `/api/v1/`.
 * - `post`: sends the parameters in the body, for expressions too long for a URL.
 *
 * Throws `ApiError`; an aborted call throws what `fetch` throws.
 */
export async function call<T>(
  path: string,
  params: Record<string, string>,
  options: { signal?: AbortSignal; post?: boolean } = {},
): Promise<Answer<T>> {
  const started = performance.now();
  const query = new URLSearchParams(params).toString();
  const base = `${pathPrefix()}/api/v1/${path}`;
  const response = options.post
    ? await send(base, { method: "POST", body: new URLSearchParams(params), signal: options.signal })
    : await send(query ? `${base}?${query}` : base, { signal: options.signal });
  const envelope = await readEnvelope<T>(response);
  if (envelope.status !== "success") {
    throw new ApiError(envelope.errorType ?? "error", envelope.error ?? "the server gave no reason");
  }
  return {
    data: envelope.data as T,
    warnings: envelope.warnings ?? [],
    infos: envelope.infos ?? [],
    elapsedMs: performance.now() - started,
  };
}

/** Asks a plain endpoint such as `/-/ready`; true when it answers 2xx, false on another status. */
export async function probe(path: string, signal?: AbortSignal): Promise<boolean> {
  const response = await send(`${pathPrefix()}${path}`, { signal });
  return response.ok;
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { cache: "no-store", credentials: "same-origin", ...init });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError("unreachable", "the server does not answer");
  }
}

async function readEnvelope<T>(response: Response): Promise<Envelope<T>> {
  const text = await response.text();
  if (response.headers.get("content-type")?.startsWith("application/json")) {
    return JSON.parse(text) as Envelope<T>;
  }
  if (response.status === 503) throw new ApiError("not_ready", "the server is starting; it answers queries as soon as its data is loaded");
  throw new ApiError("http", `${response.status} ${response.statusText}: ${text.slice(0, 500)}`);
}
