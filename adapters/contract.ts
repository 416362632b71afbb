import type { z } from 'zod'

/**
 * The adapter contract: types only. An adapter knows one protocol. It reads records in the words of the source and
 * carries out commands; it knows no log, no DingTalk and no ERP. `README.md` beside this file holds the normative
 * words, each with the name of the kit check that holds an adapter to it.
 */

/** A resume point. The adapter mints it, the gateway stores it, nobody else looks inside (see `cursor.ts`). */
export type Cursor = string & { readonly __brand: 'Cursor' }

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** What a feed offers, in the source's own names: its key, and each field with the source's own type name. */
export type FeedShape = Readonly<{
  name: string
  key: readonly string[]
  fields: Readonly<Record<string, string>>
}>

/** One record in the words of the source. Mappings turn it into a canonical event. */
export type SourceRecord = Readonly<{
  /** The source's own name for the record: "EKKO", "ORDERS05". */
  type: string
  /** The source's own primary key as text, unique within its feed; composite parts joined by `joinKey`. */
  key: string
  op: 'upsert' | 'delete'
  /**
   * The read's snapshot or log position; compares bytewise, so numbers are zero-padded. Never a clock, which steps
   * back. Null: the lane counts its reads.
   */
  order: string | null
  /** Monotone per row, where the source has such a thing (SQL Server's rowversion); compares bytewise. */
  rowVersion: string | null
  /** Equal means equal content. What a sweep compares. Null: the lane hashes `data`. */
  fingerprint: string | null
  /** RFC 3339 with offset, or a local date-time in the zone of the source; null when the source does not say. */
  changedAt: string | null
  /** Raw fields, as text where a float or a date would lose anything. */
  data: { readonly [field: string]: Json }
}>

/** A record that cannot be read is still something the source said: throwing would hold up all behind it. */
export type Unreadable = Readonly<{
  /** Where a person finds it: file and line, table and key. */
  where: string
  /** Its source key when that much could be read. */
  key: string | null
  raw: Uint8Array
  reason: string
}>

/**
 * A complete look at a feed. Keys that no batch of it named may be deleted when it ends, behind the fuse. The first
 * batch of a pass says `begins`, the last one `ends`; a pass that the lane did not see begin proves nothing.
 */
export type Pass = Readonly<{ id: string; begins: boolean; ends: boolean }>

/** A fact the adapter must remember beyond its cursor (a file seen, a message id). Commits with the cursor. */
export type Mark = Readonly<{ key: string; value: Json; keepMs: number }>

/**
 * `next` is safe to store once, and only once, everything before it is durable. A batch without records and without
 * unreadable ones is allowed only if it has unchanged ones, begins or ends a pass, or carries marks.
 */
export type Batch = Readonly<{
  records: readonly SourceRecord[]
  unreadable: readonly Unreadable[]
  next: Cursor
  /** Keys that were read and of which nothing is new (`Known`): they are there. Only what `known` said so of. */
  unchanged?: readonly string[]
  pass?: Pass
  marks?: readonly Mark[]
  /**
   * The fields that the source described for these records, with its type names. The lane stops before it publishes
   * anything of a batch in which a known field is gone or has another type; a new field is a notice.
   */
  fields?: Readonly<Record<string, string>>
}>

/**
 * Which of these reads tell nothing new, since what was published last of their key has this very fingerprint: an adapter
 * may ask before it reads whole rows a second time. Asked only of fingerprints that the records of the feed bear.
 */
export type Known = (reads: readonly Readonly<{ key: string; fingerprint: string }>[]) => readonly boolean[]

export type Check = Readonly<
  /** `warnings`: what is not safe as it is. `notes`: what a person should know. */
  { ok: true; warnings?: readonly string[]; notes?: readonly string[] } | { ok: false; reason: string }
>

/** A refusal by the ERP is an answer, so it is a value. Only failures to get an answer throw. */
export type Outcome = Readonly<
  | { kind: 'applied' | 'duplicate'; reference: string }
  /** CHANGED_SINCE_SHOWN is one of the codes. */
  | { kind: 'rejected'; code: string; reason: string }
>

