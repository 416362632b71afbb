import {
  contentOf,
  groupBy,
  moment,
  type Published,
  type Rejected,
  type RowVersion,
  type Truth,
  type Violation,
} from './facts.ts'

/** A batch as a source handed it over. */
export type Delivered = Readonly<{
  lane: string
  /** Batches of one poll share its number and stand in their order. */
  poll: number
  at: number
  next: string
  /** `raw`: what the rejects would show of it, or null for a deletion. */
  records: readonly Readonly<{
    recordKey: string
    sourceKey: string
    version: RowVersion
    raw: string | null
  }>[]
}>

/** A cursor as the log holds it. */
export type CursorCommit = Readonly<{ lane: string; time: number; cursor: string | null }>

/**
 * When a cursor is durable, everything that was handed over before it is: published, overtaken by something newer that
 * was published or rejected, equal to what was published before, or rejected itself.
 */
export function cursorNeverAhead(
  facts: Readonly<{
    deliveries: readonly Delivered[]
    commits: readonly CursorCommit[]
    truth: Truth
    events: readonly Published[]
    rejects: readonly Rejected[]
    /** Somebody may have everything read again: then only what was current when it was handed over counts. */
    isReplayed?: boolean
  }>,
): readonly Violation[] {
  const { deliveries, commits, truth, isReplayed = false } = facts
  const runs = groupBy(facts.events, ({ recordKey }) => recordKey)
  const rejectedAt = new Map(facts.rejects.toReversed().map(({ raw, time }) => [raw, time]))
  const byLane = groupBy(deliveries, ({ lane }) => lane)
  const checked = new Set<Delivered>()
  const violations: Violation[] = []
  for (const commit of commits) {
    for (const batch of coveredBy(commit, byLane.get(commit.lane) ?? [])) {
      if (checked.has(batch)) continue
      checked.add(batch)
      for (const { recordKey, sourceKey, version, raw } of batch.records) {
        const versions = truth.get(recordKey) ?? []
        const later = versions.slice(versions.indexOf(version)).filter(({ at }) => at <= commit.time)
        // A row that is gone takes along the record that it was published as; what it became since nobody has seen.
        const isMeant = ({ time, event }: Published) =>
          time <= commit.time && (version.kind !== 'gone' || event.sourcekey === sourceKey)
        const newest = runs.get(recordKey)?.findLast(isMeant)
        const isRejected = (text: string | null) => (rejectedAt.get(text ?? '') ?? Infinity) <= commit.time
        if (isRejected(raw) || later.some((other) => other.kind === 'unmappable' && isRejected(other.raw)))
          continue
        const isPast = isReplayed && later.slice(1).some(({ at }) => at <= batch.at)
        if (isPast || isSaid(newest, later)) continue
        const sentence = `${commit.lane} stored its cursor ${commit.cursor} at ${moment(commit.time)}, and ${recordKey}, handed over before it at ${moment(batch.at)} as ${say(version)}, is not in the log by then.`
        violations.push({ checker: 'cursor-never-ahead', sentence })
      }
    }
  }
  return violations
}

/** The batch that ended with this cursor, newest first where several did, and those before it in its poll. */
function coveredBy(commit: CursorCommit, batches: readonly Delivered[]): readonly Delivered[] {
  const last = batches.findLastIndex(({ next, at }) => next === commit.cursor && at <= commit.time)
  const poll = batches[last]?.poll
  return batches.filter((batch, index) => batch.poll === poll && index <= last)
}

/** Whether the newest event of a key says one of these versions. */
function isSaid(newest: Published | undefined, versions: readonly RowVersion[]): boolean {
  // What came and went, or went on to another key, before anything was said of it need not be said.
  if (newest === undefined) return versions.some(({ kind }) => kind === 'gone')
  const isDeletion = newest.event.type.endsWith('.deleted.v1')
  const said = isDeletion ? null : contentOf(newest.event.data)
  return versions.some((version) =>
    version.kind === 'value' ? version.content === said : version.kind === 'gone' && isDeletion,
  )
}

function say(version: RowVersion): string {
  if (version.kind === 'value') return version.content
  return version.kind === 'gone' ? 'gone' : `unmappable ${version.raw}`
}
