import type { Log } from './log/port.ts'
import type { Redactor } from './redactor.ts'
import type { Failpoints, History, Logger, Runtime, Tasks } from './runtime.ts'

/**
 * Everything through which the gateway touches the world. Only `main.ts`, `worker.ts` and tests know what stands
 * behind these. An operation ends as ok, as failed (it had no effect), or as unknown (nobody can say): unknown is a
 * value, since taking it for a failure is how things happen twice.
 */
export type Ports = Readonly<{
  runtime: Runtime
  tasks: Tasks
  logger: Logger
  failpoints: Failpoints
  history: History
  log: Log
  projections: Projections
  http: Http
  files: Files
  secrets: Secrets
  redactor: Redactor
  names: Names
}>

// ─── secrets and names ──────────────────────────────────────────────────────────────────────────

export interface Secrets {
  /** The value of `env:NAME` or `file:/path`, or null where there is none. Never logged, never stored. */
  read(reference: string): string | null
}

/** Name resolution behind the egress list: what is not in it is not talked to. */
export interface Names {
  /** The address to use for a host, or null where the list does not allow it or it does not resolve. */
  resolve(host: string, signal: AbortSignal): Promise<string | null>
}

// ─── http ───────────────────────────────────────────────────────────────────────────────────────

export type HttpRequest = Readonly<{
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  headers: Readonly<Record<string, string>>
  body: string | null
  /** The whole exchange, from the first byte sent to the last received. */
  timeoutMs: number
  responseBytesMax: number
}>

export type HttpAnswer = Readonly<
  | { kind: 'answered'; status: number; headers: Readonly<Record<string, string>>; body: string }
  /** Nothing was sent: name, connection or TLS failed, or the egress list forbids it. */
  | { kind: 'failed'; reason: string }
  /** The request may have been taken: time-out, reset or an unreadable answer after it was sent. */
  | { kind: 'unknown'; reason: string }
>

/** Redirects are not followed. */
export interface Http {
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>
}

// ─── files of the gateway itself (config, mappings, schemas) ────────────────────────────────────

export interface Files {
  /** UTF-8 text, or null where there is no such file. */
  read(path: string): string | null
  /** Names in a folder in bytewise order, or null where there is no such folder. */
  list(path: string): readonly string[] | null
}

// ─── projection ─────────────────────────────────────────────────────────────────────────────────

/** What a lane remembers of one source key. Everything in it can be rebuilt from the log. */
export type ProjectionRow = Readonly<{
  sourceKey: string
  /** Empty for a key whose only versions were rejected. */
  recordKey: string
  /** 0: never published (its only versions were rejected). */
  revision: number
  contentHash: string
  /** Digest per top-level field of `data`, for `changedFields` (`Digests` in `identity.ts`). */
  fieldDigests: string
  sourceFingerprint: string
  /** Place of the read that was last published or found equal (`read-order.ts`); compares bytewise by its count. */
  readOrder: string
  mappingVersion: string
  deleted: boolean
  /** Fingerprint of the raw bytes of a version that was rejected, and is not to be written again. */
  rejected: string | null
  /** Where its newest event stands. */
  partition: number
  offset: number
}>

/** Up to where the projection holds what the log says. */
export type Applied = Readonly<{
  lineage: string
  /** Next offset to apply, by `topic/partition`. */
  positions: Readonly<Record<string, number>>
  /** Of the lane's cursor record that this follows: a log whose record has a lower one has lost it. */
  sequence: number
  /** Topic ids by topic, where the log tells them. */
  topicIds: Readonly<Record<string, string | null>>
}>

/** What keeps a projection from being read or written (a full disk, a file that is away) passes: it is opened again. */
export class ProjectionError extends Error {
  override readonly name = 'ProjectionError'
}

/**
 * One lane's table: synchronous, since it is on the hot path and lives in the lane's thread. A projection that was
 * damaged, altered or removed from outside opens as empty (`applied()` null): it is rebuilt, never believed.
 */
export interface Projection {
  applied(): Applied | null
  rows(sourceKeys: readonly string[]): ReadonlyMap<string, ProjectionRow>
  /** Rows that hold these record keys, by record key. */
  owners(recordKeys: readonly string[]): ReadonlyMap<string, ProjectionRow>
  /** Those of these record keys under which another lane has published. */
  foreign(recordKeys: readonly string[]): ReadonlySet<string>
  /** Record keys of rows under which another lane has published as well. */
  contested(limit: number): readonly string[]
  /** The greatest read order of all rows, or null. */
  highestReadOrder(): string | null
  /**
   * Takes over rows, keys named by a pass and positions in one step; all or nothing. What was applied last may be lost
   * when the process ends without `close`, together with the positions that went with it.
   */
  apply(change: ProjectionChange): void
  /** How many batches of this pass have been noted by `apply`; 0 for a pass that is not known. */
  passBatches(pass: string): number
  /**
   * Rows that the pass did not name, living or with a reject, read before `before`; those behind the source key `after`
   * in an order that never changes.
   */
  unseen(before: string, after: string | null, limit: number): readonly ProjectionRow[]
  /** Rows, living or with a reject; those behind the source key `after` in an order that never changes. */
  standing(after: string | null, limit: number): readonly ProjectionRow[]
  /** Rows with `rejected` set; those behind the source key `after` in an order that never changes. */
  rejected(after: string | null, limit: number): readonly ProjectionRow[]
  count(): ProjectionCount
  /** Empties it. */
  reset(): void
  close(): void
}

export type ProjectionCount = Readonly<{ live: number; deleted: number; rejected: number }>

export type ProjectionChange = Readonly<{
  rows: readonly ProjectionRow[]
  /** Source keys to forget altogether. Done before `rows` are written. */
  forgotten?: readonly string[]
  /** Null leaves what was applied as it is. */
  applied: Applied | null
  /** Record keys under which other lanes have published. */
  foreign?: readonly string[]
  /** Keys that batch number `batch` (from 1) of a pass named; batch 1 empties what an earlier pass left. */
  seen?: Readonly<{ pass: string; batch: number; keys: readonly string[] }>
}>

export interface Projections {
  /** The table of one lane, by its name `<source>.<feed>`. */
  open(lane: string): Projection
}