/** What became of a call that went silent. */
export type Found = Readonly<
  | { kind: 'applied'; reference: string; by: 'this-command' | 'someone-else' | 'cannot-tell' }
  /** `final`: the ERP itself excludes that the attempt can still take effect. */
  | { kind: 'absent'; final: boolean }
  | { kind: 'cannot-tell'; reason: string }
>

export type Call = Readonly<{
  commandId: string
  idempotencyKey: string
  attempt: number
  /** Epoch ms, checked directly before the first byte leaves. */
  notAfter: number
  /** What the person saw; compared with the document before acting. */
  expect: Readonly<Record<string, Json>> | null
  /** Steps done by an earlier attempt. */
  done: readonly Readonly<{ step: string; reference: string }>[]
  /** Durable when it returns. */
  record(step: string, reference: string): Promise<void>
  signal: AbortSignal
}>

export type Command = Readonly<{
  summary: string
  input: z.ZodType
  /** K/3 Cloud: save, submit, audit. */
  steps: readonly string[]
  /** by-key: the ERP has a unique constraint on our key. conditional: it refuses a step already done. Proved by the kit. */
  repeat: 'by-key' | 'conditional' | 'never'
  execute(input: unknown, call: Call): Promise<Outcome>
  lookup?(input: unknown, call: Call): Promise<Found>
  /** The document as the ERP has it now, for the proof and for `expect`. */
  readBack?(input: unknown, reference: string | null, call: Call): Promise<SourceRecord | null>
}>

/**
 * Comparing a feed with the log without reading it whole. Keys fall into buckets by the rest of the first 32 bits of
 * their MD5 (UTF-8, most significant bit first). A comparison goes through the feed in parts, in an order of the source's
 * own; a part is one consistent look. `next` null: that was the last.
 */
export interface Sweep {
  /** Of each bucket with rows in this part: how many there are, and the sum of their fingerprints modulo 2^64. */
  digest(
    feed: string,
    part: Readonly<{ buckets: number; after: string | null; rowsMax: number }>,
    signal: AbortSignal,
  ): Promise<Readonly<{ sums: readonly BucketSum[]; next: string | null }>>
  /** Keys of this part, at least those in these buckets, each with the fingerprint that its record would bear. */
  keys(
    feed: string,
    part: Readonly<{ buckets: number; wanted: readonly number[]; after: string | null; rowsMax: number }>,
    signal: AbortSignal,
  ): Promise<
    Readonly<{ keys: readonly Readonly<{ key: string; fingerprint: string }>[]; next: string | null }>
  >
}

export type BucketSum = Readonly<{ bucket: number; count: number; sum: bigint }>

export type Traits = Readonly<{
  /** In which order changes of the feed arrive: over all keys, per key, or not at all. */
  order: 'total' | 'per-key' | 'none'
  /** How a deletion shows: as a record, as a key missing from a pass, or never. */
  deletes: 'reported' | 'by-pass' | 'invisible'
  /** Whether any stored cursor can be read again, or only what is not yet settled. */
  replay: 'from-any-cursor' | 'until-settled'
}>

/** What is wrong with a feed as a whole. */
export type FeedFault = Readonly<{
  /** The setting to blame. */
  path: readonly string[]
  message: string
  /** Where in the setting's text, in UTF-16 units from its beginning. Absent: the setting as it is. */
  offset?: number
}>

