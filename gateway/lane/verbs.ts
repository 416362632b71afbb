import type { Json, SourceRecord } from '../../adapters/contract.ts'
import type { Draft, LogRecord } from '../log/port.ts'
import { TOPICS } from '../topics.ts'
import type { SourceConnection } from './connection.ts'
import { encodeJson, HOLDS, laneKey } from './cursor-record.ts'
import type { Lane } from './lane.ts'
import { decodeReject, type RejectRecord, rejectKeyPrefix } from './reject-record.ts'

/** A verb that cannot be carried out as things stand; the message says why and what to do. */
export class VerbRefused extends Error {
  override readonly name = 'VerbRefused'
}

/** Who decides, and why; kept in `gateway.decisions`. */
export type Decision = Readonly<{ by: string; reason: string }>

export async function pauseLane(lane: Lane, decision: Decision, signal: AbortSignal): Promise<void> {
  await lane.rewrite({ paused: true }, [decisionDraft(lane, 'pause', decision, null)], signal)
}

export async function resumeLane(lane: Lane, decision: Decision, signal: AbortSignal): Promise<void> {
  if (lane.opened?.record.paused !== true) return
  await lane.rewrite({ paused: false }, [decisionDraft(lane, 'resume', decision, null)], signal)
}

/**
 * Answers the question that holds a lane. Allowing accepts what was seen: the new identity or shape for good, a blown
 * fuse or too many rejects for the next run only. Refusing leaves it held. Both are recorded with their reason.
 */
export async function decideLane(
  lane: Lane,
  allow: boolean,
  decision: Decision,
  signal: AbortSignal,
): Promise<void> {
  const record = lane.opened?.record
  const hold = record?.hold ?? null
  if (record === undefined || hold === null) {
    throw new VerbRefused(`Lane ${lane.name} is not held; there is nothing to decide.`)
  }
  if (HOLDS[hold.code] === 'resync' && allow) {
    throw new VerbRefused(`${hold.code} cannot be allowed; run \`erpgw resync\` when its cause is mended.`)
  }
  const draft = decisionDraft(lane, allow ? 'allow' : 'refuse', decision, hold)
  if (!allow) {
    await lane.rewrite({}, [draft], signal)
    return
  }
  const isOnce = hold.code === 'FUSE_BLOWN' || hold.code === 'REJECTS_TOO_MANY'
  await lane.rewrite(
    {
      hold: null,
      allowance: isOnce ? hold.code : null,
      ...(hold.code === 'IDENTITY_CHANGED' ? { identity: null } : {}),
      ...(hold.code === 'SCHEMA_CHANGED' ? { fields: null } : {}),
    },
    [draft],
    signal,
  )
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
  const lineage = newLineage ? lane.options.ports.runtime.uuid() : record.lineage
  // Rows of the old lineage would be taken for published ones; if the rewrite fails they are rebuilt from the log.
  if (newLineage) lane.opened?.projection.reset()
  const isOtherSystem = record.hold?.code === 'IDENTITY_CHANGED'
  await lane.rewrite(
    {
      lineage,
      former: newLineage ? [...record.former, record.lineage] : record.former,
      cursor: null,
      pass: null,
      remap: null,
      hold: null,
      allowance: null,
      phase: 'replay',
      fields: null,
      topics: {},
      ...(isOtherSystem ? { identity: null } : {}),
    },
    [decisionDraft(lane, newLineage ? 'resync-new-lineage' : 'resync', decision, record.hold)],
    signal,
  )
  // What was found at the start may no longer hold: the lane looks again.
  await lane.open(signal)
}

/** Publishes what the edited mapping changes, or accepts it without a word. */
export async function remapLane(
  lane: Lane,
  mode: 'publish' | 'quiet',
  decision: Decision,
  signal: AbortSignal,
): Promise<void> {
  const record = lane.opened?.record
  if (record === undefined) throw new VerbRefused(`Lane ${lane.name} is not open.`)
  const { version } = lane.options.mapping
  const change =
    mode === 'publish'
      ? { remap: { cursor: null, version } }
      : { mapping: { version: record.mapping.version, quiet: version } }
  await lane.rewrite(change, [decisionDraft(lane, `remap-${mode}`, decision, null)], signal)
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
  const canRead = await connection.turn('read', signal, async (session) => session.read !== undefined)
  const kept = canRead ? null : await rawRejects(lane, signal)
  let tried = 0
  let published = 0
  let after: string | null = null
  while (true) {
    const rows = opened.projection.rejected(after, RETRY_ROWS)
    const last = rows.at(-1)
    if (last === undefined) break
    after = last.sourceKey
    const keys = rows.map((row) => row.sourceKey)
    const counts =
      kept === null
        ? await lane.reread(keys, connection, signal)
        : await lane.republish(
            keys.flatMap((key) => kept.get(key) ?? []),
            connection,
            signal,
          )
    tried += rows.length
    published += counts.created + counts.changed
  }
  return { tried, published, rejectedAgain: opened.projection.count().rejected }
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
  if (data === null) return
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
