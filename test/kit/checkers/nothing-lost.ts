import {
  contentOf,
  groupBy,
  moment,
  type Published,
  place,
  type Rejected,
  type RowVersion,
  type Truth,
  type Violation,
} from './facts.ts'

export type Settled = Readonly<{
  truth: Truth
  events: readonly Published[]
  rejects: readonly Rejected[]
  /** Record keys whose last version the feed cannot see: deletions it does not report, commits too late for it. */
  isExempt: (recordKey: string) => boolean
}>

/** Once the source is quiet and all is read, the last event of every key says what the source's row is. */
export function nothingLost(settled: Settled): readonly Violation[] {
  return differences(settled).map((sentence) => ({ checker: 'nothing-lost', sentence }))
}

/** Within the stated time after the faults have stopped, everything is delivered and every lane is at work. */
export function liveness(
  settled: Settled,
  bound: Readonly<{ at: number; minutes: number }>,
  stopped: readonly string[],
): readonly Violation[] {
  const events = settled.events.filter(({ time }) => time <= bound.at)
  const late = differences({ ...settled, events }).map(
    (sentence) => `${bound.minutes} minutes after the last fault: ${sentence}`,
  )
  return [...stopped, ...late].map((sentence) => ({ checker: 'liveness', sentence }))
}

function differences({ truth, events, rejects, isExempt }: Settled): readonly string[] {
  const runs = groupBy(events, ({ recordKey }) => recordKey)
  const rejected = new Set(rejects.map(({ raw }) => raw))
  return [...truth].flatMap(([recordKey, versions]) => {
    const last = versions.at(-1)
    if (last === undefined || isExempt(recordKey)) return []
    const sentence = difference(recordKey, last, runs.get(recordKey)?.at(-1), rejected)
    return sentence === null ? [] : [sentence]
  })
}

function difference(
  recordKey: string,
  last: RowVersion,
  newest: Published | undefined,
  rejected: ReadonlySet<string>,
): string | null {
  const since = moment(last.at)
  const log = newest === undefined ? 'the log holds nothing of it' : `the log ends with ${place(newest)}`
  const isDeleted = newest?.event.type.endsWith('.deleted.v1') ?? true
  if (last.kind === 'gone') {
    return isDeleted ? null : `${recordKey} is gone since ${since}; ${log}, not a deletion.`
  }
  if (last.kind === 'unmappable') {
    return rejected.has(last.raw)
      ? null
      : `${recordKey} cannot be mapped since ${since}, and no reject says so.`
  }
  if (newest === undefined || isDeleted) return `${recordKey} is ${last.content} since ${since}; ${log}.`
  const said = contentOf(newest.event.data)
  return said === last.content
    ? null
    : `${recordKey} is ${last.content} since ${since}; ${log}, which says ${said}.`
}