/** A live connection. Every method may reject with an AdapterError, and with nothing else. */
export interface Session {
  /** Does what poll would do first, and no more. Resolves even when the source is down. */
  check(signal: AbortSignal): Promise<Check>
  /** Who answers: system, database, company, recovery fork. Compared before the first read of every connection. */
  identity(signal: AbortSignal): Promise<string | null>
  /** One shape for each configured feed, with the fields that its batches will describe. */
  discover(signal: AbortSignal): Promise<readonly FeedShape[]>
  /** A look at the data that moves nothing: no cursor, no file, no queue. */
  preview(feed: string, limit: number, signal: AbortSignal): Promise<readonly SourceRecord[]>
  /**
   * Yields until caught up, then returns. Never sleeps, never retries: pace belongs to the gateway. The caller asks
   * for the next batch only when the one before is durable, or at most one batch ahead. Without `known` all is read whole.
   */
  poll(feed: string, cursor: Cursor | null, signal: AbortSignal, known?: Known): AsyncIterable<Batch>
  /**
   * The cursor that leaves out everything before now, or before a value of the feed's first cursor column.
   * Absent where the source cannot say; then `start: all` is the only choice.
   */
  startAt?(feed: string, from: 'now' | Readonly<{ since: string }>, signal: AbortSignal): Promise<Cursor>
  /**
   * Single rows, fresh: for stale reads, deletions and healing. Keys that are not there are left out.
   * Absent where the source cannot (a file).
   */
  read?(feed: string, keys: readonly string[], signal: AbortSignal): Promise<readonly SourceRecord[]>
  /** Everything before `cursor` is durable: archive the file, confirm the queue, answer the sender. May be called twice. */
  settle?(feed: string, cursor: Cursor, signal: AbortSignal): Promise<void>
  /** Absent where the source cannot compute fingerprints itself. */
  readonly sweep?: Sweep
  readonly commands?: Readonly<Record<string, Command>>
  close(): Promise<void>
}

export interface Logger {
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

/** The only source of time, timers and randomness. */
export interface Runtime {
  /** Epoch milliseconds; may step in either direction. */
  wall(): number
  /** Nanoseconds since some moment; never steps back. */
  mono(): bigint
  /** Rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Aborts after `ms` with a TimeoutError. */
  deadline(ms: number): AbortSignal
  /** UUIDv7: time-ordered. */
  uuid(): string
  bytes(length: number): Uint8Array
  /** In [0, 1). */
  float(): number
}

/** A reference to a secret, `env:NAME` or `file:/path`. The value itself never stands in a config. */
export type SecretReference = string & { readonly __brand: 'SecretReference' }

export type Context = Readonly<{
  runtime: Runtime
  logger: Logger
  /** The zone of the source, an IANA name: what a local date-time means there. */
  zone: string
  batchRecordsMax: number
  /** Of this source and feed only. */
  marks: Readonly<{ get(feed: string, key: string): Json | undefined }>
  /** The value behind a reference. Throws ADAPTER_CONFIG_INVALID, naming the reference, when there is none. */
  secret(reference: SecretReference): string
  /** An address of this host that the process may talk to. Throws ADAPTER_CONFIG_INVALID when there is none. */
  resolve(host: string, signal: AbortSignal): Promise<string>
}>

/**
 * The whole of an adapter. `connect` touches the network; `session` is pure logic over a transport, so that one kit
 * drives it against memory in milliseconds and against a real server. The gateway builds the strict config of a source
 * from `connection`, `feed` and `command`, adding its own keys (mapping, poll, start, fuse …).
 */
export interface Adapter<Connection extends z.ZodType, Feed extends z.ZodObject, Transport> {
  /** Folder name, `kind` in the config and metric label: one word finds all. */
  readonly kind: string
  readonly summary: string
  /** May be a union (engine, transport), then a discriminated one. */
  readonly connection: Connection
  readonly feed: Feed
  /** Parsed by the kit and printed in the docs. */
  readonly example: Readonly<{
    connection: z.input<Connection>
    feeds: Readonly<Record<string, z.input<Feed>>>
  }>
  /**
   * What is wrong across several settings of a feed, or of a feed over this connection; each with the setting to blame.
   * Apart from the schema, since the gateway extends `feed` with keys of its own and zod refuses to extend an object
   * with refinements. Absent: nothing can be. `session` is only ever given feeds without faults.
   * @param connection Null where it has mistakes of its own, which are told beside these.
   */
  feedFaults?(feed: z.output<Feed>, connection: z.output<Connection> | null): readonly FeedFault[]
  traits(feed: z.output<Feed>): Traits
  /** The hosts that `connect` will talk to, for the egress list; empty for a local folder. */
  hosts(connection: z.output<Connection>): readonly string[]
  connect(connection: z.output<Connection>, context: Context, signal: AbortSignal): Promise<Transport>
  session(transport: Transport, feeds: Readonly<Record<string, z.output<Feed>>>, context: Context): Session
}
