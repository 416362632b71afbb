import type { Json, SourceRecord } from '../../adapters/contract.ts'
import type { Draft, LogRecord } from '../log/port.ts'
import type { ProjectionRow } from '../ports.ts'
import { entityTopic, TOPICS } from '../topics.ts'
import type { SourceConnection } from './connection.ts'
import { type CursorRecord, encodeJson, HOLDS, type Hold, laneKey } from './cursor-record.ts'
import type { Lane } from './lane.ts'
import { readEvent } from './open.ts'
import { isKeyless } from './rebuild.ts'
import { decodeReject, type RejectRecord, rejectKeyPrefix } from './reject-record.ts'
import { VerbRefused } from './verb-refused.ts'

/** Who decides, and why; kept in `gateway.decisions`. */
export type Decision = Readonly<{ by: string; reason: string }>

export async function pauseLane(lane: Lane, decision: Decision, signal: AbortSignal): Promise<void> {
  await lane.rewrite({ paused: true }, [decisionDraft(lane, 'pause', decision, null)], signal)
}

/** Ends a pause. Throws VerbRefused for a lane that is held: it would stand still all the same, answered by nobody. */
export async function resumeLane(lane: Lane, decision: Decision, signal: AbortSignal): Promise<void> {
  const hold = lane.opened?.record.hold ?? null
  if (hold !== null) {
    throw new VerbRefused(`${heldSentence(lane, hold)} \`resume\` is no answer.`)
  }
  if (lane.opened?.record.paused !== true) return
  await lane.rewrite({ paused: false }, [decisionDraft(lane, 'resume', decision, null)], signal)
}

function heldSentence(lane: Lane, hold: Hold): string {
  const { source, feed } = lane.options
  return `Lane ${lane.name} is held: ${hold.code}. \`erpgw decide ${source} ${feed.name}\` shows what was seen and how to answer.`
}

/** What was decided about, and whether the lane stands still all the same, because it was paused as well. */
export type Decided = Readonly<{ hold: Hold; isPaused: boolean }>

/**
 * Answers the question that holds a lane. Allowing accepts what was seen when it was held: that identity or shape for
 * good, a blown fuse or too many rejects for the next run only. Refusing leaves it held. Both are recorded with their
 * reason.
 */
export async function decideLane(
  lane: Lane,
  allow: boolean,
  decision: Decision,
  signal: AbortSignal,
): Promise<Decided> {
  const record = lane.opened?.record
  const hold = record?.hold ?? null
  if (record === undefined || hold === null) {
    throw new VerbRefused(`Lane ${lane.name} is not held; there is nothing to decide.`)
  }
  if (HOLDS[hold.code] === 'resync' && allow) {
    throw new VerbRefused(`${hold.code} cannot be allowed; run \`erpgw resync\` when its cause is mended.`)
  }
  const draft = decisionDraft(lane, allow ? 'allow' : 'refuse', decision, hold)
  const change = allow ? { hold: null, run: null, ...acceptance(record, hold) } : {}
  await lane.rewrite(change, [draft], signal)
  return { hold, isPaused: record.paused }
}

/** What allowing a hold changes: the new identity or shape counts from now on, a fuse is lifted until a run is complete. */
function acceptance(record: CursorRecord, hold: Hold): Partial<CursorRecord> {
  const details = hold.details as { now?: string; fields?: Readonly<Record<string, string>> } | null
  const allowances = [...new Set([...record.allowances, hold.code])]
  switch (hold.code) {
    case 'IDENTITY_CHANGED':
      return { identity: details?.now ?? null }
    case 'SCHEMA_CHANGED':
      return { fields: details?.fields ?? null, allowances }
    default:
      return { allowances }
  }
}

/**
 * Reads the source again from its start and publishes what differs from the log, as origin `replay`. A new lineage
 * begins every key at revision 1 again, for consumers that must start over.
 */
export async function resyncLane(
  lane: Lane,
  newLineage: boolean,
  decision: Decision,
  signal: AbortSignal,
): Promise<void> {
  const record = lane.opened?.record
  if (record === undefined) throw new VerbRefused(`Lane ${lane.name} is not open.`)
  const before = [...record.former, record.lineage]
  const lineage = newLineage ? laterThan(before, lane.options.ports.runtime.uuid()) : record.lineage
  const taken =
    newLineage && record.hold?.code === 'KEY_OWNED_ELSEWHERE' ? await foreignLineages(lane, signal) : []
  // Rows of the old lineage would be taken for published ones; if the rewrite fails they are rebuilt from the log.
  if (newLineage) lane.opened?.projection.reset()
  await lane.rewrite(
    {
      lineage,
      former: newLineage ? [...before, ...taken] : record.former,
      ...readFromStart(lane, record, newLineage),
      pass: null,
      hold: null,
      run: null,
      partial: [],
      allowances: [],
      // A shape that nobody has accepted yet is still to be asked about.
      ...(record.hold?.code === 'SCHEMA_CHANGED' ? { fields: null } : {}),
      topics: {},
      ...(record.hold?.code === 'IDENTITY_CHANGED' ? { identity: null } : {}),
    },
    [decisionDraft(lane, newLineage ? 'resync-new-lineage' : 'resync', decision, record.hold)],
    signal,
  )
  // What was found at the start may no longer hold: the lane looks again.
  await lane.open(signal)
}

/** A lineage that sorts behind all before it (UUIDs of version 7 do by their first 48 bits, a time), also when the clock was set back. */
function laterThan(before: readonly string[], fresh: string): string {
  const newest = before.reduce((one, other) => (one > other ? one : other), '')
  if (fresh > newest) return fresh
  const time = Number.parseInt(newest.slice(0, 13).replace('-', ''), 16) + 1
  const digits = time.toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}${fresh.slice(13)}`
}

/**
 * A feed that began at the beginning begins there again. One that began later goes on from where it is, for what came
 * before was left out on purpose; what it has published is read again beside it.
 */
function readFromStart(lane: Lane, record: CursorRecord, newLineage: boolean): Partial<CursorRecord> {
  const { start } = lane.options.feed
  if (start === 'all' || newLineage) return { cursor: null, phase: 'replay', reread: null }
  const isStale = record.hold?.code === 'CURSOR_STALE'
  const version = lane.options.mapping.version
  return { ...(isStale ? { cursor: null } : {}), reread: { kind: 'resync', cursor: null, version } }
}

/** Lineages of other lanes under this lane's system, which a person has decided to take over. */
async function foreignLineages(lane: Lane, signal: AbortSignal): Promise<readonly string[]> {
  const { mapping, ports, system } = lane.options
  const topic = entityTopic(mapping.entity)
  const found = new Set<string>()
  const partitions = lane.opened?.topics.get(topic)?.partitions ?? 0
  for (let partition = 0; partition < partitions; partition += 1) {
    for await (const chunk of ports.log.readTo({ topic, partition }, 0, { signal })) {
      for (const record of chunk.records) {
        if (record.value !== null && record.key?.startsWith(`${system}/`) === true)
          found.add(readEvent(record).lineage)
      }
    }
  }
  return [...found]
}

/**
 * Publishes what the edited mapping changes, or accepts it without a word. Where the source hands over everything only
 * once, there is nothing to read again: rows are published under the mapping when they are delivered next.
 */
export async function remapLane(
  lane: Lane,
  mode: 'publish' | 'quiet',
  decision: Decision,
  signal: AbortSignal,
): Promise<void> {
  const record = lane.opened?.record
  if (record === undefined) throw new VerbRefused(`Lane ${lane.name} is not open.`)
  const { version } = lane.options.mapping
  await lane.rewrite(
    remapOf(lane, record, mode, version),
    [decisionDraft(lane, `remap-${mode}`, decision, null)],
    signal,
  )
}

function remapOf(
  lane: Lane,
  record: CursorRecord,
  mode: 'publish' | 'quiet',
  version: string,
): Partial<CursorRecord> {
  if (mode === 'quiet') return { mapping: { version: record.mapping.version, quiet: version } }
  if (record.reread?.kind === 'resync') {
    throw new VerbRefused(
      `Lane ${lane.name} has yet to carry out a resync, which compares everything with the log; ask for the remap when it is through.`,
    )
  }
  if (lane.options.canReadAgain) return { reread: { kind: 'remap', cursor: null, version } }
  return { mapping: { version, quiet: null } }
}

export type RetryResult = Readonly<{ tried: number; published: number; rejectedAgain: number }>

/** How many rejected rows are tried in one step. */
const RETRY_ROWS = 500

/** Tries every rejected record of the lane again: read afresh where the source can, else as it was when rejected. */
export async function retryRejects(
  lane: Lane,
  connection: SourceConnection,
  signal: AbortSignal,
): Promise<RetryResult> {
  const opened = lane.opened
  if (opened === null) throw new VerbRefused(`Lane ${lane.name} is not open.`)
  const { hold } = opened.record
  if (hold !== null && hold.code !== 'REJECTS_TOO_MANY') throw new VerbRefused(heldSentence(lane, hold))
  let kept: ReadonlyMap<string, SourceRecord> | null = null
  let tried = 0
  let published = 0
  let after: string | null = null
  while (true) {
    const rows = opened.projection.rejected(after, RETRY_ROWS)
    const last = rows.at(-1)
    if (last === undefined) break
    after = last.sourceKey
    const keys = rows.map((row) => row.sourceKey).filter((key) => !isKeyless(key))
    let counts = kept === null ? await lane.reread(keys, connection, signal) : null
    if (counts === null) {
      kept ??= await rawRejects(lane, signal)
      counts = await lane.republish(stillMeant(rows, kept), connection, signal)
    }
    tried += rows.length
    published += counts.created + counts.changed
  }
  return { tried, published, rejectedAgain: opened.projection.count().rejected }
}

/** The rejected versions that are still the newest of their rows. */
function stillMeant(
  rows: readonly ProjectionRow[],
  kept: ReadonlyMap<string, SourceRecord>,
): readonly SourceRecord[] {
  return rows.flatMap((row) => {
    const record = kept.get(row.sourceKey)
    return record !== undefined && record.fingerprint === row.rejected ? [record] : []
  })
}

/** The newest rejects of the lane as records, by source key; what was not even readable is left out. */
async function rawRejects(lane: Lane, signal: AbortSignal): Promise<Map<string, SourceRecord>> {
  const { gateway, ports } = lane.options
  const prefix = rejectKeyPrefix(gateway, lane.name)
  const found = new Map<string, SourceRecord>()
  const partitions = lane.opened?.topics.get(TOPICS.rejects)?.partitions ?? 0
  for (let partition = 0; partition < partitions; partition += 1) {
    for await (const chunk of ports.log.readTo({ topic: TOPICS.rejects, partition }, 0, { signal })) {
      for (const record of chunk.records) collectReject(record, prefix, found)
    }
  }
  return found
}

function collectReject(record: LogRecord, prefix: string, found: Map<string, SourceRecord>): void {
  if (record.value === null || record.key?.startsWith(prefix) !== true) return
  const reject = decodeReject(record.value)
  const data = rawData(reject)
  if (data === null) {
    found.delete(reject.sourceKey)
    return
  }
  found.set(reject.sourceKey, {
    type: reject.where.split(' ')[0] ?? '',
    key: reject.sourceKey,
    op: 'upsert',
    order: null,
    rowVersion: null,
    fingerprint: reject.fingerprint,
    changedAt: null,
    data,
  })
}

function rawData(reject: RejectRecord): SourceRecord['data'] | null {
  const raw = Buffer.from(reject.raw, 'base64')
  if (reject.code === 'UNREADABLE' || raw.byteLength < reject.rawBytes) return null
  const value: unknown = JSON.parse(raw.toString('utf8'))
  return typeof value === 'object' && value !== null ? (value as SourceRecord['data']) : null
}

function decisionDraft(lane: Lane, verb: string, decision: Decision, about: Json): Draft {
  const { gateway, ports } = lane.options
  return {
    topic: TOPICS.decisions,
    key: laneKey(gateway, lane.name),
    value: encodeJson({
      lane: lane.name,
      verb,
      by: decision.by,
      reason: decision.reason,
      about,
      at: new Date(ports.runtime.wall()).toISOString(),
    }),
  }
}
